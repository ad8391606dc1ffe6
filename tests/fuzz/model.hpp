// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// fuzz/model.hpp — what contexts, channels, selects and timers do, in the simplest words.
//
// Idea       One thread, no concurrency: things that wait are a list in the order of their coming, and
//            each act says at once who of them is through. Where the library has a choice — a select
//            with several ready cases — the model is told the outcome and says whether it is allowed.
// Ownership  Values; outcomes belong to the machine.
// Threads    One.
// Cost       Everything is searched for from the start. A difference ends the program.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

namespace downhaul_test {

[[noreturn]] void differs(const std::string& what);

/// How a wait came out.
struct outcome {
  enum class how { waiting, chose, ended, threw };
  how what = how::waiting;
  int index = -1;
  std::optional<std::int64_t> value{};  ///< of a receive; empty: closed
};

struct wait_case {
  enum class kind { recv, send, done, timer, slept, nil };
  kind what;
  int on = -1;             ///< number of the channel, context or timer
  std::int64_t value = 0;  ///< what is sent; for slept: when
};

/// Something that waits, or would.
struct waiting {
  std::vector<wait_case> cases;
  int ctx = -1;  ///< ends it
  bool otherwise = false;
  const outcome* actual = nullptr;
};

struct model_channel {
  std::size_t capacity = 0;
  bool closed = false;
  std::deque<std::int64_t> queued{};
};

struct model_context {
  enum class kind { cancel, timeout, value, detached, merged, wrapped, own_done };
  kind what;
  std::vector<int> parents{};
  int value = 0;
  std::optional<std::int64_t> deadline{};  ///< as reported
  std::optional<std::int64_t> due{};       ///< its own, while it is armed
  bool dropped = false;
  bool ended = false;
  int err = 0;  ///< see model::canceled and so on
  int cause = -1;
};

struct model_timer {
  bool exists = false;
  bool calls = false;                 ///< a function
  std::optional<std::int64_t> due{};  ///< while armed
  std::int64_t period = 0;
  std::optional<std::int64_t> pending{};  ///< fired, not received
  int runs = 0;
};

struct model_callback {
  int ctx = -1;
  bool registered = false;
  int runs = 0;
};

class model {
 public:
  static constexpr int canceled = 1;
  static constexpr int expired = 2;
  static constexpr int other_error = 3;

  std::vector<model_channel> channels;
  std::vector<model_context> contexts;
  std::vector<model_timer> timers;
  std::vector<model_callback> callbacks;
  std::int64_t now = 0;

  /// It has been started and everything has come to rest.
  void start(const waiting& w);
  /// Whether that is misuse.
  bool close(int channel);
  void add(model_context made);
  /// Nothing if it has ended.
  void end(int ctx, int err, int cause);
  /// Whether a value or a run was prevented.
  bool stop(int timer);
  bool arm(int timer, std::int64_t delay);
  void pass_until(std::int64_t then);
  /// Registers one more.
  void call_back(int ctx);
  bool stop_callback(int number);

  bool can_end(int ctx) const;
  std::size_t parked() const { return parked_.size(); }
  /// Nobody whom the model takes to be waiting has gone on.
  void check_parked() const;

 private:
  struct candidate {
    outcome::how what;
    int index = -1;
    std::optional<std::int64_t> value{};
  };

  int first_parked(wait_case::kind what, int on) const;
  void complete(int parked, const std::vector<candidate>& allowed);
  bool is_ready(const wait_case& c) const;
  void perform(const waiting& w, int index);
  /// The sender that has waited longest gives its value; -1: there is none.
  std::optional<std::int64_t> take_from_sender(int channel);
  void fire(int timer);
  bool passes_on(const model_context& c) const;

  std::vector<waiting> parked_;  // in the order of their coming
};

}  // namespace downhaul_test
