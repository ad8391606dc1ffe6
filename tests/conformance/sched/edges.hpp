// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// conformance/sched/edges.hpp — the channel's happens-before edges, one at a time, for every element.
//
// Idea       Each function goes through all forms of the two operations (plain, in a select, trying)
//            and all orders of coming (who waits, or nobody), on two threads that nothing else orders:
//            see unordered.hpp. `accessed` is written on one side and read on the other.
// Threads    as a test's body.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <ostream>
#include <sstream>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

#include "downhaul/chan.hpp"
#include "downhaul/select.hpp"
#include "support/crew.hpp"
#include "support/unordered.hpp"

namespace downhaul_test {

enum class form { plain, select, tries };

inline constexpr form all_forms[] = {form::plain, form::select, form::tries};
inline constexpr form forms_that_wait[] = {form::plain, form::select};

inline std::ostream& operator<<(std::ostream& out, form f) {
  return out << (f == form::plain ? "plain" : f == form::select ? "select" : "try");
}

inline std::string in_forms(form a, form b) {
  std::ostringstream text;
  text << a << ", " << b;
  return text.str();
}

inline downhaul::impl::wait_reason reason_of(form f, downhaul::impl::wait_reason plain) {
  return f == form::plain ? plain : downhaul::impl::wait_reason::select;
}

template <class T>
void put(const downhaul::chan<T>& c, form f) {
  const downhaul::chan<int> nil;
  if constexpr (std::is_void_v<T>) {
    switch (f) {
      case form::plain: c.send(); break;
      case form::select: downhaul::select(downhaul::send(c), downhaul::recv(nil)); break;
      case form::tries: EXPECT_TRUE(c.try_send()); break;
    }
  } else {
    switch (f) {
      case form::plain: c.send(T{}); break;
      case form::select: downhaul::select(downhaul::send(c, T{}), downhaul::recv(nil)); break;
      case form::tries: EXPECT_TRUE(c.try_send(T{})); break;
    }
  }
}

/// Receives once; false if the channel is closed and drained.
template <class T>
bool take(const downhaul::chan<T>& c, form f) {
  const downhaul::chan<int> nil;
  std::error_code ec;
  switch (f) {
    case form::plain: return static_cast<bool>(c.recv());
    case form::select: {
      auto from = downhaul::recv(c);
      downhaul::select(from, downhaul::recv(nil));
      return static_cast<bool>(from.value());
    }
    case form::tries: {
      const bool got = static_cast<bool>(c.try_recv(ec));
      EXPECT_FALSE(ec) << "there was nothing to receive";
      return got;
    }
  }
  return false;
}

/// A send is ordered before the end of the receive that gets its value.
template <class T>
void send_orders_its_receive() {
  using downhaul::impl::wait_reason;
  const auto receiver = [](const downhaul::chan<T>& c, form f, const int& accessed) {
    EXPECT_TRUE(take(c, f));
    EXPECT_EQ(accessed, 1);
  };
  for (const form s : all_forms) {
    for (const form r : all_forms) {
      SCOPED_TRACE("the value lies in the buffer: " + in_forms(s, r));
      auto c = downhaul::make_chan<T>(1);
      int accessed = 0;
      sign sent;
      on_two_threads(
          [&] {
            accessed = 1;
            put(c, s);
            sent.raise();
          },
          [&] {
            sent.await();
            receiver(c, r, accessed);
          });
    }
    for (const form r : forms_that_wait) {
      for (const std::ptrdiff_t capacity : {0, 1}) {
        SCOPED_TRACE("the receiver waits: " + in_forms(s, r));
        auto c = downhaul::make_chan<T>(capacity);
        int accessed = 0;
        once_parked(
            reason_of(r, wait_reason::chan_receive),
            [&] {
              accessed = 1;
              put(c, s);
            },
            [&] { receiver(c, r, accessed); });
      }
    }
  }
  for (const form s : forms_that_wait) {
    for (const form r : all_forms) {
      for (const std::ptrdiff_t capacity : {0, 2}) {
        SCOPED_TRACE("the sender waits: " + in_forms(s, r));
        auto c = downhaul::make_chan<T>(capacity);
        for (std::ptrdiff_t i = 0; i < capacity; ++i) put(c, form::plain);
        int accessed = 0;
        once_parked(
            reason_of(s, wait_reason::chan_send),
            [&] {
              for (std::ptrdiff_t i = 0; i < capacity; ++i) EXPECT_TRUE(take(c, r));
              receiver(c, r, accessed);
            },
            [&] {
              accessed = 1;
              put(c, s);
            });
      }
    }
  }
}

/// A close is ordered before the end of every receive that returns because of it.
template <class T>
void close_orders_what_it_ends() {
  using downhaul::impl::wait_reason;
  for (const std::ptrdiff_t capacity : {0, 1}) {
    for (const form r : all_forms) {
      SCOPED_TRACE("closed before: " + in_forms(form::plain, r));
      auto c = downhaul::make_chan<T>(capacity);
      int accessed = 0;
      sign closed;
      on_two_threads(
          [&] {
            accessed = 1;
            c.close();
            closed.raise();
          },
          [&] {
            closed.await();
            EXPECT_FALSE(take(c, r));
            EXPECT_EQ(accessed, 1);
          });
    }
    for (const form r : forms_that_wait) {
      SCOPED_TRACE("the receiver waits: " + in_forms(form::plain, r));
      auto c = downhaul::make_chan<T>(capacity);
      int accessed = 0;
      once_parked(
          reason_of(r, wait_reason::chan_receive),
          [&] {
            accessed = 1;
            c.close();
          },
          [&] {
            EXPECT_FALSE(take(c, r));
            EXPECT_EQ(accessed, 1);
          });
    }
  }
}

/// Without a buffer: a receive is ordered before the end of the send whose value it gets.
template <class T>
void receive_orders_the_send_of() {
  using downhaul::impl::wait_reason;
  for (const form s : forms_that_wait) {
    for (const form r : all_forms) {
      SCOPED_TRACE("the sender waits: " + in_forms(s, r));
      auto c = downhaul::make_chan<T>();
      int accessed = 0;
      once_parked(
          reason_of(s, wait_reason::chan_send),
          [&] {
            accessed = 1;
            EXPECT_TRUE(take(c, r));
          },
          [&] {
            put(c, s);
            EXPECT_EQ(accessed, 1);
          });
    }
  }
  for (const form s : all_forms) {
    for (const form r : forms_that_wait) {
      SCOPED_TRACE("the receiver waits: " + in_forms(s, r));
      auto c = downhaul::make_chan<T>();
      int accessed = 0;
      once_parked(
          reason_of(r, wait_reason::chan_receive),
          [&] {
            put(c, s);
            EXPECT_EQ(accessed, 1);
          },
          [&] {
            accessed = 1;
            EXPECT_TRUE(take(c, r));
          });
    }
  }
}

/// With C places: the k-th receive is ordered before the end of the (k + C)-th send.
template <class T>
void receive_orders_the_send_that_needs_its_place() {
  using downhaul::impl::wait_reason;
  for (const std::ptrdiff_t capacity : {1, 2, 3}) {
    const auto full = [capacity] {
      auto c = downhaul::make_chan<T>(capacity);
      for (std::ptrdiff_t i = 0; i < capacity; ++i) put(c, form::plain);
      return c;
    };
    for (const form r : all_forms) {
      for (const form s : all_forms) {
        SCOPED_TRACE("the place is free already: " + in_forms(s, r));
        const auto c = full();
        int accessed = 0;
        sign received;
        on_two_threads(
            [&] {
              accessed = 1;
              EXPECT_TRUE(take(c, r));
              received.raise();
            },
            [&] {
              received.await();
              put(c, s);
              EXPECT_EQ(accessed, 1);
            });
      }
      for (const form s : forms_that_wait) {
        SCOPED_TRACE("the sender waits: " + in_forms(s, r));
        const auto c = full();
        int accessed = 0;
        once_parked(
            reason_of(s, wait_reason::chan_send),
            [&] {
              accessed = 1;
              EXPECT_TRUE(take(c, r));
            },
            [&] {
              put(c, s);
              EXPECT_EQ(accessed, 1);
            });
      }
    }
  }
}

}  // namespace downhaul_test
