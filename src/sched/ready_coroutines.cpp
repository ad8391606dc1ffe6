// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "sched/ready_coroutines.hpp"

#include <new>

#include "downhaul/go.hpp"
#include "platform/fatal.hpp"
#include "sched/coroutine.hpp"
#include "sched/registry.hpp"
#include "sched/runtime_core.hpp"

namespace downhaul::impl {
namespace {

constexpr std::uint32_t long_list = 64;  // so many for each carrier: another one may help
constexpr int resumed_between_yields = 64;

}  // namespace

carrier& carrier::of(goroutine& g) noexcept { return *static_cast<carrier*>(g.closure_address()); }

carrier* carrier::here() noexcept {
  thread_record& me = this_thread();
  if (me.current == nullptr || me.current == &me.self) return nullptr;
  auto& g = static_cast<goroutine&>(*me.current);
  return g.carries ? &of(g) : nullptr;
}

void carrier::operator()() {
  ready_coroutines& queue = of_->coroutines;
  int left = resumed_between_yields;
  while (coroutine* const c = queue.next(*this)) {
    running = c;
    resume_coroutine(*c, this);
    running = nullptr;
    if (--left > 0) continue;
    left = resumed_between_yields;
    yield();
  }
}

bool ready_coroutines::wants_carrier() const noexcept {
  if (first_ == nullptr || closed_) return false;
  if (serving_ == 0) return true;
  return size_ / long_list > static_cast<std::uint32_t>(serving_) && serving_ < of_->workers();
}

bool ready_coroutines::push(coroutine& first, coroutine& last, std::uint32_t n) noexcept {
  last.next = nullptr;
  bool starts = false;
  {
    const lock_scope held{mu_};
    if (closed_) return false;
    (first_ == nullptr ? first_ : last_->next) = &first;
    last_ = &last;
    size_ += n;
    starts = wants_carrier();
    if (starts) ++serving_;
  }
  if (starts) start_carrier();
  return true;
}

coroutine* ready_coroutines::next(carrier& c) noexcept {
  const lock_scope held{mu_};
  if (c.away_) {
    c.away_ = false;
    ++serving_;
  }
  coroutine* const taken = closed_ ? nullptr : first_;
  if (taken == nullptr) {
    --serving_;
    return nullptr;
  }
  first_ = taken->next;
  --size_;
  return taken;
}

void ready_coroutines::leaves_service(goroutine& g) noexcept {
  carrier& c = carrier::of(g);
  bool starts = false;
  {
    const lock_scope held{mu_};
    if (c.away_) return;
    c.away_ = true;
    --serving_;
    starts = wants_carrier();
    if (starts) ++serving_;
  }
  if (starts) start_carrier();
}

void ready_coroutines::close() noexcept {
  const lock_scope held{mu_};
  closed_ = true;
}

void ready_coroutines::start_carrier() noexcept {
  try {
    spawn_request request;
    request.in = of_;
    request.owner = &carriers;
    start_carrier_goroutine(prepare_goroutine_with(carrier{*of_}, request));
  } catch (const std::bad_alloc&) {
    bool helpless = false;
    {
      const lock_scope held{mu_};
      helpless = --serving_ == 0;
    }
    if (helpless) fatal("out of memory: no goroutine to resume coroutines");
  }
}

}  // namespace downhaul::impl
