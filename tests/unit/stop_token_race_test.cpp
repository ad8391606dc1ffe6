// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Stops, cancels, registrations and last handles at the same moment, on threads and on goroutines. The
// oracles: no stop is missed, none is invented, each callback runs as often as it should, nothing hangs,
// nothing is left, and the sanitizers' silence.

#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <stop_token>
#include <utility>

#include "context/inspect.hpp"
#include "downhaul/after_func.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/context.hpp"
#include "downhaul/go.hpp"
#include "support/crew.hpp"
#include "support/leaves_nothing.hpp"
#include "support/user_contexts.hpp"

#if defined(__GNUC__) && !defined(__clang__)
// GCC 12 at -Og takes the standard's stop_source(), which passes itself along, for an uninitialised use.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace {

namespace dh = downhaul;
using downhaul_test::crew;
using downhaul_test::place;

constexpr int all_rounds = downhaul_test::checked ? 1'000 : 10'000;

// Some run their steps side by side: nobody begins one before the others have ended the last.
class side_by_side {
 public:
  explicit side_by_side(int n) : n_{n} {}
  void meet() noexcept {
    const int turn = arrived_.fetch_add(1) / n_;
    for (int i = 0; arrived_.load() / n_ == turn; ++i) {
      if (i > 100) downhaul_test::give_way();
    }
  }

 private:
  const int n_;
  std::atomic<int> arrived_{0};
};

class stop_token_race : public testing::TestWithParam<place> {
 protected:
  // In each round prepare(), then one() and other() and a third at the same time, then check().
  template <class Prepare, class One, class Other, class Check, class... Third>
  void race(Prepare prepare, One one, Other other, Check check, Third... third) {
    const std::int64_t before = dh::count_contexts();
    {
      side_by_side all{2 + static_cast<int>(sizeof...(third))};
      crew c{GetParam()};
      c.start([&] {
        for (int i = 0; i < all_rounds; ++i) {
          prepare();
          all.meet();
          one();
          all.meet();
          check();
        }
      });
      const auto joins = [&](auto& action) {
        c.start([&] {
          for (int i = 0; i < all_rounds; ++i) {
            all.meet();
            action();
            all.meet();
          }
        });
      };
      joins(other);
      (joins(third), ...);
      c.join();
    }
    downhaul_test::await_nothing_under_way();
    EXPECT_EQ(dh::count_contexts(), before) << "contexts left behind";
  }
};

TEST_P(stop_token_race, of_a_stop_and_the_last_handle) {
  std::optional<std::stop_source> source;
  std::optional<dh::context> ctx;
  int asked = 0;
  race(
      [&] {
        source.emplace();
        ctx.emplace(source->get_token());
      },
      [&] { asked += source->request_stop() ? 1 : 0; }, [&] { ctx.reset(); },
      [&] { EXPECT_TRUE(source->stop_requested()); });
  EXPECT_EQ(asked, all_rounds);
}

TEST_P(stop_token_race, of_a_stop_and_the_last_handle_of_what_is_below) {
  static constexpr dh::key<int> number{"number"};
  std::optional<std::stop_source> source;
  std::optional<dh::cancelable> child;
  std::atomic<int> ran{0};
  dh::registration callback;
  race(
      [&] {
        source.emplace();
        child = dh::with_cancel(dh::with_value(dh::context{source->get_token()}, number, 1));
        child->cancel.detach();
        ran = 0;
        callback = dh::after_func(dh::inplace, child->ctx, [&]() noexcept { ++ran; });
      },
      [&] { source->request_stop(); },
      [&] {
        const bool prevented = callback.stop();
        callback = {};  // waits for one that runs
        EXPECT_EQ(ran, prevented ? 0 : 1);
        child.reset();
      },
      [] {});
}

TEST_P(stop_token_race, of_a_stop_and_a_registration) {
  std::optional<std::stop_source> source;
  std::optional<dh::context> made;
  race([&] { source.emplace(); }, [&] { source->request_stop(); },
       [&] {
         made.emplace(source->get_token());
         const dh::context another{source->get_token()};
       },
       [&] {
         EXPECT_EQ(made->err(), dh::errc::canceled);
         made.reset();
       });
}

TEST_P(stop_token_race, of_two_stops_and_contexts_that_come_and_go) {
  std::optional<std::stop_source> source;
  std::atomic<int> asked{0};
  const auto stops = [&] {
    {
      const dh::context before{source->get_token()};
      const auto child = dh::with_cancel(before);
    }
    asked += source->request_stop() ? 1 : 0;
  };
  race(
      [&] {
        source.emplace();
        asked = 0;
      },
      stops, stops, [&] { EXPECT_EQ(asked, 1); });
}

