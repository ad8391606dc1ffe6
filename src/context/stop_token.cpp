// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Contexts and std::stop_token, both ways.
//
// From a token   a cancel node with a stop_callback in it.
// To a token     a stop_source in an in-place callback that belongs to the list it hangs on: nobody
//                has to keep it, and it goes with its context. A table finds it again, so that a
//                long-lived context asked for many tokens has one callback. For a user-written context
//                with a done of its own the list is that of a node which follows this done.
//
// [stop]  A std::stop_state knows the one who requests the stop by his thread. The end of a
//   stop_callback that runs waits for it, unless on that thread: then it is taken for its own.
//   S1  the callback of a node: try_ref; cancel; unref.   S2  the node's dispose: end the stop_callback.
//   * S2 never waits for a cancel: while one runs S1 has a reference. If try_ref failed, S2 waits until S1
//     has returned, a few instructions; the memory is there.
//   * A goroutine's S1 does not wait, for it might go on on another thread, and S2 of whatever callback
//     would wait for itself there, or, on the first thread, not wait for a callback that runs. So what
//     users have hung in place runs on another goroutine, and so does the end of what they own.
//   * A callback of the user's may have waited all the same, before S1. Hence the last unref is not a
//     goroutine's inside S1.
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <stop_token>
#include <unordered_map>
#include <utility>

#include "context/cancel.hpp"
#include "downhaul/context.hpp"
#include "downhaul/impl/callback.hpp"
#include "downhaul/impl/user_node.hpp"
#include "wait/waiter.hpp"

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
    // On the requester's thread or goroutine. See [stop].
    void operator()() const noexcept {
      stop_node* const n = node;
      if (!n->try_ref()) return;
      const bool goroutine = on_goroutine();
      cancel_tree(*n, fixed().canceled, goroutine ? canceller::stop : canceller::user);
      goroutine ? unref_on_goroutine(*n) : n->unref();
    }
  };
  void dispose() noexcept override { delete this; }

  std::optional<std::stop_callback<on_stop>> watch_;
};

// The bridges that hang somewhere, by the done they hang on.
struct bridge_table {
  using map = std::unordered_map<const source*, std::stop_source>;
  using entry = map::node_type;

  std::mutex mu;
  map bridges;  // guarded by mu
};
bridge_table& table() {
  static bridge_table& never_destroyed = *new bridge_table;
  return never_destroyed;
}

struct bridge {
  bridge(std::stop_source s, const source* a) : stop{std::move(s)}, at{a} {}
  bridge(bridge&&) = delete;
  ~bridge() {
    bridge_table& t = table();
    bridge_table::entry gone;  // freed after the lock is given back
    const std::lock_guard lock{t.mu};
    const auto found = t.bridges.find(at);
    if (found != t.bridges.end() && found->second == stop) gone = t.bridges.extract(found);
  }
  void operator()() noexcept { stop.request_stop(); }

  std::stop_source stop;
  const source* at;  // where it is listed, if it is
};

std::stop_token stopped() {
  std::stop_source s;
  s.request_stop();
  return s.get_token();
}

// The one whose done that of `h` is, which is not an own one of ours. Others around it show the same.
user_node& owner_of_done(context_head* h, const source* done) noexcept {
  context_head* owner = nullptr;
  for (; h != nullptr && node_access::done_of(h) == done; h = h->parent()) {
    if (h->form() == context_form::user) owner = h;
  }
  return *static_cast<user_node*>(owner);
}

// What a bridge hangs on that does not keep ctx: ctx itself, or what follows its done.
context place_for_bridge(const context& ctx, source* done) {
  context_head* const h = context_access::node(ctx);
  if (links_directly(h)) return ctx;
  bridge_table& t = table();
  context& follower = owner_of_done(h, done).follower();
  {
    const std::lock_guard lock{t.mu};
    if (follower != background()) return follower;
  }
  context made = make_follower(*done);  // before the lock: its end is after it
  const std::lock_guard lock{t.mu};
  if (follower == background()) follower = std::move(made);
  return follower;
}

}  // namespace
}  // namespace impl

context::context(std::stop_token token) {
  if (token.stop_possible()) node_ = new impl::stop_node{std::move(token)};
}

std::stop_token to_stop_token(const context& ctx) {
  impl::source* done = impl::done_of(ctx);
  if (done == nullptr) return {};
  if (ctx.err()) return impl::stopped();
  const context place = impl::place_for_bridge(ctx, done);
  done = impl::done_of(place);

  impl::bridge_table& t = impl::table();
  {
    const std::lock_guard lock{t.mu};
    const auto found = t.bridges.find(done);
    if (found != t.bridges.end()) return found->second.get_token();
  }
  std::stop_source stop;
  using callback = impl::callback_of<impl::bridge>;
  auto made = std::make_unique<callback>(std::in_place, stop, done);
  impl::bridge_table::entry gone;
  {
    const std::lock_guard lock{t.mu};
    const auto [entry, fresh] = t.bridges.try_emplace(done, stop);
    if (!fresh) return entry->second.get_token();
    if (impl::callback::entrust(*made, *done)) {
      made.release();
      return stop.get_token();
    }
    gone = t.bridges.extract(entry);  // at once: nobody would stop it
  }
  return impl::stopped();  // it has ended meanwhile
}

}  // namespace downhaul
