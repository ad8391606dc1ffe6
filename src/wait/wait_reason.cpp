// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "wait/wait_reason.hpp"

namespace downhaul::impl {

std::string_view to_string(wait_reason reason) noexcept {
  switch (reason) {
    case wait_reason::none: return "running";
    case wait_reason::chan_receive: return "chan receive";
    case wait_reason::chan_send: return "chan send";
    case wait_reason::chan_receive_nil: return "chan receive (nil chan)";
    case wait_reason::chan_send_nil: return "chan send (nil chan)";
    case wait_reason::select: return "select";
    case wait_reason::select_no_cases: return "select (no cases)";
    case wait_reason::sleep: return "sleep";
    case wait_reason::mutex_lock: return "sync.Mutex.Lock";
    case wait_reason::shared_mutex_lock: return "sync.RWMutex.Lock";
    case wait_reason::shared_mutex_lock_shared: return "sync.RWMutex.RLock";
    case wait_reason::once_call: return "sync.Once.Do";
    case wait_reason::condition_wait: return "sync.Cond.Wait";
    case wait_reason::wait_group_wait: return "sync.WaitGroup.Wait";
    case wait_reason::semaphore_acquire: return "semaphore.Acquire";
    case wait_reason::blocking_call: return "blocking call";
    case wait_reason::callback_wait: return "callback wait";
    case wait_reason::pin_thread: return "pin";
    case wait_reason::runtime_run: return "run";
    case wait_reason::coroutine_end: return "coroutine end";
  }
  return "unknown";
}

}  // namespace downhaul::impl