TEST_P(stop_token_race, of_a_callback_that_waits_and_the_last_handle) {
  std::optional<std::stop_source> source;
  std::optional<dh::context> ctx;
  std::optional<dh::context> another;
  const auto ended = dh::make_chan<void>(1);
  race(
      [&] {
        source.emplace();
        ctx.emplace(source->get_token());
        another.emplace(source->get_token());
        dh::after_func(dh::inplace, *ctx, [&]() noexcept {
          for (int i = 0; i < 3; ++i) dh::yield();
          ended.send();
        }).detach();
      },
      [&] {
        source->request_stop();
        ended.recv();
      },
      [&] {
        ctx.reset();
        another.reset();
      },
      [] {});
}

TEST_P(stop_token_race, of_a_cancel_and_two_who_ask_for_the_token) {
  std::optional<dh::cancelable> made;
  std::stop_token first;
  std::stop_token second;
  race([&] { made = dh::with_cancel(dh::background()); },
       [&] {
         first = dh::to_stop_token(made->ctx);
         made->cancel();
       },
       [&] { second = dh::to_stop_token(made->ctx); },
       [&] {
         EXPECT_TRUE(first.stop_requested());
         EXPECT_TRUE(second.stop_requested());
         EXPECT_TRUE(dh::to_stop_token(made->ctx).stop_requested());
         made.reset();
       });
}

// Who asks when it ends must not leave a token in the table that nobody stops.
TEST_P(stop_token_race, of_a_cancel_and_two_others_who_ask_for_the_token) {
  std::optional<dh::cancelable> made;
  std::stop_token first;
  std::stop_token second;
  race([&] { made = dh::with_cancel(dh::background()); }, [&] { made->cancel(); },
       [&] { first = dh::to_stop_token(made->ctx); },
       [&] {
         EXPECT_TRUE(first.stop_requested());
         EXPECT_TRUE(second.stop_requested());
         made.reset();
       },
       [&] { second = dh::to_stop_token(made->ctx); });
}

TEST_P(stop_token_race, of_a_last_handle_and_one_who_asks_for_the_token) {
  std::optional<dh::cancelable> made;
  std::optional<dh::context> copy;
  std::stop_token token;
  race(
      [&] {
        made = dh::with_cancel(dh::background());
        made->cancel.detach();
        copy = made->ctx;
        token = {};
      },
      [&] { made.reset(); },
      [&] {
        token = dh::to_stop_token(*copy);
        EXPECT_TRUE(token.stop_possible());
        copy.reset();
      },
      [&] { EXPECT_FALSE(token.stop_possible()); });
}

TEST_P(stop_token_race, of_a_cancel_and_a_callback_of_the_token) {
  std::optional<dh::cancelable> made;
  std::stop_token token;
  std::atomic<int> ran{0};
  std::atomic<bool> gone{false};
  const auto f = [&] {
    EXPECT_FALSE(gone);
    EXPECT_TRUE(made->ctx.err());
    ++ran;
  };
  race(
      [&] {
        made = dh::with_cancel(dh::background());
        token = dh::to_stop_token(made->ctx);
        ran = 0;
        gone = false;
      },
      [&] { made->cancel(); },
      [&] {
        {
          const std::stop_callback registered{token, f};
        }
        gone = true;
      },
      [&] {
        EXPECT_LE(ran, 1);
        made.reset();
      });
}

TEST_P(stop_token_race, of_a_cancel_and_the_last_handle_of_a_round_trip) {
  std::optional<std::stop_source> source;
  std::optional<dh::context> back;
  std::stop_token token;
  race(
      [&] {
        source.emplace();
        const dh::context there{source->get_token()};
        token = dh::to_stop_token(there);
        back.emplace(token);
        // Keeps `there` for as long as nobody has asked for the stop.
        dh::after_func(dh::inplace, there, []() noexcept {}).detach();
      },
      [&] { source->request_stop(); }, [&] { back.reset(); },
      [&] { EXPECT_TRUE(token.stop_requested()); });
}

TEST_P(stop_token_race, of_the_end_of_a_users_context_and_its_last_handle) {
  using made_context = dh::context_of<downhaul_test::own_done>;
  std::optional<made_context> own;
  std::optional<made_context> copy;
  std::stop_token token;
  race(
      [&] {
        own.emplace(dh::make_context<downhaul_test::own_done>(dh::background()));
        copy = own;
        token = dh::to_stop_token(*own);
      },
      [&] {
        (*own)->end(dh::make_error_code(dh::errc::canceled));
        own.reset();
      },
      [&] { copy.reset(); },
      // Told by a goroutine, or by the last handle that goes.
      [&] { downhaul_test::wait_until([&] { return token.stop_requested(); }); });
}

INSTANTIATE_TEST_SUITE_P(everywhere, stop_token_race, testing::ValuesIn(downhaul_test::all_places),
                         testing::PrintToStringParamName());

}  // namespace
