// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "wait/thread_record.hpp"
#include "wait/waiter.hpp"

namespace downhaul::impl {

void release_queue::run(source* last) noexcept {
  if (running_) {  // the outer loop below takes it
    last->next_released_ = head_;
    head_ = last;
    return;
  }
  running_ = true;
  last->dispose();
  while (head_ != nullptr) {
    source* s = head_;
    head_ = s->next_released_;
    s->dispose();
  }
  running_ = false;
}

void source::release(source* last) noexcept {
  thread_record& me = this_thread();
  // On the scheduler's stack there is no current waiter; what is released there is the library's
  // own, and the thread's own queue serves.
  waiter& w = me.current != nullptr ? *me.current : me.self;
  w.released.run(last);
}

}  // namespace downhaul::impl
