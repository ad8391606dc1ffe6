// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// notify_context, of parts that there are: `inner`, a child of the parent that the signal ends;
// `stop`, whose cancel is what the user gets, and on which the unsubscribing hangs; and a context
// around `inner` that knows what it is called.
//
// Ownership  listener: counted by the relay's list while subscribed, and by stop's callback. It owns
//            inner's scope. stop is kept by the user's scope until its cancel, then the callback goes.
#include <atomic>
#include <string>

#include "context/cancel.hpp"
#include "downhaul/after_func.hpp"
#include "downhaul/context_base.hpp"
#include "downhaul/signal.hpp"
#include "signal/relay.hpp"

namespace downhaul {
namespace impl {
namespace {

class listener final : public subscriber {
 public:
  explicit listener(cancelable_cause inner) noexcept : inner_{std::move(inner)} {}

  const context& inner() const noexcept { return inner_.ctx; }

  void keep() noexcept override {
    refs_.fetch_add(1, std::memory_order_relaxed);  // [refs] count only: the caller owns one
  }
  void let_go() noexcept override {
    // [refs] release: what this owner did, for the one who deletes; acquire: he sees it
    if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }
  // On the relay: user code that this sets free runs in goroutines.
  void deliver(int signal) noexcept override {
    if (inner_.ctx.err()) return;
    auto& node = static_cast<cancel_node&>(*context_access::node(inner_.ctx));
    const end_record& why = record_for(make_error_code(errc::canceled), cause_of(signal), node);
    if (!cancel_tree(node, why, canceller::clock) && why.owner == &node) free_record(&why);
  }
  void stop() noexcept {
    inner_.cancel();
    unsubscribe(*this);
  }

 private:
  static std::exception_ptr cause_of(int signal) noexcept {
    try {
      return std::make_exception_ptr(signal_error{signal});
    } catch (...) {
      return nullptr;  // no memory for a text
    }
  }

  const cancelable_cause inner_;
  std::atomic<int> refs_{1};  // [refs]
};

// A share of a listener.
class listener_ref {
 public:
  explicit listener_ref(listener* adopted) noexcept : l_{adopted} {}
  listener_ref(const listener_ref& other) noexcept : l_{other.l_} { l_->keep(); }
  listener_ref& operator=(const listener_ref&) = delete;
  ~listener_ref() { l_->let_go(); }
  listener* operator->() const noexcept { return l_; }
  listener& operator*() const noexcept { return *l_; }

 private:
  listener* const l_;
};

class notify_node final : public context_base {
 public:
  notify_node(context inner, const context& parent, std::initializer_list<int> signals)
      : context_base{std::move(inner)}, parent_{parent}, names_{names_of(signals)} {}
  std::string to_string() const override {
    return "signal.NotifyContext(" + parent_.to_string() + names_ + ")";
  }

 private:
  static std::string names_of(std::initializer_list<int> signals) {
    std::string names;
    for (const int s : signals) names += (names.empty() ? ", [" : " ") + signal_name(s);
    return names.empty() ? names : names + "]";
  }

  const context parent_;
  const std::string names_;
};

}  // namespace
}  // namespace impl

cancelable notify_context(const context& parent, std::initializer_list<int> signals) {
  const impl::listener_ref l{new impl::listener{with_cancel_cause(parent)}};
  context shown = make_context<impl::notify_node>(l->inner(), parent, signals);
  cancelable stop = with_cancel(background());
  after_func(inplace, stop.ctx, [l]() noexcept { l->stop(); }).detach();
  impl::subscribe(*l, impl::signals_of(signals));
  return {std::move(shown), std::move(stop.cancel)};
}

}  // namespace downhaul
