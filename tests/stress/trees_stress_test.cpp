// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// ORACLE: a model of the same tree, made by one thread. It knows of each context its parents, what was
// done to it — cancelled with such a cause, expired, dropped — and by which rules an end passes from
// parent to child. When the storm is over, a context has ended if and only if something was done to it
// or to an ancestor whose end reaches it; its err and cause are those of one of these ends, and if
// nothing was done to itself, they are the very ones of a parent. Each callback has run just once, or its stop
// has returned true. When all is dropped, no context, no registration and no timer is left.
//
// The storms: random trees of cancels, deadlines, values, detached and merged contexts and three kinds
// of user-written ones; several goroutines and threads create below them, cancel, let time pass, end the
// user's contexts, register and stop callbacks and drop what they hold, all at once and in random order.

#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "downhaul/downhaul.hpp"
#include "downhaul/testing/manual_clock.hpp"
#include "stress/length.hpp"

namespace dh = downhaul;
using namespace std::chrono_literals;
using downhaul_test::deadline_of_test;
using downhaul_test::random_source;

namespace {

struct why {
  int id;
};
inline constexpr dh::key<int> depth_key{"depth"};

// --- user-written contexts --------------------------------------------------------------------------

struct wrapper : dh::context_base {
  using context_base::context_base;
};

// Has an end of its own, which its user decides.
class own_done : public dh::context_base {
 public:
  using context_base::context_base;
  bool end(int id) {
    {
      const std::lock_guard lock{mu_};
      if (id_) return false;
      id_ = id;
    }
    done_.close();
    return true;
  }
  std::optional<dh::time_point> deadline() const override { return {}; }
  dh::recv_chan<void> done() const override { return done_; }
  std::error_code err() const override {
    const std::lock_guard lock{mu_};
    return id_ ? std::make_error_code(std::errc::io_error) : std::error_code{};
  }
  std::exception_ptr cause() const override {
    const std::lock_guard lock{mu_};
    return id_ ? std::make_exception_ptr(why{*id_}) : nullptr;
  }

 private:
  mutable std::mutex mu_;
  std::optional<int> id_;
  dh::chan<void> done_ = dh::make_chan<void>();
};

// And its own way of calling back.
class own_after_func : public own_done {
 public:
  using own_done::own_done;
  std::function<bool()> after_func(std::function<void()> f) {
    std::unique_lock lock{callbacks_mu_};
    const int id = next_++;
    if (ended_) {
      lock.unlock();
      dh::go(std::move(f));
      return [] { return false; };
    }
    callbacks_[id] = std::move(f);
    return [this, id] {
      std::function<void()> gone;  // destroyed outside the lock
      const std::lock_guard guard{callbacks_mu_};
      const auto at = callbacks_.find(id);
      if (at == callbacks_.end()) return false;
      gone = std::move(at->second);
      callbacks_.erase(at);
      return true;
    };
  }
  void end_and_call(int id) {
    if (!end(id)) return;
    std::map<int, std::function<void()>> all;
    {
      const std::lock_guard lock{callbacks_mu_};
      ended_ = true;
      all.swap(callbacks_);
    }
    for (auto& [number, f] : all) f();
  }

