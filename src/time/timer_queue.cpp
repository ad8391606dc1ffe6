// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "time/timer_queue.hpp"

#include <bit>
#include <utility>

#ifdef DOWNHAUL_CHECKED
#include "platform/fatal.hpp"
#endif

namespace downhaul::impl {
namespace {

bool before(const timer_node& a, const timer_node& b) noexcept {
  return a.when != b.when ? a.when < b.when : a.sequence < b.sequence;
}

}  // namespace

timer_node* timer_heap::meld(timer_node* a, timer_node* b) noexcept {
  if (before(*b, *a)) std::swap(a, b);
  b->prev = a;
  b->next = a->child;
  if (b->next != nullptr) b->next->prev = b;
  a->child = b;
  return a;
}

// The classic two passes, as loops: pairs from the front, then all of them from the back.
timer_node* timer_heap::meld_all(timer_node* first) noexcept {
  timer_node* pairs = nullptr;  // chained through prev, last pair first
  while (first != nullptr) {
    timer_node* a = first;
    timer_node* b = a->next;
    first = b != nullptr ? b->next : nullptr;
    if (b != nullptr) a = meld(a, b);
    a->prev = pairs;
    pairs = a;
  }
  timer_node* root = pairs;
  if (root == nullptr) return nullptr;
  pairs = root->prev;
  while (pairs != nullptr) {
    timer_node* rest = pairs->prev;
    root = meld(root, pairs);
    pairs = rest;
  }
  root->prev = nullptr;
  root->next = nullptr;
  return root;
}

void timer_heap::push(timer_node& n) noexcept {
  n.prev = n.next = n.child = nullptr;
  root_ = root_ == nullptr ? &n : meld(root_, &n);
}

void timer_heap::remove(timer_node& n) noexcept {
  timer_node* below = meld_all(n.child);
  if (&n == root_) {
    root_ = below;
  } else {
    (n.prev->child == &n ? n.prev->child : n.prev->next) = n.next;
    if (n.next != nullptr) n.next->prev = n.prev;
    if (below != nullptr) root_ = meld(root_, below);
  }
  n.prev = n.next = n.child = nullptr;
}

timer_queue::timer_queue(std::int64_t now) noexcept : base_{tick_of(now)} {}

void timer_queue::place(timer_node& n) noexcept {
  const std::uint64_t tick = tick_of(n.when);
  if (tick <= base_) {
    n.place = in_heap;
    heap_.push(n);
    return;
  }
  const int level = (63 - std::countl_zero(tick ^ base_)) / digit_bits;
  const int index = digit(tick, level);
  const auto at = static_cast<std::size_t>(level * slots_per_level + index);
  slot& s = slots_[at];
  n.place = static_cast<std::uint16_t>(first_slot + at);
  n.next = nullptr;
  if (s.head == nullptr) {
    s.head = &n;
    s.earliest = n.when;
    n.prev = &n;
    slot_used_[static_cast<std::size_t>(level)] |= std::uint64_t{1} << index;
    level_used_ |= 1U << level;
  } else {
    timer_node* last = s.head->prev;
    last->next = &n;
    n.prev = last;
    s.head->prev = &n;
    if (n.when < s.earliest) s.earliest = n.when;
  }
}

void timer_queue::unlink(timer_node& n) noexcept {
  if (n.place == in_heap) {
    heap_.remove(n);
    n.place = 0;
    return;
  }
  const auto at = static_cast<std::size_t>(n.place - first_slot);
  n.place = 0;
  slot& s = slots_[at];
  if (s.head == &n) {
    s.head = n.next;
    if (n.next != nullptr) {
      n.next->prev = n.prev;
      return;
    }
    const std::size_t level = at / slots_per_level;
    slot_used_[level] &= ~(std::uint64_t{1} << (at % slots_per_level));
    if (slot_used_[level] == 0) level_used_ &= ~(1U << level);
    return;
  }
  n.prev->next = n.next;
  (n.next != nullptr ? n.next : s.head)->prev = n.prev;
}

void timer_queue::insert(timer_node& n, std::int64_t when) noexcept {
  n.expect_alive();
  if (when == never) return;
  n.when = when;
  n.sequence = ++sequence_;
  place(n);
  ++size_;
}

bool timer_queue::remove(timer_node& n) noexcept {
  if (!n.queued()) return false;
  unlink(n);
  --size_;
  return true;
}

bool timer_queue::move(timer_node& n, std::int64_t when) noexcept {
  if (n.place >= first_slot && when != never) {
    const slot& s = slots_[static_cast<std::size_t>(n.place - first_slot)];
    if (when >= s.earliest) {  // I3 and I4 keep: it is looked at when the slot's turn comes
      n.when = when;
      n.sequence = ++sequence_;
      return true;
    }
  }
  const bool was = remove(n);
  insert(n, when);
  return was;
}

// Detaches a slot's list and hangs it before `behind`, in constant time.
timer_node* timer_queue::take_slot(int level, int index, timer_node* behind) noexcept {
  slot& s = slots_[static_cast<std::size_t>(level * slots_per_level + index)];
  timer_node* head = std::exchange(s.head, nullptr);
  head->prev->next = behind;
  return head;
}

void timer_queue::advance(std::int64_t now) noexcept {
  const std::uint64_t tick = tick_of(now);
  if (tick <= base_) return;
  const int top = (63 - std::countl_zero(tick ^ base_)) / digit_bits;
  base_ = tick;
  timer_node* taken = nullptr;
  // Below the highest digit that changes every slot has passed (I2); there, those up to the new one.
  for (int level = 0; level <= top; ++level) {
    std::uint64_t& used = slot_used_[static_cast<std::size_t>(level)];
    const int last = level < top ? slots_per_level - 1 : digit(tick, level);
    const std::uint64_t passed = ~std::uint64_t{0} >> (slots_per_level - 1 - last);
    for (std::uint64_t bits = used & passed; bits != 0; bits &= bits - 1) {
      taken = take_slot(level, std::countr_zero(bits), taken);
    }
    used &= ~passed;
    if (used == 0) level_used_ &= ~(1U << level);
  }
  while (taken != nullptr) {
    timer_node* n = std::exchange(taken, taken->next);
    place(*n);
  }
}

timer_node* timer_queue::pop_due(std::int64_t now) noexcept {
  timer_node* first = heap_.top();
  if (first == nullptr) {
    if (next() > now) return nullptr;
    advance(now);
    first = heap_.top();
    if (first == nullptr) return nullptr;
  }
  if (first->when > now) return nullptr;  // by I1 and I2 all others are later still
  remove(*first);
  return first;
}

std::int64_t timer_queue::next() const noexcept {
  if (heap_.top() != nullptr) return heap_.top()->when;
  if (level_used_ == 0) return never;
  const int level = std::countr_zero(level_used_);
  const int index = std::countr_zero(slot_used_[static_cast<std::size_t>(level)]);
  return slots_[static_cast<std::size_t>(level * slots_per_level + index)].earliest;
}

#ifdef DOWNHAUL_CHECKED
namespace {
constexpr int most_looked_at = 64;  // so that a million timers do not make each lock a million long
}

void timer_heap::check() const noexcept {
  if (root_ == nullptr) return;
  if (root_->next != nullptr) fatal({"timers: the top of the heap has a sibling"});
  // Breadth first, through the nodes as they come.
  const timer_node* waiting[most_looked_at] = {root_};
  int seen = 0;
  for (int known = 1; seen < known; ++seen) {
    const timer_node& above = *waiting[seen];
    const timer_node* before_it = &above;
    for (const timer_node* n = above.child; n != nullptr && known < most_looked_at; n = n->next) {
      n->expect_alive();
      if (n->prev != before_it) fatal({"timers: the heap is torn"});
      if (before(*n, above)) fatal({"timers: the heap is out of order"});
      waiting[known++] = n;
      before_it = n;
    }
  }
}

timer_queue::~timer_queue() {
  while (pop_due(never) != nullptr) {
  }
}

void timer_queue::check(std::int64_t bound) const noexcept {
  heap_.check();
  const timer_node* const top = heap_.top();
  if (top != nullptr && (top->place != in_heap || top->when < bound)) {
    fatal({"timers: the first is due before the queue says so"});
  }
  if (size_ == 0 && (top != nullptr || level_used_ != 0)) fatal({"timers: more than were counted"});
  for (int level = 0; level < levels; ++level) {
    const std::uint64_t used = slot_used_[static_cast<std::size_t>(level)];
    if ((used != 0) != ((level_used_ >> level & 1) != 0)) fatal({"timers: a level's bit is wrong"});
    if (used == 0) continue;
    const int index = std::countr_zero(used);
    const auto at = static_cast<std::size_t>(level * slots_per_level + index);
    const slot& s = slots_[at];
    if (s.head == nullptr) fatal({"timers: a slot's bit is wrong"});
    const timer_node* last = s.head->prev;
    if (last == nullptr || last->next != nullptr) fatal({"timers: a slot is torn"});
    int left = most_looked_at;
    for (const timer_node* n = s.head; n != nullptr && left > 0; n = n->next, --left) {
      n->expect_alive();
      if (n->place != first_slot + at) fatal({"timers: a timer is not where it says"});  // I2
      if (n->when < s.earliest || n->when < bound)
        fatal({"timers: one is due before its slot"});                             // I4
      if (tick_of(n->when) <= base_) fatal({"timers: one has been passed over"});  // I1
      if (n->next != nullptr && n->next->prev != n) fatal({"timers: a slot is torn"});
    }
  }
}
#endif

}  // namespace downhaul::impl
