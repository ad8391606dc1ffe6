// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "wait/thread_record.hpp"
#include "wait/waiter.hpp"

namespace downhaul::impl {

void release_queue::run(source* last) noexcept {
  push(last);
  if (running_) return;  // the outer loop below takes it
  running_ = true;
  while (head_ != nullptr) {
    source* s = head_;
    head_ = s->next_released_;
    if (head_ == nullptr) tail_ = &head_;
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
