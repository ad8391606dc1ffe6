// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// adapt/asio/impl/operation.hpp (room: adapt) — one Asio operation that a goroutine or a task waits for.
//
// Idea       The operation lies where the caller waits, on his stack or in his frame. Its handler and the
//            memory that Asio takes for it are counted in a wait group: when both are given back, the
//            caller goes on, and never earlier.
// Ownership  The caller's. Handlers, allocators and what is posted refer to it until the count is zero.
// Threads    The handler may run anywhere. A cancel runs on the operation's executor.
//
// [asio-cancel]  A context that ends wakes the caller, who posts a request to the operation's executor and
//   waits on. The operation may end first, and the request be run late, or never if the executor is stopped:
//     run:     C1 CAS posted → running; over: nothing is touched. Unless the handler has run: cancel. C2 done()
//     caller:  C3 when the operation is over: CAS posted → over; running: waits for C2
//   So nothing is cancelled whose caller has gone on, and nobody waits for an executor that has stopped.
//   On an executor that runs one thing at a time the handler is never called while a cancel runs.
#pragma once

#include <atomic>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/post.hpp>
#include <cstddef>
#include <exception>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include "downhaul/adapt/asio/impl/result.hpp"
#include "downhaul/context.hpp"
#include "downhaul/wait_group.hpp"

namespace downhaul::impl {

/// As those of the objects of Asio do, and of what is composed of those.
template <class Initiation>
concept says_executor = requires(const Initiation& i) { i.get_executor(); };

struct no_executor {};
struct no_canceller {};

class asio_operation_base {
 public:
  asio_operation_base() { over.add(); }
  asio_operation_base(const asio_operation_base&) = delete;
  asio_operation_base& operator=(const asio_operation_base&) = delete;
  // Not inlined: it looks for the memory that Asio keeps for a thread, and where the thread's own is found
  // must not be remembered across the wait, after which the caller may be on another.
  [[gnu::noinline]] ~asio_operation_base() {}

  /// The handler has been called, or destroyed without that: H [asio-cancel]
  void handler_gone() noexcept {
    handled_.store(true,
                   std::memory_order_release);  // H [asio-cancel] pairs with the look after C1
    over.done();                                // the last touch
  }
  bool is_handler_gone() const noexcept {
    return handled_.load(std::memory_order_acquire);  // [asio-cancel] pairs with H
  }

  /// From the room inside, if that is free.
  void* allocate(std::size_t size) {
    if (size <= room_size && !room_taken_.exchange(true, std::memory_order_acquire)) {  // [room] R1
      over.add();
      return room_;
    }
    return ::operator new(size);
  }
  void deallocate(void* place, std::size_t size) noexcept {
    if (place != room_) return ::operator delete(place, size);
    // [room] R1, R2: the next who takes it does so after this one has let go.
    room_taken_.store(false, std::memory_order_release);
    over.done();  // the last touch
  }

  wait_group over;  // counts the handler, and the room where it is taken
  boost::asio::cancellation_signal signal;

 private:
  static constexpr std::size_t room_size = 256;

  std::atomic<bool> handled_{false};  // [asio-cancel]
  alignas(std::max_align_t) std::byte room_[room_size];
  std::atomic<bool> room_taken_{false};
};

template <class T>
class asio_allocator {
 public:
  using value_type = T;

  explicit asio_allocator(asio_operation_base& of) noexcept : of_{&of} {}
  template <class U>
  asio_allocator(const asio_allocator<U>& other) noexcept : of_{other.of_} {}

  T* allocate(std::size_t n) {
    if constexpr (alignof(T) > alignof(std::max_align_t))
      return static_cast<T*>(::operator new(n * sizeof(T), std::align_val_t{alignof(T)}));
    return static_cast<T*>(of_->allocate(n * sizeof(T)));
  }
  void deallocate(T* place, std::size_t n) noexcept {
    if constexpr (alignof(T) > alignof(std::max_align_t))
      return ::operator delete(place, std::align_val_t{alignof(T)});
    of_->deallocate(place, n * sizeof(T));
  }
  template <class U>
  bool operator==(const asio_allocator<U>& other) const noexcept {
    return of_ == other.of_;
  }

