// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// time/timer_channel.cpp — the channel of a timer or ticker.
//
// Idea       A channel with one place that the clock sends to. stop and reset take the channel's
//            lock, so that nothing of before can be received afterwards: a value in the place is
//            withdrawn, and a firing that has been popped but has not sent yet is called off.
// Ownership  Counted by handles. The clock's queue holds no reference: a firing takes one, and the
//            last handle disarms.
//
// [fire]  phase_: idle → armed → popped → idle
//   armed   stored under mu() and the shard's lock, by whoever inserts the entry
//   popped  stored under the shard's lock, by whoever pops it (try_ref)
//   idle    stored under mu(): by the firing, which sends only if it finds popped; by stop and reset,
//           once the entry is out of the queue. Only armed can change without mu(), to popped.
//   Two firings may be under way (popped, reset, popped again): the first to take mu() finds popped
//   and sends for the second, with the second's time; the other finds idle or armed and does
//   nothing. The release of popped, read with acquire, publishes `when`, which is constant until
//   the entry is armed again, under mu().
//   Model: tests/models/timer_channel.pml
#include <cstddef>
#include <mutex>
#include <new>

#include "chan/chan_core.hpp"
#include "downhaul/impl/timer_core.hpp"
#include "time/clock_state.hpp"

namespace downhaul::impl {
namespace {

class timer_channel final : public chan_core, private timer_entry {
 public:
  explicit timer_channel(std::int64_t period) noexcept
      : chan_core{element_ops_of<time_point>, 1, place_},
        timer_entry{&fire_entry, &try_ref_entry},
        period_{period} {}

#ifdef DOWNHAUL_CHECKED
  static void operator delete(void* place, std::size_t size) noexcept {
    retire(place, size, 0, freed::timer);
  }
#endif

  void begin(clock& c, std::int64_t delay) noexcept {
    clock_state::of(c).adopt(*this, c);
    start(now_on(c), delay);
  }
  bool stop() noexcept {
    const lock_scope lock{mu()};
    return stop_locked();
  }
  bool reset(std::int64_t delay, std::int64_t period) noexcept {
    const std::int64_t now = now_on(*owner);
    bool was = false;
    const passed_on on = [&] {
      const lock_scope lock{mu()};
      was = stop_locked();
      period_ = period;
      return start_locked(now, delay);
    }();
    finish(on);
    return was;
  }

  std::ptrdiff_t size() noexcept override { return 0; }
  std::ptrdiff_t capacity() const noexcept override { return 0; }

 private:
  enum class phase : std::uint8_t { idle, armed, popped };

  // What is to be done after the unlocking.
  struct passed_on {
    waiter* wake = nullptr;
    std::int64_t attend = never;
  };

  void start(std::int64_t now, std::int64_t delay) noexcept {
    finish([&] {
      const lock_scope lock{mu()};
      return start_locked(now, delay);
    }());
  }

  passed_on start_locked(std::int64_t now, std::int64_t delay) noexcept DOWNHAUL_REQUIRES(mu()) {
    passed_on on;
    const std::int64_t due = due_after(now, delay);
    if (delay <= 0) {
      send_due(due, on);
    } else {
      arm_locked(due, on);
    }
    return on;
  }
  void arm_locked(std::int64_t due, passed_on& on) noexcept DOWNHAUL_REQUIRES(mu()) {
    if (due == never) return;
    timer_shard& s = shard_of(*this);
    const lock_scope lock{s.mu};
    phase_.store(phase::armed, std::memory_order_relaxed);  // [fire] under both locks
    if (s.arm(*this, due)) on.attend = due;
  }
  void send_due(std::int64_t due, passed_on& on) noexcept DOWNHAUL_REQUIRES(mu()) {
    time_point value = to_time_point(due);
    offer_locked(&value, on.wake);  // blocked: a tick is pending already, this one is dropped
  }
  bool stop_locked() noexcept DOWNHAUL_REQUIRES(mu()) {
    bool pending = false;
    if (phase_.load(std::memory_order_relaxed) != phase::idle) {  // [fire] mu() is held
      timer_shard& s = shard_of(*this);
      const lock_scope lock{s.mu};
      s.queue.remove(*this);  // if it is popped, its firing is called off by idle
      pending = true;
      phase_.store(phase::idle, std::memory_order_relaxed);  // [fire] under both locks
    }
    if (count_locked() > 0) {
      drain_locked();
      pending = true;
    }
    return pending;
  }
  void finish(const passed_on& on) noexcept {
    if (on.wake != nullptr) on.wake->notify();
    if (on.attend != never) owner->attend(on.attend);
  }

  void fire_now(std::int64_t now) noexcept {
    const passed_on on = [&] {
      passed_on result;
      const lock_scope lock{mu()};
      if (phase_.load(std::memory_order_acquire) != phase::popped) return result;  // [fire]
      phase_.store(phase::idle, std::memory_order_relaxed);  // [fire] under mu()
      send_due(when, result);
      if (period_ > 0) arm_locked(next_tick(when, now), result);
      return result;
    }();
    finish(on);
    unref();
  }
  // Whole periods after the last due time, and after now: what was missed is dropped.
  std::int64_t next_tick(std::int64_t due, std::int64_t now) noexcept DOWNHAUL_REQUIRES(mu()) {
    const std::int64_t late = now > due ? subtract_saturated(now, due) : 0;
    return due_after(add_saturated(due, late / period_ * period_), period_);
  }

  static bool try_ref_entry(timer_entry& e) noexcept {
    auto& c = static_cast<timer_channel&>(e);
    if (!c.chan_core::try_ref()) return false;
    c.phase_.store(phase::popped, std::memory_order_release);  // [fire] pairs with fire_now
    return true;
  }
  static void fire_entry(timer_entry& e, std::int64_t now) noexcept {
    static_cast<timer_channel&>(e).fire_now(now);
  }
  // No references: nobody else changes the phase, and a pop finds a dying channel.
  void dispose() noexcept override {
    if (phase_.load(std::memory_order_relaxed) == phase::armed) owner->disarm(*this);  // [fire]
    count(tally::timers, -1);
    delete this;
  }

  std::atomic<phase> phase_{phase::idle};          // [fire]
  std::int64_t period_ DOWNHAUL_GUARDED_BY(mu());  // 0: not a ticker
  alignas(time_point) std::byte place_[sizeof(time_point)];
};

timer_channel& as_timer(source* s) noexcept {
  return static_cast<timer_channel&>(*static_cast<chan_core*>(s));
}

}  // namespace

source* make_timer_channel(std::int64_t delay, std::int64_t period) {
  auto* c = new timer_channel{period};
  thread_record& me = this_thread();
  count(me, tally::timers, 1);
  c->begin(clock_of(me), delay);
  return c;
}

bool stop_timer_channel(source* timer) noexcept { return as_timer(timer).stop(); }

bool reset_timer_channel(source* timer, std::int64_t delay, std::int64_t period) noexcept {
  return as_timer(timer).reset(delay, period);
}

void leave_timer_channel(source* timer) noexcept {
  // Alone: what is sent meanwhile is seen by nobody, and the last reference disarms.
  if (timer->refs() > 1) as_timer(timer).stop();
}

}  // namespace downhaul::impl
