// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// impl/observer.hpp (room: wait) — what hangs on a source's list.
//
// Idea       Intrusive, doubly linked. A waiter hangs on a source by a wait_node; a child context
//            and an after_func callback hang on a done by observers of their own kind.
// Ownership  The list owns nothing. Every node is unlinked, under the source's lock, before its
//            memory goes.
// Threads    Links are guarded by the lock of the source whose list the node is on.
#pragma once

#include <cstddef>
#include <cstdint>

#include "downhaul/impl/poison.hpp"

namespace downhaul::impl {

class waiter;

struct list_node {
  list_node* prev = nullptr;
  list_node* next = nullptr;

  bool linked() const noexcept {
#ifdef DOWNHAUL_CHECKED
    expect_alive(static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(next) >> 32));
#endif
    return next != nullptr;
  }
};

enum class observer_kind : std::uint8_t { waiter, child, callback };

struct observer : list_node {
  constexpr explicit observer(observer_kind k) noexcept : what{k} {}
#ifdef DOWNHAUL_CHECKED
  observer(const observer&) = default;
  observer& operator=(const observer&) = delete;
  ~observer() {
    if (linked()) die_of_early_free(freed::wait_node, "it hung on a list");
    // Volatile: stores to what is about to end are left out otherwise.
    constexpr std::uintptr_t gone = std::uintptr_t{poison_of(freed::wait_node)} << 32;
    *const_cast<list_node* volatile*>(&next) = reinterpret_cast<list_node*>(gone);
  }
#endif
  const observer_kind what;
};

/// One waiter's wait on one source. Lives on the waiter's stack (or in a select_case).
struct wait_node : observer {
  constexpr wait_node() noexcept : observer{observer_kind::waiter} {}

  bool elect = false;     // the waiter waits on several nodes: win it by waiter::try_win first
  bool ok = false;        // written by the waker before notify: true a value passed, false closed
  waiter* who = nullptr;  // constant while linked
  void* slot = nullptr;   // receive: raw storage to move into; send: the element to move from
};

#ifdef DOWNHAUL_CHECKED
/// Aborts: neighbours on a list do not name each other.
[[noreturn]] void die_of_torn_list() noexcept;
#endif

/// Circular list with its own head; the empty list points at itself.
template <class Node>
class observer_list {
 public:
  constexpr observer_list() noexcept { head_.prev = head_.next = &head_; }
  observer_list(const observer_list&) = delete;
  observer_list& operator=(const observer_list&) = delete;

  bool empty() const noexcept { return head_.next == &head_; }
  Node* front() const noexcept { return empty() ? nullptr : static_cast<Node*>(head_.next); }
  Node* after(const Node& n) const noexcept {
    return n.next == &head_ ? nullptr : static_cast<Node*>(n.next);
  }
  std::size_t count() const noexcept {
    std::size_t n = 0;
    for (const list_node* p = head_.next; p != &head_; p = p->next) ++n;
    return n;
  }
  void push_back(Node& n) noexcept {
    n.prev = head_.prev;
    n.next = &head_;
    head_.prev->next = &n;
    head_.prev = &n;
  }
  void push_front(Node& n) noexcept {
    n.prev = &head_;
    n.next = head_.next;
    head_.next->prev = &n;
    head_.next = &n;
  }
  static void remove(Node& n) noexcept {
#ifdef DOWNHAUL_CHECKED
    if (n.prev->next != &n || n.next->prev != &n) die_of_torn_list();
#endif
    n.prev->next = n.next;
    n.next->prev = n.prev;
    n.prev = n.next = nullptr;
  }
#ifdef DOWNHAUL_CHECKED
  /// Aborts if the links of the first nodes, or of the last, are torn. Calls see(node) for them.
  template <class F>
  void check(F see) const noexcept {
    constexpr int most_looked_at = 64;
    const list_node* p = &head_;
    for (int i = 0; i < most_looked_at; ++i, p = p->next) {
      if (!p->linked() || p->next->prev != p || p->prev->next != p) die_of_torn_list();
      if (p != &head_) see(static_cast<Node&>(const_cast<list_node&>(*p)));
      if (p->next == &head_) return;
    }
    if (head_.prev->next != &head_) die_of_torn_list();
  }
#endif
  Node* pop_front() noexcept {
    Node* n = front();
    if (n != nullptr) remove(*n);
    return n;
  }

 private:
  list_node head_;
};

using wait_list = observer_list<wait_node>;

}  // namespace downhaul::impl
