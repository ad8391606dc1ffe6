// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// downhaul/singleflight.hpp — many want the same thing at once: do it once, and give it to all.
//
// Idea       The first caller of run(ctx, key, f) starts f in a goroutine; those who come with the same
//            key before it has ended wait for its result. Nothing is kept: who comes later starts anew.
// Contexts   Each caller waits as long as its own context lives. f gets a context of the flight's own:
//            the first caller's values, no deadline, ended when the last caller has left. So one
//            impatient caller does not fail the others, and nobody's absence keeps f running.
// Ownership  neither copied nor moved. It may go while an f that all its callers have left still runs.
// Threads    every member from goroutines and plain threads, concurrently.
//            Hash and Equal run under its lock: they must not come back to it.
// Cost       a lock for each call; a flight costs a context, a goroutine and a few allocations.
// Source     Go x/sync singleflight. Differs: callers have contexts, and f is cancelled when nobody
//            waits any more; an exception of f is thrown to every caller.
#pragma once

#include <atomic>
#include <concepts>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <source_location>
#include <system_error>
#include <type_traits>
#include <unordered_map>
#include <utility>

#include "downhaul/chan.hpp"
#include "downhaul/context.hpp"
#include "downhaul/go.hpp"
#include "downhaul/mutex.hpp"

namespace downhaul {

namespace impl {
/// See runtime.hpp: for the race detector.
void keep_reachable(const std::exception_ptr& e);
}  // namespace impl

template <std::copy_constructible Key, std::copy_constructible Value, class Hash = std::hash<Key>,
          class Equal = std::equal_to<Key>>
class singleflight {
  struct flight;

 public:
  struct result {
    Value value;
    bool shared;  ///< others got it too
  };

  singleflight() : state_{std::make_shared<state>()} {}
  singleflight(const singleflight&) = delete;
  singleflight& operator=(const singleflight&) = delete;

  /// The result of f(flight's context), run by the first of those who ask for `key` at the same time.
  /// Throws what f throws, to all of them. Cancellation: throws context_error if `ctx` has ended, or
  /// ends first; f goes on for the others, and is cancelled when this was the last.
  template <class F>
    requires std::invocable<std::decay_t<F>&, const context&> &&
             std::constructible_from<Value, std::invoke_result_t<std::decay_t<F>&, const context&>>
  Value run(const context& ctx, const Key& key, F&& f,
            std::source_location where = std::source_location::current()) {
    return std::move(run_shared(ctx, key, std::forward<F>(f), where).value);
  }
  /// The same, and whether others got it too.
  template <class F>
    requires std::invocable<std::decay_t<F>&, const context&> &&
             std::constructible_from<Value, std::invoke_result_t<std::decay_t<F>&, const context&>>
  result run_shared(const context& ctx, const Key& key, F&& f,
                    std::source_location where = std::source_location::current()) {
    ctx.check();
    const std::shared_ptr<flight> mine = board(ctx, key, std::forward<F>(f), where);
    std::error_code ec;
    mine->landed.recv(ctx, ec);
    if (ec) {
      leave(mine);
      impl::throw_done(ctx);
    }
    if (mine->failure != nullptr) std::rethrow_exception(mine->failure);
    return {*mine->value, mine->shared};
  }

  /// Who asks for `key` from now on starts anew, though it may be running; those who wait go on waiting.
  void forget(const Key& key) {
    typename schedule::node_type gone;
    const std::lock_guard held{state_->mutex};
    gone = state_->flights.extract(key);
  }

 private:
  struct flight {
    flight(const context& first, const Key& k) : key{k}, own{with_cancel(without_cancel(first))} {}

    const Key key;
    const cancelable own;
    const chan<void> landed = make_chan<void>();  // closed when the fields below are final
    std::ptrdiff_t callers = 1;                   // guarded by the state's mutex
    bool shared = false;                          // the same; final once it is off the schedule
    std::optional<Value> value;
    std::exception_ptr failure;
  };
  using schedule = std::unordered_map<Key, std::shared_ptr<flight>, Hash, Equal>;

  // Shared with the goroutines of the flights.
  struct state {
    downhaul::mutex mutex;
    schedule flights;  // guarded by mutex

    /// Off the schedule; under the mutex. The node is destroyed after it.
    typename schedule::node_type take_off(const std::shared_ptr<flight>& f) {
      const auto it = flights.find(f->key);
      if (it == flights.end() || it->second != f) return {};  // forgotten
      return flights.extract(it);
    }
    void land(const std::shared_ptr<flight>& f) {
      {
        typename schedule::node_type gone;
        const std::lock_guard held{mutex};
        gone = take_off(f);
      }
      f->landed.close();
    }
  };

  template <class F>
  std::shared_ptr<flight> board(const context& ctx, const Key& key, F&& f,
                                std::source_location where) {
    if (auto in_flight = join(key)) return in_flight;
    auto made = std::make_shared<flight>(ctx, key);
    {
      const std::lock_guard held{state_->mutex};
      const auto [it, first] = state_->flights.try_emplace(key, made);
      if (!first) return joined(it->second);
    }
    try {
      downhaul::go(
          [in = state_, made,
           g = std::optional<std::decay_t<F>>{std::in_place, std::forward<F>(f)}]() mutable {
            try {
              made->value.emplace(std::invoke(*g, made->own.ctx));
            } catch (...) {
              made->failure = std::current_exception();
              impl::keep_reachable(made->failure);
            }
            g.reset();  // before the callers go on: what it captured may refer to their locals
            in->land(made);
          },
          where);
    } catch (...) {  // for those who have joined meanwhile, too
      made->failure = std::current_exception();
      state_->land(made);
    }
    return made;
  }
  std::shared_ptr<flight> join(const Key& key) {
    const std::lock_guard held{state_->mutex};
    const auto it = state_->flights.find(key);
    return it == state_->flights.end() ? nullptr : joined(it->second);
  }
  // Under the mutex.
  static std::shared_ptr<flight> joined(const std::shared_ptr<flight>& f) noexcept {
    ++f->callers;
    f->shared = true;
    return f;
  }
  void leave(const std::shared_ptr<flight>& f) {
    bool last = false;
    {
      typename schedule::node_type gone;
      const std::lock_guard held{state_->mutex};
      last = --f->callers == 0;
      if (last) gone = state_->take_off(f);
    }
    if (last) f->own.cancel();
  }

  const std::shared_ptr<state> state_;
};

}  // namespace downhaul
