// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "wait/thread_record.hpp"
#include "wait/waiter.hpp"

namespace downhaul::impl {

void release_queue::run(source* last) noexcept {
  if (head_ != idle) {  // the outer loop below takes it
    last->next_released_ = head_ == running ? nullptr : reinterpret_cast<source*>(head_);
    head_ = reinterpret_cast<std::uintptr_t>(last);
    return;
  }
  head_ = running;
  last->dispose();
  while (head_ != running) {
    auto* const s = reinterpret_cast<source*>(head_);
    head_ = s->next_released_ == nullptr ? running
                                         : reinterpret_cast<std::uintptr_t>(s->next_released_);
    s->dispose();
  }
  head_ = idle;
}

void source::release(source* last) noexcept {
  thread_record& me = this_thread();
  // On the scheduler's stack there is no current waiter; what is released there is the library's
  // own, and the thread's own queue serves.
  running_waiter& w = me.current != nullptr ? *me.current : me.self;
  w.released.run(last);
}

}  // namespace downhaul::impl