 private:
  std::mutex callbacks_mu_;
  std::map<int, std::function<void()>> callbacks_;
  int next_ = 0;
  bool ended_ = false;
};

// --- the model --------------------------------------------------------------------------------------

// How something ended: an err, and the id of the cause; -1 where none was given.
struct outcome {
  std::string err;
  int cause;
  friend auto operator<=>(const outcome&, const outcome&) = default;
};
outcome outcome_of(const dh::context& ctx) {
  const std::error_code err = ctx.err();
  if (!err) return {"open", -1};
  try {
    std::rethrow_exception(ctx.cause());
  } catch (const why& w) {
    return {err.message(), w.id};
  } catch (const dh::context_error& e) {
    if (e.code() != err) ADD_FAILURE() << "the cause is of another kind than the err";
    return {err.message(), -1};
  }
}
const std::string canceled = std::error_code{dh::errc::canceled}.message();
const std::string expired = std::error_code{dh::errc::deadline_exceeded}.message();
const std::string io_error = std::make_error_code(std::errc::io_error).message();

enum class kind { cancel, deadline, value, detached, merged, wrapped, own_done, own_after_func };
constexpr int kinds = 8;

struct node {
  kind what = kind::value;
  std::vector<std::size_t> parents;
  int depth = 0;  // as its value says
  std::chrono::microseconds due{};
  // What the storm will do. Ids of causes are positive.
  std::vector<int> cancels;  // 0: without a cause
  bool dropped = false;
  // What it does it to.
  dh::context ctx{};
  dh::cancel_cause_scope cancel{};
  dh::cancel_scope other_cancel{};  // of a deadline or a merge
  dh::context_of<own_done> user{};
  dh::context_of<own_after_func> calling_user{};
};

struct callback {
  dh::registration on;
  std::atomic<int> runs{0};
  std::atomic<int> stopped{0};
  std::size_t node = 0;
};

class storm {
 public:
  storm(std::uint64_t round, dh::manual_clock& hands)
      : rng_{random_source(round)}, hands_{hands}, start_{hands.now()} {
    while (nodes_.size() < 24) plan();
    first_born_ = nodes_.size();
    for (std::size_t i = 0; i < first_born_; ++i) make(i);
    while (nodes_.size() < 36) plan();
    decide();
    for (std::size_t i = 0; i < 12; ++i) {
      callbacks_.push_back(std::make_unique<callback>());
      callbacks_.back()->node = rng_() % first_born_;
    }
  }

  void blow() {
    std::vector<std::function<void()>> acts = plan_acts();
    std::ranges::shuffle(acts, rng_);
    std::atomic<std::size_t> next{0};
    const auto work = [&] {
      for (std::size_t i = next++; i < acts.size(); i = next++) acts[i]();
    };
    dh::wait_group goroutines;
    for (int i = 0; i < 3; ++i) goroutines.go(work);
    std::thread outside{[&] {
      const dh::use_clock here{hands_};
      work();
    }};
    dh::blocking([&] { outside.join(); });
    goroutines.wait();
    hands_.advance_to(start_ + horizon);
  }

  // The model's word, and whether the tree agrees.
  void judge() {
    std::vector<std::set<outcome>> possible(nodes_.size());
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      const node& n = nodes_[i];
      const std::set<outcome> own = own_ends(n);
      possible[i] = own;
      if (passes_on(n)) {
        for (const std::size_t p : n.parents)
          possible[i].insert(possible[p].begin(), possible[p].end());
      }
      if (n.dropped) continue;
      if (!possible[i].empty()) {
        // What hangs below a user's context follows a little later.
        if (n.ctx.done()) n.ctx.done().recv();
      }
      const outcome is = outcome_of(n.ctx);
      const std::string what = n.ctx.to_string() + " is " + is.err + " " + std::to_string(is.cause);
      if (possible[i].empty()) {
        EXPECT_EQ(is.err, "open") << what;
      } else {
        EXPECT_TRUE(possible[i].contains(is)) << what;
        if (own.empty() && parents_are_kept(n)) {
          bool found = false;
          for (const std::size_t p : n.parents) found = found || outcome_of(nodes_[p].ctx) == is;
          EXPECT_TRUE(found) << what << ", unlike its parents";
        }
      }
      const int* const depth = n.ctx.value(depth_key);
      EXPECT_EQ(depth != nullptr ? *depth : 0, n.depth) << what;
    }
    for (const auto& c : callbacks_) {
      const bool ended = !possible[c->node].empty();
      if (ended && c->stopped == 0) {
        while (c->runs == 0) dh::yield();
      }
      EXPECT_EQ(c->runs + c->stopped, ended ? 1 : c->stopped.load())
          << "a callback ran and was stopped";
      EXPECT_LE(c->runs + c->stopped, 1);
    }
    for (const auto& s : possible) ended_ += s.empty() ? 0 : 1;
  }
  int ended() const { return ended_; }
  std::size_t size() const { return nodes_.size(); }

