// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Contexts written by users take part in the tree. What such a class does not override is its
// parent's; a cancel at the root passes through it and reaches its children, and no goroutine is
// spent on watching.
#include <downhaul/downhaul.hpp>

#include <iostream>
#include <string>
#include <system_error>
#include <utility>

namespace dh = downhaul;

inline constexpr dh::key<std::string> tenant{"tenant"};

// Answers for one key and leaves the rest to its parent.
class tenant_context : public dh::context_base {
 public:
  tenant_context(const dh::context& parent, std::string name)
      : context_base{parent}, name_{std::move(name)} {}

  const void* find(const dh::key_base& key) const noexcept override {
    return &key == &tenant ? &name_ : context_base::find(key);
  }
  std::string to_string() const override { return "tenant(" + name_ + ")"; }

 private:
  std::string name_;
};

// Ends when somebody hangs up, and with an error of its own.
class call_context : public dh::context_base {
 public:
  explicit call_context(const dh::context& parent) : context_base{parent} {}

  void hang_up() { hung_up_.close(); }

  dh::recv_chan<void> done() const override { return hung_up_; }
  std::error_code err() const override {
    std::error_code open;  // operation_would_block until the channel is closed
    hung_up_.try_recv(open);
    return open ? std::error_code{} : std::make_error_code(std::errc::connection_aborted);
  }

 private:
  dh::chan<void> hung_up_ = dh::make_chan<void>();
};

int main() {
  {
    auto [root, cancel] = dh::with_cancel(dh::background());
    const auto middle = dh::make_context<tenant_context>(root, "acme");
    auto [child, stop] = dh::with_cancel(middle);
    std::cout << to_string(child) << " is of " << *child.value(tenant) << '\n';
    std::cout << "goroutines that watch: " << dh::count_goroutines() << '\n';
    cancel();
    child.done().recv();
    std::cout << "root cancelled, child: " << child.err().message() << '\n';
  }
  {
    const auto call = dh::make_context<call_context>(dh::background());
    auto [child, stop] = dh::with_cancel(call);
    call->hang_up();
    child.done().recv();
    std::cout << "hung up, child: " << child.err().message() << '\n';
  }
}

// Output:
//   tenant(acme).WithCancel is of acme
//   goroutines that watch: 0
//   root cancelled, child: context canceled
//   hung up, child: Software caused connection abort
