// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "context/cancel.hpp"

#include <new>
#include <utility>

#include "downhaul/impl/callback.hpp"
#include "downhaul/impl/spawn.hpp"
#include "wait/thread_record.hpp"
#include "wait/waiter.hpp"

namespace downhaul::impl {
namespace {

// Links that were taken off their lists, chained through `prev`: `next` stays null, which is what
// unlinking looks at (K2).
class link_list {
 public:
  void push(child_link& l) noexcept {
    l.prev = nullptr;
    *tail_ = &l;
    tail_ = &l.prev;
  }
  child_link* pop() noexcept {
    list_node* n = head_;
    if (n == nullptr) return nullptr;
    head_ = n->prev;
    if (head_ == nullptr) tail_ = &head_;
    return static_cast<child_link*>(n);
  }
  bool empty() const noexcept { return head_ == nullptr; }

 private:
  list_node* head_ = nullptr;
  list_node** tail_ = &head_;
};

class fired_list {
 public:
  void push(callback& c) noexcept {
    c.next_fired = nullptr;
    *tail_ = &c;
    tail_ = &c.next_fired;
  }
  callback* take() noexcept {
    tail_ = &head_;
    return std::exchange(head_, nullptr);
  }
  bool empty() const noexcept { return head_ == nullptr; }

 private:
  callback* head_ = nullptr;
  callback** tail_ = &head_;
};

void run_all(callback* c) noexcept {
  while (c != nullptr) {
    callback* next = c->next_fired;  // c may be gone afterwards
    c->run_here();
    c = next;
  }
}

// Runs f in a goroutine, or here when there is no memory for one.
template <class F>
void run_elsewhere(F f) noexcept {
  goroutine* g = nullptr;
  try {
    g = prepare_goroutine_with(f, {});
  } catch (...) {
    f();
    return;
  }
  start_goroutine(g);
}

// Whether user code must not run here: on a stack of the scheduler, or on a thread that the library
// keeps for itself.
bool on_library_stack() noexcept {
  const thread_record& me = this_thread();
  return me.current == nullptr || (me.current == &me.self && !me.external);
}

}  // namespace

class cancel_walk {
 public:
  explicit cancel_walk(canceller from) noexcept : from_{from} {}

  void run(cancel_node& top) noexcept {
    walk(top);
    while (child_link* l = children_.pop()) end_child(*l);
    for (callback* c = background_.take(); c != nullptr;) {
      callback* next = c->next_fired;
      c->start();
      c = next;
    }
    if (!elsewhere_.empty()) run_elsewhere([first = elsewhere_.take()] { run_all(first); });
    run_all(here_.take());
  }

 private:
  static constexpr int batch = 1024;  // observers taken per holding of the lock

  // C2 [cancel]. Ends: nothing is added to the list of a closed node.
  void walk(cancel_node& n) noexcept {
    const end_record& why = n.why();
    for (bool more = true; more;) {
      wake_list wake;
      n.mu_.lock();
      for (int left = batch; left > 0 && !n.observers_.empty(); --left) {
        take(*n.observers_.pop_front(), why, wake);
      }
      more = !n.observers_.empty();
      more ? n.mu_.unlock_and_give_way() : n.mu_.unlock();
      wake.notify_all();
    }
  }

  // Under the lock of the list that `o` was on.
  void take(observer& o, const end_record& why, wake_list& wake) noexcept {
    switch (o.what) {
      case observer_kind::waiter: {
        auto& w = static_cast<wait_node&>(o);
        if (w.elect && !w.who->try_win(w)) break;  // won elsewhere
        w.ok = false;
        wake.push(w);
        break;
      }
      case observer_kind::child: take_child(static_cast<child_link&>(o), why); break;
      case observer_kind::callback: {
        auto& c = static_cast<callback&>(o);
        (!c.in_place() ? background_ : runs_here(c) ? here_ : elsewhere_).push(c);
        break;
      }
    }
  }

  bool runs_here(const callback& c) const noexcept {
    return from_ == canceller::user || (from_ == canceller::stop && c.entrusted());
  }

  void take_child(child_link& l, const end_record& why) noexcept {
    cancel_node& n = l.node();
    if (l.how == child_link::shape::plain) {
      // Hint: decides only which way is tried; the CAS and try_ref do not rely on it.
      std::uintptr_t word = n.word_.load(std::memory_order_relaxed);
      if ((word & done_source::closed_bit) != 0) return;  // [child-cancel]
      const std::uintptr_t ended =
          address_of(why) | done_source::closed_bit | done_source::detached_bit;
      if ((word & done_source::observed_bit) == 0 &&
          // [end] release: the record, and what the canceller did before. Acquire is not needed:
          // nothing of n is read afterwards, it may be gone (K3).
          n.word_.compare_exchange_strong(word, ended, std::memory_order_release,
                                          std::memory_order_relaxed)) {  // [child-cancel] or A2
        return;
      }
    }
    if (n.try_ref()) children_.push(l);  // else [child-drop]
  }

  // Outside all locks. Owns a reference to the child.
  void end_child(child_link& l) noexcept {
    cancel_node& n = l.node();
    const bool plain = n.plain();
    const end_record* why = &l.above().why();  // kept: n owns what it hung on
    if (!plain) why = n.ends_with(*why);
    bool observed = false;
    if (why != nullptr && n.close(*why, done_source::detached_bit, observed)) {
      if (!plain) n.settle();
      if (observed) walk(n);
    }
    switch (from_) {
      case canceller::user: n.unref(); break;
      case canceller::clock: unref_elsewhere(n); break;
      case canceller::stop: unref_on_goroutine(n); break;
    }
  }

  const canceller from_;
  link_list children_;     // each with a reference
  fired_list background_;  // callbacks for a goroutine each
  fired_list here_;        // those in place
  fired_list elsewhere_;   // those in place where no user code may run: for one goroutine
};

void walk_from(cancel_node& n, canceller from) noexcept { cancel_walk{from}.run(n); }

void unref_elsewhere(cancel_node& n) noexcept {
  on_library_stack() ? unref_on_goroutine(n) : n.unref();
}

void unref_on_goroutine(cancel_node& n) noexcept {
  if (n.unref_unless_last()) return;
  run_elsewhere([last = &n] { last->unref(); });
}

}  // namespace downhaul::impl
