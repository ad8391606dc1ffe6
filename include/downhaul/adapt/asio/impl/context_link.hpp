// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// adapt/asio/impl/context_link.hpp (room: adapt) — between a context and one Asio operation.
//
// Idea       A callback of the context waits until the operation has been started, and posts to its
//            executor; there the signal is emitted, unless the handler has been called.
// Ownership  Shared by the handler, the callback while it is pending or runs, and what was posted. The end
//            of the handler unregisters the callback, which is the end of all three.
// Threads    The signal: on the executor, which runs one thing at a time.
//
// [link]  state: idle → posts → posted, by the callback; → over, by the end of the handler
//   The callback touches the executor between `posts` and `posted` only. The end of the handler finds
//   idle: the callback never will; posts: waits until it has left post(), for afterwards the owner of the
//   executor may end it.
#pragma once

#include <atomic>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associator.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <concepts>
#include <memory>
#include <new>
#include <utility>

#include "downhaul/adapt/asio/impl/operation.hpp"
#include "downhaul/after_func.hpp"
#include "downhaul/context.hpp"
#include "downhaul/sleep.hpp"
#include "downhaul/wait_group.hpp"

namespace downhaul::impl {

/// `Own`: of the handler. `Object`: of what the operation belongs to, or no_executor. The request takes the
/// way of a handler of Asio: posted to the object's, dispatched from there to its own. So one that does not
/// keep things apart, as that of use_future, is kept to the object's.
template <class Own, class Object>
class asio_context_link : public std::enable_shared_from_this<asio_context_link<Own, Object>> {
 public:
  asio_context_link(const Own& own, const Object& object, boost::asio::cancellation_type type)
      : own_{own}, object_{object}, type_{type} {
    begun_.add();
  }
  asio_context_link(const asio_context_link&) = delete;
  asio_context_link& operator=(const asio_context_link&) = delete;
  ~asio_context_link() { begin(); }

  /// Says at its end that the operation has been started.
  class begun {
   public:
    explicit begun(std::shared_ptr<asio_context_link> link) noexcept : link_{std::move(link)} {}
    begun(const begun&) = delete;
    begun& operator=(const begun&) = delete;
    ~begun() {
      if (link_ != nullptr) link_->begin();
    }

   private:
    std::shared_ptr<asio_context_link> link_;
  };

  void follow(const context& ctx) {
    registered_ = after_func(ctx, [me = this->shared_from_this()] { me->post_request(); });
  }
  /// What `slot` is told goes to the operation.
  template <class Slot>
  void forward_from(Slot slot) {
    if (!slot.is_connected()) return;
    // Weak, for a handler that is destroyed cannot know whether the slot's signal still exists.
    slot.assign([link = this->weak_from_this()](boost::asio::cancellation_type type) {
      if (const auto me = link.lock()) me->emit(type);
    });
  }
  boost::asio::cancellation_slot slot() noexcept { return signal_.slot(); }
  /// The handler is about to be called, or is destroyed.
  void end() noexcept {
    const int was = state_.exchange(over);  // [link]
    begin();
    registered_.stop();
    registered_.detach();  // a callback that runs keeps this alive
    if (was == posts) posting_.wait();
    if (!emitting_) signal_.slot().clear();
  }

 private:
  void begin() noexcept {
    if (!has_begun_.exchange(true)) begun_.done();
  }
  void post_request() {
    begun_.wait();
    for (;;) {
      posting_.add();
      int now = idle;
      bool again = state_.compare_exchange_strong(now, posts);  // [link]
      if (again) {
        const bool done = try_post();
        now = posts;
        again = state_.compare_exchange_strong(now, done ? posted : idle) && !done;  // [link]
      }
      posting_.done();
      if (!again) return;
      sleep(std::chrono::milliseconds{1});  // no memory: it may be back
    }
  }
  bool try_post() noexcept {
    try {
      if constexpr (std::same_as<Object, no_executor>) {
        boost::asio::post(own_, [me = this->shared_from_this()] { me->emit(me->type_); });
      } else {
        boost::asio::post(object_, [me = this->shared_from_this()] { me->dispatch_request(); });
      }
      return true;
    } catch (...) {
      return false;  // no memory
    }
  }
  void dispatch_request() {
    for (;;) {
      try {
        boost::asio::dispatch(own_, [me = this->shared_from_this()] { me->emit(me->type_); });
        return;
      } catch (const std::bad_alloc&) {
        sleep(std::chrono::milliseconds{1});
      }
    }
  }
  void emit(boost::asio::cancellation_type type) {
    if (state_ == over) return;
    emitting_ = true;
    signal_.emit(type);
    emitting_ = false;
  }

  const Own own_;
  [[no_unique_address]] const Object object_;
  const boost::asio::cancellation_type type_;
  static constexpr int idle = 0;
  static constexpr int posts = 1;
  static constexpr int posted = 2;
  static constexpr int over = 3;

  std::atomic<bool> has_begun_{false};
  wait_group begun_;  // one task: the start of the operation
  wait_group posting_;
  boost::asio::cancellation_signal signal_;
  bool emitting_ = false;
  std::atomic<int> state_{idle};  // [link]
  registration registered_;
};

template <class Inner, class Link>
class asio_context_handler {
 public:
  using cancellation_slot_type = boost::asio::cancellation_slot;

  template <class H>
  asio_context_handler(H&& inner, std::shared_ptr<Link> link)
      : inner_(std::forward<H>(inner)), link_{std::move(link)} {}
  asio_context_handler(asio_context_handler&&) = default;
  asio_context_handler& operator=(asio_context_handler&&) = delete;
  ~asio_context_handler() {
    if (link_ != nullptr) link_->end();
  }

  template <class... Args>
  void operator()(Args&&... args) {
    if (link_ != nullptr) {
      std::exchange(link_, nullptr)->end();
      auto slot = boost::asio::get_associated_cancellation_slot(inner_);
      if (slot.is_connected()) slot.clear();
    }
    std::move(inner_)(std::forward<Args>(args)...);
  }
  const Inner& inner() const noexcept { return inner_; }
  Link* link() const noexcept { return link_.get(); }

 private:
  Inner inner_;
  std::shared_ptr<Link> link_;
};

}  // namespace downhaul::impl

// All that is associated with the inner handler, but for the slot.
template <template <class, class> class Associator, class Inner, class Link, class Default>
struct boost::asio::associator<Associator, downhaul::impl::asio_context_handler<Inner, Link>,
                               Default> : Associator<Inner, Default> {
  using handler = downhaul::impl::asio_context_handler<Inner, Link>;
  static auto get(const handler& h) noexcept { return Associator<Inner, Default>::get(h.inner()); }
  static auto get(const handler& h, const Default& otherwise) noexcept {
    return Associator<Inner, Default>::get(h.inner(), otherwise);
  }
};

template <class Inner, class Link, class Default>
struct boost::asio::associated_cancellation_slot<downhaul::impl::asio_context_handler<Inner, Link>,
                                                 Default> {
  using handler = downhaul::impl::asio_context_handler<Inner, Link>;
  using type = boost::asio::cancellation_slot;
  static type get(const handler& h) noexcept {
    return h.link() != nullptr ? h.link()->slot()
                               : type{boost::asio::get_associated_cancellation_slot(h.inner())};
  }
  static type get(const handler& h, const Default&) noexcept { return get(h); }
};