 private:
  static constexpr auto horizon = 500us;

  // A place in the tree for one more.
  void plan() {
    node n;
    n.what = nodes_.empty() ? kind::cancel : static_cast<kind>(rng_() % kinds);
    if (!nodes_.empty()) n.parents.push_back(rng_() % nodes_.size());
    // Created during the storm: below what is there already.
    if (first_born_ != 0) n.parents.front() = rng_() % first_born_;
    if (n.what == kind::merged)
      n.parents.push_back(rng_() % (first_born_ != 0 ? first_born_ : nodes_.size()));
    n.depth = n.parents.empty() ? 0 : depth_below(n.parents);
    if (n.what == kind::value) n.depth = static_cast<int>(nodes_.size()) + 1;
    n.due = std::chrono::microseconds{rng_() % 1000};
    nodes_.push_back(std::move(n));
  }
  int depth_below(const std::vector<std::size_t>& parents) const {
    for (const std::size_t p : parents) {
      if (nodes_[p].depth != 0) return nodes_[p].depth;
    }
    return 0;
  }
  // What will be done to whom. Not everything ends: the model is to say so of both.
  void decide() {
    int id = 0;
    for (node& n : nodes_) {
      const bool can_be_cancelled =
          n.what != kind::value && n.what != kind::detached && n.what != kind::wrapped;
      if (can_be_cancelled && rng_() % 6 == 0) n.cancels.push_back(with_cause(n) ? ++id : 0);
      if (can_be_cancelled && rng_() % 12 == 0) n.cancels.push_back(with_cause(n) ? ++id : 0);
      n.dropped = rng_() % 8 == 0;
    }
  }
  static bool with_cause(const node& n) {
    return n.what == kind::cancel || n.what == kind::own_done || n.what == kind::own_after_func;
  }

  void make(std::size_t i) {
    node& n = nodes_[i];
    const dh::context above = n.parents.empty() ? dh::context{} : nodes_[n.parents.front()].ctx;
    switch (n.what) {
      case kind::cancel: {
        auto made = dh::with_cancel_cause(above);
        n.cancel = std::move(made.cancel);
        n.ctx = made.ctx;
        break;
      }
      case kind::deadline: {
        auto made = dh::with_deadline_cause(above, start_ + n.due, why{-2 - static_cast<int>(i)});
        n.other_cancel = std::move(made.cancel);
        n.ctx = made.ctx;
        break;
      }
      case kind::value: n.ctx = dh::with_value(above, depth_key, n.depth); break;
      case kind::detached: n.ctx = dh::without_cancel(above); break;
      case kind::merged: {
        auto made = dh::merge(above, nodes_[n.parents.back()].ctx);
        n.other_cancel = std::move(made.cancel);
        n.ctx = made.ctx;
        break;
      }
      case kind::wrapped: n.ctx = dh::make_context<wrapper>(above); break;
      case kind::own_done:
        n.user = dh::make_context<own_done>(above);
        n.ctx = n.user;
        break;
      case kind::own_after_func:
        n.calling_user = dh::make_context<own_after_func>(above);
        n.ctx = n.calling_user;
        break;
    }
  }