 private:
  template <class U>
  friend class asio_allocator;
  asio_operation_base* of_;
};

template <class Signature>
class asio_operation : public asio_operation_base {
 public:
  typename asio_signature<Signature>::outcome outcome;
};

/// The handler. Moved; the one that is destroyed without having been called says so.
template <class Signature, class Executor>
class asio_handler_base {
 public:
  using allocator_type = asio_allocator<void*>;
  using cancellation_slot_type = boost::asio::cancellation_slot;

  asio_handler_base(asio_operation<Signature>& of, bool has_slot, Executor ex) noexcept
      : of_{&of}, memory_{&of}, has_slot_{has_slot}, executor_{std::move(ex)} {}
  asio_handler_base(asio_handler_base&& other) noexcept
      : of_{std::exchange(other.of_, nullptr)},
        memory_{other.memory_},
        has_slot_{other.has_slot_},
        executor_{std::move(other.executor_)} {}
  asio_handler_base& operator=(asio_handler_base&&) = delete;
  ~asio_handler_base() {
    if (of_ == nullptr) return;
    of_->outcome.abandon();
    of_->handler_gone();
  }

  template <class... Args>
  void operator()(Args&&... args) {
    asio_operation<Signature>& of = *std::exchange(of_, nullptr);
    try {
      asio_signature<Signature>::deliver(of.outcome, std::forward<Args>(args)...);
    } catch (...) {
      of.outcome.fail(std::current_exception());  // of a value's move
    }
    of.handler_gone();
  }

  allocator_type get_allocator() const noexcept { return allocator_type{*memory_}; }
  cancellation_slot_type get_cancellation_slot() const noexcept {
    return has_slot_ ? memory_->signal.slot() : cancellation_slot_type{};
  }

 protected:
  asio_operation<Signature>* of_;  // null: moved from, or called
  // Asio asks a handler that was moved from for the allocator, to give back what the other's operation lay in.
  asio_operation_base* memory_;
  bool has_slot_;
  [[no_unique_address]] Executor executor_;
};

template <class Signature, class Executor>
class asio_handler : public asio_handler_base<Signature, Executor> {
 public:
  using executor_type = Executor;
  using asio_handler_base<Signature, Executor>::asio_handler_base;

  executor_type get_executor() const noexcept { return this->executor_; }
};
template <class Signature>
class asio_handler<Signature, no_executor> : public asio_handler_base<Signature, no_executor> {
 public:
  using asio_handler_base<Signature, no_executor>::asio_handler_base;
};

/// See [asio-cancel]. `how` is noexcept.
class asio_cancel_request {
 public:
  asio_cancel_request(asio_operation_base& of, void (*how)(void*) noexcept, void* arg)
      : of_{&of}, how_{how}, arg_{arg} {
    ended.add();
  }

  void run() noexcept {
    int expected = posted;
    if (!state_.compare_exchange_strong(expected, running)) return;  // C1 [asio-cancel]
    if (!of_->is_handler_gone()) {  // else there may be nothing left that could be cancelled
      cancelled_ = true;
      how_(arg_);
    }
    ended.done();  // C2
  }
  /// The operation is over. True: it will not run. False: wait for `ended`.
  bool retire() noexcept {
    int expected = posted;
    if (!state_.compare_exchange_strong(expected, over)) return false;  // C3 [asio-cancel]
    ended.done();
    return true;
  }
  /// After retire, and after `ended` if that was false.
  bool cancelled() const noexcept { return cancelled_; }

  wait_group ended;

 private:
  static constexpr int posted = 0;
  static constexpr int running = 1;
  static constexpr int over = 2;

  std::atomic<int> state_{posted};  // [asio-cancel]
  bool cancelled_ = false;          // ordered by `ended`
  asio_operation_base* const of_;
  void (*const how_)(void*) noexcept;
  void* const arg_;
};

/// Posts the request. Null: there is no memory for it; to be tried again.
template <class Executor>
std::shared_ptr<asio_cancel_request> try_post_cancel(const Executor& on, asio_operation_base& of,
                                                     void (*how)(void*) noexcept,
                                                     void* arg) noexcept {
  try {
    auto request = std::make_shared<asio_cancel_request>(of, how, arg);
    boost::asio::post(on, [request] { request->run(); });
    return request;
  } catch (...) {
    return nullptr;
  }
}

}  // namespace downhaul::impl
