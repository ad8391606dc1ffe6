// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// impl/callback.hpp (room: context) — what after_func hangs on a context's done.
//
// Idea       An observer with the user's function in it and, unless it runs in place, the memory of the
//            goroutine that will run it, reserved at registration: a cancel cannot fail to start it.
// Ownership  Two own it, the handle (registration) and the pending run; the last one frees it. It
//            owns the done it hangs on.
// Threads    Everything from anywhere; a handle is not destroyed while somebody else uses it.
//
// [fire]  Whoever takes the callback off the list under the done's lock decides: a cancel runs it, a
//   stop() prevents it. Those that run in place run one after another, and one may end the handle of
//   another whose turn has not come: there the cancel decides nothing yet. Who claims it does (F1
//   CAS pending → claimed): the run when its turn comes, or a stop() that found it off the list.
// [ran]   state_: pending → (claimed) → (a waiter) → ended
//   run:   E1 exchange(ended); notify the waiter found, if any. Then the run's share is given up.
//   join:  J1 CAS pending, in place claimed, → its waiter, parks. J1 fails: ended, no wait.
//   E1 release / J1 acquire: what f did is visible to the one who waited for it.
//   Model of both: tests/models/callback_run.pml
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <source_location>
#include <utility>

#include "downhaul/context.hpp"
#include "downhaul/impl/observer.hpp"
#include "downhaul/impl/spawn.hpp"

namespace downhaul::impl {

class done_source;
class waiter;

class callback : public observer {
 public:
  callback(const callback&) = delete;
  callback& operator=(const callback&) = delete;

  // From the thread's own blocks.
  static void* operator new(std::size_t size);
  static void operator delete(void* place, std::size_t size) noexcept;
  static void* operator new(std::size_t size, std::align_val_t align) {
    return ::operator new(size, align);
  }
  static void operator delete(void* place, std::size_t, std::align_val_t align) noexcept {
    ::operator delete(place, align);
  }

  /// Hangs it on ctx's done, or runs it if ctx has ended. Takes over the object, also when it
  /// throws. `where`: null runs in place.
  static callback* hang(std::unique_ptr<callback> made, const context& ctx,
                        const std::source_location* where);

  /// Hangs it, to run in place, so that it belongs to the list of `done`, whose end takes it along.
  /// False: `done` is closed, and the caller keeps it.
  static bool entrust(callback& c, source& done) noexcept;
  /// What the end of an open done does to those.
  void abandon() noexcept;

  // --- for the handle ---

  /// True if this call prevented f, whose captures are then gone.
  bool stop() noexcept {
    // [ran] acquire: pairs with E1 and with the store in stop_pending; spares the lock.
    return state_.load(std::memory_order_acquire) != ended && stop_pending();
  }
  /// Gives up the handle's share; `wait`: after a running f has ended, unless this is f calling. To
  /// wait, call stop() before.
  void leave(bool wait) noexcept {
    // [ran] acquire: pairs with E1
    if (wait && state_.load(std::memory_order_acquire) != ended) join();
    give_up_share();
  }

  // --- for the one who took it off the list ---

  bool in_place() const noexcept { return in_place_; }
  bool entrusted() const noexcept { return entrusted_; }
  /// Starts f in its goroutine.
  void start() noexcept;
  /// Runs f here. In place only.
  void run_here() noexcept;
  /// The next of those fired together; meaningful between the taking and the starting.
  callback* next_fired = nullptr;

 protected:
  callback() noexcept : observer{observer_kind::callback} {}
  virtual ~callback() = default;

  virtual void call() = 0;             // runs f; in place: does not throw
  virtual void forget() noexcept = 0;  // destroys f; called once

 private:
  friend struct std::default_delete<callback>;
  friend struct callback_run;
  static constexpr std::uintptr_t pending = 0;
  static constexpr std::uintptr_t ended = 1;
  static constexpr std::uintptr_t claimed = 2;  // in place only

  /// In place: true for the one who decides whether f runs.
  bool claim() noexcept;
  void run();
  void end() noexcept;
  bool stop_pending() noexcept;
  void join() noexcept;
  void give_up_share() noexcept {
    // [refs] as in source. One share left is the caller's own: no RMW.
    if (shares_.load(std::memory_order_acquire) == 1 ||
        shares_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      if (reserved_ != nullptr) discard_reserved(reserved_);
      delete this;
    }
  }

  bool in_place_ = false;   // constant once hung
  bool entrusted_ = false;  // constant once hung
  std::atomic<std::uint32_t> shares_{1};
  std::atomic<std::uintptr_t> state_{pending};  // [ran]
  std::atomic<waiter*> runner_{nullptr};        // while f runs
  std::atomic<bool> stopped_{false};            // decides for callbacks that hang nowhere
  goroutine* reserved_ = nullptr;               // owned until started
  source_ref<source> on_;                       // the done it hangs on; null: none. Constant
  context below_;                               // on_'s, if it was made for this callback. Constant
};

template <class F>
class callback_of final : public callback {
 public:
  template <class G>
  explicit callback_of(G&& f) : f_(std::forward<G>(f)) {}
  template <class... Args>
  explicit callback_of(std::in_place_t, Args&&... args) : f_(std::forward<Args>(args)...) {}
  ~callback_of() override {
    if (has_) f_.~F();
  }

 private:
  void call() override { std::invoke(f_); }
  void forget() noexcept override {
    has_ = false;
    f_.~F();
  }

  union {
    F f_;
  };
  bool has_ = true;
};

}  // namespace downhaul::impl
