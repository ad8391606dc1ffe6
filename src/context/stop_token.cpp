// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Contexts and std::stop_token, both ways.
//
// From a token   a cancel node with a stop_callback in it.
// To a token     a stop_source in an in-place callback that belongs to the list it hangs on: nobody
//                has to keep it, and it goes with its context. A table finds it again, so that a
//                long-lived context asked for many tokens has one callback.
#include <mutex>
#include <new>
#include <optional>
#include <stop_token>
#include <unordered_map>
#include <utility>

#include "context/cancel.hpp"
#include "downhaul/context.hpp"
#include "downhaul/impl/callback.hpp"

#if defined(__GNUC__) && !defined(__clang__)
// GCC 12 at -Og takes the standard's stop_source(), which passes itself along, for an uninitialised use.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace downhaul {
namespace impl {
namespace {

class stop_node final : public cancel_node {
 public:
  explicit stop_node(std::stop_token token)
      : cancel_node{context_form::stop_token, nullptr, shape::extended, 1} {
    // Runs at once if a stop was requested.
    watch_.emplace(std::move(token), on_stop{this});
  }

 private:
  struct on_stop {
    stop_node* node;
    // On the requester's thread. ~stop_callback, in the node's end, waits for it: the memory is there.
    void operator()() const noexcept {
      stop_node* n = node;
      if (!n->try_ref()) return;
      cancel_tree(*n, fixed().canceled, canceller::user);
      n->unref();  // if the last: ends the stop_callback that is running, which the standard allows
    }
  };
  void dispose() noexcept override { delete this; }

  std::optional<std::stop_callback<on_stop>> watch_;
};

// The bridges that hang somewhere, by the done they hang on.
struct bridge_table {
  std::mutex mu;
  std::unordered_map<const source*, std::stop_source> bridges;  // guarded by mu
};
bridge_table& table() {
  static bridge_table& never_destroyed = *new bridge_table;
  return never_destroyed;
}

struct bridge {
  bridge(std::stop_source s, const source* a, context keep)
      : stop{std::move(s)}, at{a}, relay{std::move(keep)} {}
  bridge(bridge&&) = delete;
  ~bridge() {
    bridge_table& t = table();
    const std::lock_guard lock{t.mu};
    t.bridges.erase(at);
  }
  void operator()() noexcept { stop.request_stop(); }

  std::stop_source stop;
  const source* at;
  context relay;
};

std::stop_token stopped() {
  std::stop_source s;
  s.request_stop();
  return s.get_token();
}

}  // namespace
}  // namespace impl

context::context(std::stop_token token) {
  if (token.stop_possible()) node_ = new impl::stop_node{std::move(token)};
}

std::stop_token to_stop_token(const context& ctx) {
  const impl::source* at = impl::done_of(ctx);
  if (at == nullptr) return {};
  if (ctx.err()) return impl::stopped();
  context relay = impl::hangable(ctx);
  impl::source* done = impl::done_of(relay);
  if (relay == ctx) relay = {};

  std::stop_source stop;
  using callback = impl::callback_of<impl::bridge>;
  std::unique_ptr<callback> made;
  impl::bridge_table& t = impl::table();
  {
    const std::lock_guard lock{t.mu};
    const auto [entry, fresh] = t.bridges.try_emplace(at, stop);
    if (!fresh) return entry->second.get_token();
    try {
      made = std::make_unique<callback>(std::in_place, stop, at, std::move(relay));
    } catch (...) {
      t.bridges.erase(entry);
      throw;
    }
    if (impl::callback::entrust(*made, *done)) {
      made.release();
      return stop.get_token();
    }
  }
  return impl::stopped();  // it has ended meanwhile; `made` takes its entry away
}

}  // namespace downhaul
