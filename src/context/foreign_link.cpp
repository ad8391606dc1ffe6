// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "context/foreign_link.hpp"

#include <utility>

#include "context/cancel.hpp"
#include "downhaul/impl/user_node.hpp"
#include "platform/fatal.hpp"

namespace downhaul::impl {
namespace {

// What makes the record of how `child` ends: a maker of contexts can throw, who ends them cannot.
using record_maker = const end_record& (*)(std::error_code, std::exception_ptr,
                                           const context_head& owner);

// The done of `parent` is closed. Runs user code. Null: it only follows a done.
void end_now(cancel_node& child, const context_head* parent, record_maker record) {
  if (parent == nullptr) {
    cancel_tree(child, fixed().canceled, canceller::user);
    return;
  }
  ending e = ending_of(parent);
  if (!e.err) fatal("context: internal error: missing cancel error");
  const end_record& why = record(e.err, std::move(e.cause), child);
  if (!cancel_tree(child, why, canceller::user) && why.owner == &child) free_record(&why);
}

}  // namespace

// The callables given to the class's after_func: copies may outlive the child and the parent.
class foreign_link::caller {
 public:
  explicit caller(foreign_link& l) noexcept : link_{&l} { l.ref(); }
  caller(const caller& other) noexcept : link_{other.link_} { link_->ref(); }
  caller& operator=(const caller&) = delete;
  ~caller() { link_->unref(); }
  void operator()() const noexcept { link_->start(); }

 private:
  foreign_link* link_;
};

foreign_link::wake_up::wake_up(foreign_link& l) noexcept
    : waiter{[]() -> const waiter_ops& {
        static constexpr waiter_ops ops{
            [](waiter&, mutex*) noexcept { fatal("downhaul: a link does not park"); },
            [](waiter& w) noexcept { static_cast<wake_up&>(w).link.start(); }};
        return ops;
      }()},
      link{l} {}

foreign_link::foreign_link(cancel_node& child, context_head* parent)
    : parent_{context_access::share(parent)}, waiter_{*this}, child_{&child} {
  spawn_request request;
  request.where = std::source_location::current();
  request.name = "context watcher";
  // [link] nobody else sees it yet
  prepared_.store(prepare_goroutine_with([this] { run(); }, request), std::memory_order_relaxed);
}

void foreign_link::hang(cancel_node& child, context_head& parent, foreign_link*& place) {
  source* done = node_access::done_of(&parent);
  if (done == nullptr) return;
  if (done->ready()) {
    end_now(child, &parent, record_or_throw);
    return;
  }
  auto* link = new foreign_link{child, &parent};
  place = link;
  if (parent.form() == context_form::user) {
    auto& user = static_cast<user_node&>(parent);
    if (user.has_after_func()) {
      link->ref();  // it may run, and be done with, while it is being hung
      try {
        link->hang_on_after_func(user);
      } catch (...) {
        place = nullptr;
        link->detach();
        link->unref();
        throw;
      }
      link->unref();
      return;
    }
  }
  link->hang_on_done(*done);
}

void foreign_link::follow(cancel_node& child, source& done, foreign_link*& place) {
  place = new foreign_link{child, nullptr};
  place->followed_ = source_ref<source>::share(&done);
  place->hang_on_done(done);
}

void foreign_link::hang_on_done(source& done) noexcept {
  done_ = &done;
  // A waiter that is parked from the beginning: the wake-up starts the goroutine.
  waiter_.prepare();
  waiter_.commit_park();
  node_.who = &waiter_;
  node_.elect = true;
  if (done.watch(node_)) return;
  // It has closed since: elect ourselves, which nobody contests as the node hangs nowhere.
  cancel_node& child = *child_;
  waiter_.try_win(node_);
  discard(
      prepared_.exchange(nullptr, std::memory_order_relaxed));  // [link] decided by the election
  // Detaches, and may free this.
  end_now(child, context_access::node(parent_), record_for);
}

void foreign_link::hang_on_after_func(user_node& parent) {
  std::function<bool()> stop = parent.attach(caller{*this});
  {
    const lock_scope lock{mu_};
    if (child_ != nullptr) {
      stop_ = std::move(stop);
      return;
    }
  }
  if (stop) stop();  // it has run and ended the child already
}

void foreign_link::start() noexcept {
  // [link] acq_rel: one of start and detach gets it, and sees what the maker wrote.
  goroutine* g = prepared_.exchange(nullptr, std::memory_order_acq_rel);
  if (g != nullptr) start_goroutine(g);
}

void foreign_link::discard(goroutine* g) noexcept {
  if (g == nullptr) return;
  discard_goroutine(g);  // its closure is one pointer
  unref();
}

void foreign_link::detach() noexcept {
  std::function<bool()> stop;
  {
    const lock_scope lock{mu_};
    child_ = nullptr;
    stop = std::exchange(stop_, nullptr);
  }
  if (done_ != nullptr) {
    wait_node none;
    if (waiter_.try_win(none)) {
      done_->unwatch(node_);
      start_none();
    }
  } else {
    if (stop) stop();
    start_none();
  }
  unref();
}

void foreign_link::start_none() noexcept {
  discard(prepared_.exchange(nullptr, std::memory_order_acq_rel));  // [link] as in start
}

void foreign_link::run() {
  cancel_node* child = nullptr;
  {
    const lock_scope lock{mu_};
    if (child_ != nullptr && child_->try_ref()) child = child_;
  }
  if (child != nullptr) {
    const source_ref<cancel_node> hold = source_ref<cancel_node>::adopt(child);
    end_now(*child, context_access::node(parent_), record_for);
  }
  unref();
}

}  // namespace downhaul::impl