  std::vector<std::function<void()>> plan_acts() {
    std::vector<std::function<void()>> acts;
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      const bool born_in_storm = i >= first_born_;
      // What is done to one context; where it is born in the storm, all of it by its maker.
      std::vector<std::function<void()>> mine;
      node& n = nodes_[i];
      for (const int id : n.cancels) mine.push_back([&n, id] { end(n, id); });
      if (n.dropped) {
        // Its other users hold it, or a function that cancels it, themselves.
        if (!n.cancels.empty()) n.dropped = false;
        if (used_by_others(i)) n.dropped = false;
        if (n.dropped) mine.push_back([&n] { drop(n); });
      }
      if (born_in_storm) {
        acts.push_back([this, i, mine] {
          make(i);
          for (const auto& act : mine) act();
        });
      } else {
        acts.insert(acts.end(), mine.begin(), mine.end());
      }
    }
    for (const auto& c : callbacks_) {
      acts.push_back([this, &c = *c] {
        const dh::context ctx = nodes_[c.node].ctx;
        c.on = dh::after_func(ctx, [&c] { ++c.runs; });
        if (c.node % 2 == 0) c.stopped += c.on.stop() ? 1 : 0;
      });
    }
    for (int i = 1; i <= 20; ++i) acts.push_back([this] { hands_.advance(horizon / 40); });
    return acts;
  }
  bool used_by_others(std::size_t i) const {
    if (i < first_born_) {
      for (std::size_t k = first_born_; k < nodes_.size(); ++k) {
        for (const std::size_t p : nodes_[k].parents) {
          if (p == i) return true;
        }
      }
    }
    for (const auto& c : callbacks_) {
      if (c->node == i) return true;
    }
    return false;
  }
  static void end(node& n, int id) {
    switch (n.what) {
      case kind::own_done: n.user->end(id); break;
      case kind::own_after_func: n.calling_user->end_and_call(id); break;
      case kind::cancel: n.cancel(why{id}); break;
      default: n.other_cancel();
    }
  }
  static void drop(node& n) {
    n.ctx = {};
    n.user = {};
    n.calling_user = {};
    n.cancel = {};
    n.other_cancel = {};
  }

  // --- rules ----------------------------------------------------------------------------------------

  bool passes_on(const node& n) const {
    return n.what != kind::detached && n.what != kind::own_done && n.what != kind::own_after_func;
  }
  bool parents_are_kept(const node& n) const {
    for (const std::size_t p : n.parents) {
      if (nodes_[p].dropped) return false;
    }
    return true;
  }
  std::set<outcome> own_ends(const node& n) const {
    std::set<outcome> ends;
    for (const int id : n.cancels) {
      const bool users = n.what == kind::own_done || n.what == kind::own_after_func;
      ends.insert({users ? io_error : canceled, with_cause(n) ? id : -1});
    }
    const bool has_scope =
        n.what == kind::cancel || n.what == kind::deadline || n.what == kind::merged;
    if (n.dropped && has_scope) ends.insert({canceled, -1});
    if (n.what == kind::deadline && n.due <= horizon) {
      ends.insert({expired, -2 - static_cast<int>(&n - nodes_.data())});
    }
    return ends;
  }

  std::mt19937_64 rng_;
  dh::manual_clock& hands_;
  const dh::time_point start_;
  std::vector<node> nodes_;
  std::size_t first_born_ = 0;
  std::vector<std::unique_ptr<callback>> callbacks_;
  int ended_ = 0;
};

class stress_trees : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(workers, stress_trees, testing::Values(1, 4),
                         testing::PrintToStringParamName());

TEST_P(stress_trees, end_as_the_model_says) {
  const std::int64_t before = dh::count_contexts();
  dh::manual_clock hands;
  std::size_t ended = 0;
  std::size_t open = 0;
  const deadline_of_test end;
  for (std::uint64_t round = 0; !end.over() && !HasFailure(); ++round) {
    downhaul_test::run_on(
        GetParam(),
        [&] {
          storm s{round, hands};
          s.blow();
          s.judge();
          ended += static_cast<std::size_t>(s.ended());
          open += s.size() - static_cast<std::size_t>(s.ended());
        },
        &hands);
    ASSERT_FALSE(HasFailure()) << "in round " << round;
    ASSERT_EQ(hands.pending(), 0u) << "deadlines left behind in round " << round;
    ASSERT_EQ(dh::count_contexts(), before) << "contexts left behind in round " << round;
  }
  EXPECT_GT(ended, 0u);
  EXPECT_GT(open, 0u);
}

}  // namespace
