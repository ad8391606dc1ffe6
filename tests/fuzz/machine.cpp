// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors

#include "fuzz/machine.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "downhaul/downhaul.hpp"
#include "downhaul/testing/manual_clock.hpp"
#include "fuzz/model.hpp"
#include "sched/runtime_core.hpp"

namespace downhaul_test {
namespace {

namespace dh = downhaul;
using kind = wait_case::kind;
using how = outcome::how;
using context_kind = model_context::kind;

constexpr dh::key<int> value_key{"value"};
// Times are whole microseconds and a number that nobody else has: no two things are due at once. Only
// the ticker's have none.
constexpr std::int64_t unit = 1000;

struct why {
  int id;
};

// A user's context that ends when told to, with an error of its own.
class own_done : public dh::context_base {
 public:
  using context_base::context_base;
  void end(int id) {
    {
      const std::lock_guard lock{mu_};
      if (id_ >= 0) return;
      id_ = id;
    }
    done_.close();
  }
  std::optional<dh::time_point> deadline() const override { return {}; }
  dh::recv_chan<void> done() const override { return done_; }
  std::error_code err() const override {
    const std::lock_guard lock{mu_};
    return id_ >= 0 ? std::make_error_code(std::errc::io_error) : std::error_code{};
  }
  std::exception_ptr cause() const override {
    const std::lock_guard lock{mu_};
    return id_ >= 0 ? std::make_exception_ptr(why{id_}) : nullptr;
  }

 private:
  mutable std::mutex mu_;
  int id_ = -1;
  dh::chan<void> done_ = dh::make_chan<void>();
};
struct wrapper : dh::context_base {
  using context_base::context_base;
};

class bytes {
 public:
  bytes(const std::uint8_t* data, std::size_t size) : data_{data}, size_{size} {}
  bool empty() const { return size_ == 0; }
  int next() {
    if (size_ == 0) return 0;
    --size_;
    return *data_++;
  }
  int below(std::size_t n) { return n == 0 ? 0 : next() % static_cast<int>(n); }

 private:
  const std::uint8_t* data_;
  std::size_t size_;
};

std::size_t at(int i) { return static_cast<std::size_t>(i); }

// The runtime and the clock of all programs.
struct world {
  dh::manual_clock hands;
  dh::runtime on{dh::runtime_options{.workers = 1, .clock = &hands}};
};
world& the_world() {
  static auto* const w = new world;  // never ended: the process may end at any time
  return *w;
}

// What one of the waiting holds.
struct operation {
  enum class form { plain, list, pair };
  form how_asked = form::list;
  waiting plan;
  bool has_ctx = false;
  dh::context ctx{};
  std::vector<dh::chan<std::int64_t>> channels;
  std::vector<dh::recv_chan<dh::time_point>> timers;
  std::vector<dh::context> contexts;
  outcome result{};
  std::int64_t epoch = 0;
};

class machine {
 public:
  explicit machine(bytes program)
      : in_{program}, world_{the_world()}, here_{world_.hands}, epoch_{clock_now()} {
    contexts_before_ = dh::count_contexts();
    live_context root;
    auto made = dh::with_cancel_cause({});
    root.ctx = made.ctx;
    root.cause_cancel = std::move(made.cancel);
    contexts_.push_back(std::move(root));
    model_.add({.what = context_kind::cancel});
    model_.timers.resize(4);
    model_.timers[function_timer].calls = true;
  }

  void run() {
    for (int steps = 0; !in_.empty() && steps < 100; ++steps) {
      step();
      settle();
      check();
    }
    end();
  }

 private:
  static constexpr int ticker = 2;
  static constexpr int function_timer = 3;
  static constexpr std::size_t most_channels = 4;
  static constexpr std::size_t most_contexts = 12;
  static constexpr std::size_t most_callbacks = 6;
  static constexpr std::size_t most_waiting = 10;

  struct live_context {
    dh::context ctx{};
    dh::cancel_cause_scope cause_cancel{};
    dh::cancel_scope cancel{};
    dh::context_of<own_done> user{};
  };

  std::int64_t clock_now() const {
    return std::chrono::nanoseconds{world_.hands.now().time_since_epoch()}.count();
  }
  // What a deadline starts in place of a callback may run on the default runtime.
  void settle() {
    world_.on.core()->wait_until_quiet();
    while (dh::count_goroutines() != world_.on.goroutines()) std::this_thread::yield();
    world_.on.core()->wait_until_quiet();
  }
  std::int64_t unique() { return ++last_unique_ % (unit - 1) + 1; }
  // A short while, or none.
  std::int64_t delay(int units) { return units == 0 ? 0 : units * unit + unique(); }
  static std::chrono::nanoseconds ns(std::int64_t n) { return std::chrono::nanoseconds{n}; }

  void step() {
    switch (in_.next() % 16) {
      case 0: make_channel(); break;
      case 1: close(); break;
      case 2: attempt(kind::send); break;
      case 3: attempt(kind::recv); break;
      case 4: one_case(kind::send); break;
      case 5: one_case(kind::recv); break;
      case 6:
      case 7: several_cases(); break;
      case 8: make_context(); break;
      case 9: cancel(); break;
      case 10: drop(); break;
      case 11: set_timer(); break;
      case 12: pass_time(); break;
      case 13: register_callback(); break;
      case 14: stop_callback(); break;
      case 15: sleep(); break;
    }
  }

  // --- channels -------------------------------------------------------------------------------------

  void make_channel() {
    if (channels_.size() == most_channels) return;
    const int capacity = in_.below(4);
    channels_.push_back(dh::make_chan<std::int64_t>(capacity));
    model_.channels.push_back({.capacity = at(capacity)});
  }
  void close() {
    if (channels_.empty()) return;
    const int c = in_.below(channels_.size());
    bool closed = true;
    try {
      channels_[at(c)].close();
    } catch (const dh::misuse&) {
      closed = false;
    }
    settle();
    if (model_.close(c) != closed) differs("close");
  }
  void attempt(kind what) {
    if (channels_.empty()) return;
    operation op;
    const int c = in_.below(channels_.size());
    op.plan.cases.push_back({what, c, next_value()});
    op.plan.otherwise = true;
    op.plan.actual = &op.result;
    const auto& ch = channels_[at(c)];
    try {
      if (what == kind::send) {
        op.result = {how::chose, ch.try_send(op.plan.cases[0].value) ? 0 : 1};
      } else {
        std::error_code ec;
        op.result.value = ch.try_recv(ec);
        op.result.what = how::chose;
        op.result.index = ec ? 1 : 0;
      }
    } catch (const dh::misuse&) {
      op.result.what = how::threw;
    }
    settle();
    model_.start(op.plan);
  }
  std::int64_t next_value() { return ++last_value_; }

  // --- waits ----------------------------------------------------------------------------------------

  void one_case(kind what) {
    if (channels_.empty()) return;
    auto op = std::make_unique<operation>();
    op->how_asked = operation::form::plain;
    op->plan.cases.push_back({what, in_.below(channels_.size()), next_value()});
    choose_context(*op, in_.next());
    start(std::move(op));
  }
  void several_cases() {
    auto op = std::make_unique<operation>();
    const int flags = in_.next();
    const std::size_t n = static_cast<std::size_t>(flags & 3) + 1;
    for (std::size_t i = 0; i < n; ++i) {
      const int byte = in_.next();
      const int which = byte / 8;
      wait_case c{kind::nil};
      switch (byte % 8) {
        case 0:
        case 1:
        case 2: c.what = kind::recv; break;
        case 3:
        case 4: c.what = kind::send; break;
        case 5: c.what = kind::done; break;
        case 6: c.what = kind::timer; break;
        case 7: break;
      }
      if (c.what == kind::recv || c.what == kind::send) {
        if (channels_.empty()) {
          c.what = kind::nil;
        } else {
          c.on = which % static_cast<int>(channels_.size());
          c.value = next_value();
        }
      } else if (c.what == kind::done) {
        c.on = which % static_cast<int>(contexts_.size());
        if (model_.contexts[at(c.on)].dropped) c = {kind::nil};
      } else if (c.what == kind::timer) {
        c.on = which % 3;
        if (!model_.timers[at(c.on)].exists) c = {kind::nil};
      }
      op->plan.cases.push_back(c);
    }
    op->plan.otherwise = (flags & 4) != 0;
    op->how_asked = n == 2 && (flags & 8) != 0 ? operation::form::pair : operation::form::list;
    choose_context(*op, flags / 16);
    start(std::move(op));
  }
  // None, or one of those that are there; one that can end, where nothing else is sure to end the wait.
  void choose_context(operation& op, int byte) {
    bool ends_anyway = op.plan.otherwise;
    for (const wait_case& c : op.plan.cases) {
      ends_anyway = ends_anyway || c.what == kind::recv || c.what == kind::send;
    }
    if (byte % 2 == 0 && ends_anyway) return;
    int ctx = byte / 2 % static_cast<int>(contexts_.size());
    if (model_.contexts[at(ctx)].dropped || (!ends_anyway && !model_.can_end(ctx))) ctx = 0;
    if (model_.contexts[at(ctx)].dropped) {
      // Nothing to hold on to but what has ended.
      op.plan.otherwise = true;
      return;
    }
    op.plan.ctx = ctx;
    op.has_ctx = true;
    op.ctx = contexts_[at(ctx)].ctx;
  }
  void sleep() {
    auto op = std::make_unique<operation>();
    const std::int64_t d = delay(in_.below(20));
    op->plan.cases.push_back({kind::slept, -1, model_.now + d});
    choose_context(*op, 1 + 2 * in_.next());
    if (op->plan.ctx < 0) return;
    start(std::move(op));
  }

  void start(std::unique_ptr<operation> op) {
    if (model_.parked() >= most_waiting && !op->plan.otherwise) return;
    for (const wait_case& c : op->plan.cases) {
      const bool on_channel = c.what == kind::recv || c.what == kind::send;
      op->channels.push_back(on_channel ? channels_[at(c.on)] : dh::chan<std::int64_t>{});
      op->contexts.push_back(c.what == kind::done ? contexts_[at(c.on)].ctx : dh::context{});
      op->timers.push_back(c.what == kind::timer ? chan_of(c.on) : dh::recv_chan<dh::time_point>{});
    }
    op->plan.actual = &op->result;
    op->epoch = epoch_;
    operation* const o = op.get();
    operations_.push_back(std::move(op));
    world_.on.go([o] { perform(*o); });
    settle();
    model_.start(o->plan);
  }

  // --- what the goroutines do -----------------------------------------------------------------------

  static std::optional<std::int64_t> number(const operation& o, std::optional<dh::time_point> t) {
    if (!t) return std::nullopt;
    return std::chrono::nanoseconds{t->time_since_epoch()}.count() - o.epoch;
  }

  static void perform(operation& o) {
    outcome r;
    try {
      const kind first = o.plan.cases[0].what;
      if (first == kind::slept) {
        std::error_code ec;
        dh::sleep_until(o.ctx, dh::time_point{ns(o.epoch + o.plan.cases[0].value)}, ec);
        r = ec ? outcome{how::ended} : outcome{how::chose, 0};
      } else if (o.how_asked == operation::form::plain) {
        r = plain(o, first);
      } else if (o.how_asked == operation::form::pair) {
        r = pair(o);
      } else {
        r = list(o);
      }
    } catch (const dh::context_error&) {
      r.what = how::ended;
    } catch (const dh::misuse&) {
      r.what = how::threw;
    }
    release(o);
    o.result = r;
  }
  static void release(operation& o) {
    o.channels.clear();
    o.timers.clear();
    o.contexts.clear();
    o.ctx = {};
  }
  static outcome plain(const operation& o, kind what) {
    outcome r{how::chose, 0};
    const auto& ch = o.channels[0];
    const std::int64_t v = o.plan.cases[0].value;
    if (what == kind::recv) {
      r.value = o.has_ctx ? ch.recv(o.ctx) : ch.recv();
    } else if (o.has_ctx) {
      ch.send(o.ctx, v);
    } else {
      ch.send(v);
    }
    return r;
  }
  static outcome of_select(int at, std::optional<std::int64_t> value) {
    return at < 0 ? outcome{how::ended} : outcome{how::chose, at, value};
  }
  static outcome list(const operation& o) {
    std::optional<std::int64_t> got;
    std::vector<dh::select_case> cases;
    for (std::size_t i = 0; i < o.plan.cases.size(); ++i) {
      const auto& ch = o.channels[i];
      switch (o.plan.cases[i].what) {
        case kind::send: cases.emplace_back(dh::send(ch, o.plan.cases[i].value)); break;
        case kind::done: cases.emplace_back(dh::recv(o.contexts[i].done())); break;
        case kind::timer:
          cases.emplace_back(
              dh::recv(o.timers[i], [&](std::optional<dh::time_point> t) { got = number(o, t); }));
          break;
        default: cases.emplace_back(dh::recv(ch, got)); break;
      }
    }
    if (o.plan.otherwise) cases.emplace_back(dh::otherwise);
    std::error_code ec;
    const int at = o.has_ctx ? dh::select(o.ctx, ec, cases) : dh::select(cases);
    return of_select(at, got);
  }
  // Two cases of whatever type: calls f with each.
  template <class F>
  static outcome with_case(const operation& o, std::size_t i, std::optional<std::int64_t>& got,
                           F f) {
    switch (o.plan.cases[i].what) {
      case kind::send: return f(dh::send(o.channels[i], o.plan.cases[i].value));
      case kind::done: return f(dh::recv(o.contexts[i].done()));
      case kind::timer:
        return f(
            dh::recv(o.timers[i], [&](std::optional<dh::time_point> t) { got = number(o, t); }));
      default: return f(dh::recv(o.channels[i], got));
    }
  }
  static outcome pair(const operation& o) {
    std::optional<std::int64_t> got;
    return with_case(o, 0, got, [&](auto&& a) {
      return with_case(o, 1, got, [&](auto&& b) {
        std::error_code ec;
        const int at = o.plan.otherwise
                           ? dh::select(o.ctx, ec, std::move(a), std::move(b), dh::otherwise)
                           : dh::select(o.ctx, ec, std::move(a), std::move(b));
        return of_select(at, got);
      });
    });
  }

  // --- contexts -------------------------------------------------------------------------------------

  void make_context() {
    if (contexts_.size() == most_contexts) return;
    const int what = in_.below(7);
    const int parent = in_.below(contexts_.size());
    const int other = in_.below(contexts_.size());
    if (model_.contexts[at(parent)].dropped || model_.contexts[at(other)].dropped) return;
    const dh::context above = contexts_[at(parent)].ctx;
    const dh::context beside = contexts_[at(other)].ctx;
    const std::int64_t d = delay(in_.below(40));
    model_context m{.what = static_cast<context_kind>(what), .parents = {parent}};
    m.value = model_.contexts[at(parent)].value;
    live_context made;
    // In a goroutine, so that what it starts belongs to this runtime.
    world_.on.run([&] {
      switch (m.what) {
        case context_kind::cancel: {
          auto c = dh::with_cancel_cause(above);
          made.ctx = c.ctx;
          made.cause_cancel = std::move(c.cancel);
          break;
        }
        case context_kind::timeout: {
          auto c = dh::with_timeout(above, ns(d));
          made.ctx = c.ctx;
          made.cancel = std::move(c.cancel);
          m.due = model_.now + d;
          m.deadline = m.due;
          break;
        }
        case context_kind::value:
          m.value = static_cast<int>(next_value());
          made.ctx = dh::with_value(above, value_key, m.value);
          break;
        case context_kind::detached: made.ctx = dh::without_cancel(above); break;
        case context_kind::merged: {
          auto c = dh::merge(above, beside);
          made.ctx = c.ctx;
          made.cancel = std::move(c.cancel);
          m.parents.push_back(other);
          if (m.value == 0) m.value = model_.contexts[at(other)].value;
          break;
        }
        case context_kind::wrapped: made.ctx = dh::make_context<wrapper>(above); break;
        case context_kind::own_done:
          made.user = dh::make_context<own_done>(above);
          made.ctx = made.user;
          break;
      }
    });
    contexts_.push_back(std::move(made));
    settle();
    model_.add(std::move(m));
  }
  void cancel() {
    const int c = in_.below(contexts_.size());
    const bool says_why = in_.next() % 2 == 0;
    const model_context& m = model_.contexts[at(c)];
    if (m.dropped) return;
    live_context& l = contexts_[at(c)];
    const int id = static_cast<int>(next_value());
    switch (m.what) {
      case context_kind::cancel:
        if (says_why) {
          l.cause_cancel(why{id});
        } else {
          l.cause_cancel();
        }
        break;
      case context_kind::timeout:
      case context_kind::merged: l.cancel(); break;
      case context_kind::own_done: l.user->end(id); break;
      default: return;
    }
    settle();
    const bool own = m.what == context_kind::own_done;
    const bool with_id = own || (m.what == context_kind::cancel && says_why);
    model_.end(c, own ? model::other_error : model::canceled, with_id ? id : -1);
  }
  // Gives its handle and its scope up; the root only at the end.
  void drop() {
    const int c = in_.below(contexts_.size());
    model_context& m = model_.contexts[at(c)];
    if (c == 0 || m.dropped) return;
    // Nobody could end it any more, nor what waits below it.
    if (m.what == context_kind::own_done && !m.ended) return;
    m.dropped = true;
    contexts_[at(c)] = {};
    settle();
    if (m.what == context_kind::cancel || m.what == context_kind::timeout ||
        m.what == context_kind::merged) {
      model_.end(c, model::canceled, -1);
    }
  }

  // --- time -----------------------------------------------------------------------------------------

  dh::recv_chan<dh::time_point> chan_of(int timer) const {
    return timer == ticker ? tick_.chan() : timers_[at(timer)].chan();
  }
  void set_timer() {
    const int byte = in_.next();
    const int t = byte % 4;
    const int units = in_.below(20);
    model_timer& m = model_.timers[at(t)];
    const std::int64_t d = t == ticker ? (units + 1) * unit : delay(units);
    if (byte / 4 % 3 == 0 && m.exists) {
      if (t == ticker) {
        tick_.stop();
        settle();
        model_.stop(t);
        return;
      }
      const bool prevented = timers_[at(t)].stop();
      settle();
      if (model_.stop(t) != prevented) differs("the result of stop");
      return;
    }
    if (t == ticker) m.period = d;
    if (m.exists) {
      bool prevented = false;
      if (t == ticker) {
        tick_.reset(ns(d));
      } else {
        prevented = timers_[at(t)].reset(ns(d));
      }
      settle();
      if (model_.arm(t, d) != prevented && t != ticker) differs("the result of reset");
      return;
    }
    m.exists = true;
    world_.on.run([&] {
      if (t == ticker) {
        tick_ = dh::ticker{ns(d)};
      } else if (t == function_timer) {
        timers_[at(t)] = dh::timer{ns(d), [this] { ++runs_; }};
      } else {
        timers_[at(t)] = dh::timer{ns(d)};
      }
    });
    settle();
    model_.arm(t, d);
  }
  void pass_time() {
    const std::int64_t d = in_.below(64) * unit;
    world_.hands.advance(ns(d));
    settle();
    model_.pass_until(model_.now + d);
  }

  // --- callbacks ------------------------------------------------------------------------------------

  void register_callback() {
    if (callbacks_.size() == most_callbacks) return;
    const int c = in_.below(contexts_.size());
    const bool inplace = in_.next() % 2 == 0;
    if (model_.contexts[at(c)].dropped) return;
    callbacks_.push_back(std::make_unique<callback>());
    callback* const cb = callbacks_.back().get();
    world_.on.run([&] {
      const dh::context& ctx = contexts_[at(c)].ctx;
      cb->on = inplace ? dh::after_func(dh::inplace, ctx, [cb]() noexcept { ++cb->runs; })
                       : dh::after_func(ctx, [cb] { ++cb->runs; });
    });
    settle();
    model_.call_back(c);
  }
  void stop_callback() {
    if (callbacks_.empty()) return;
    const int number = in_.below(callbacks_.size());
    const bool stopped = callbacks_[at(number)]->on.stop();
    settle();
    if (model_.stop_callback(number) != stopped) differs("the result of stopping a callback");
  }

  // --- comparing ------------------------------------------------------------------------------------

  void check() {
    model_.check_parked();
    for (std::size_t i = 0; i < channels_.size(); ++i) {
      if (channels_[i].size() != std::ssize(model_.channels[i].queued))
        differs("the size of a channel");
    }
    for (std::size_t i = 0; i < callbacks_.size(); ++i) {
      if (callbacks_[i]->runs != model_.callbacks[i].runs) differs("the runs of a callback");
    }
    if (runs_ != model_.timers[function_timer].runs) differs("the runs of a timer's function");
    for (std::size_t i = 0; i < contexts_.size(); ++i)
      check_context(contexts_[i].ctx, model_.contexts[i]);
  }
  void check_context(const dh::context& ctx, const model_context& m) const {
    if (m.dropped) return;
    const std::error_code expected = m.err == 0                 ? std::error_code{}
                                     : m.err == model::canceled ? dh::errc::canceled
                                     : m.err == model::expired
                                         ? dh::errc::deadline_exceeded
                                         : std::make_error_code(std::errc::io_error);
    if (ctx.err() != expected)
      differs(ctx.to_string() + " has err " + ctx.err().message() + ", not " + expected.message());
    std::error_code ec;
    const bool closed = !ctx.done().try_recv(ec) && !ec;
    if (closed != m.ended) differs(ctx.to_string() + ": done");
    int id = -1;
    try {
      if (const auto cause = ctx.cause()) std::rethrow_exception(cause);
    } catch (const why& w) {
      id = w.id;
    } catch (const dh::context_error&) {
    }
    if (id != m.cause) differs(ctx.to_string() + ": cause");
    const int* const value = ctx.value(value_key);
    if ((value != nullptr ? *value : 0) != m.value) differs(ctx.to_string() + ": value");
    const auto deadline = ctx.deadline();
    std::optional<std::int64_t> reported;
    if (deadline)
      reported = std::chrono::nanoseconds{deadline->time_since_epoch()}.count() - epoch_;
    if (reported != m.deadline) differs(ctx.to_string() + ": deadline");
  }
  // Everything that waits is given a reason to go on; then nothing may be left.
  void end() {
    for (std::size_t i = 0; i < contexts_.size(); ++i) {
      if (contexts_[i].user.get() != nullptr) contexts_[i].user->end(0);
      contexts_[i].cause_cancel();
      contexts_[i].cancel();
    }
    for (std::size_t i = 0; i < channels_.size(); ++i) {
      if (!model_.channels[i].closed) channels_[i].close();
    }
    settle();
    if (world_.on.goroutines() != 0) differs("somebody still waits");
    callbacks_.clear();
    contexts_.clear();
    channels_.clear();
    tick_ = {};
    for (dh::timer& t : timers_) t = {};
    settle();
    operations_.clear();
    settle();
    if (dh::count_contexts() != contexts_before_) differs("contexts are left");
    if (world_.hands.pending() != 0) differs("timers are left");
  }

  struct callback {
    std::atomic<int> runs{0};
    dh::registration on;
  };

  bytes in_;
  world& world_;
  const dh::use_clock here_;
  const std::int64_t epoch_;
  std::int64_t contexts_before_ = 0;
  model model_;
  std::int64_t last_value_ = 0;
  std::int64_t last_unique_ = 0;
  std::vector<dh::chan<std::int64_t>> channels_;
  std::vector<live_context> contexts_;
  std::array<dh::timer, 4> timers_;
  dh::ticker tick_;
  std::atomic<int> runs_{0};
  std::vector<std::unique_ptr<callback>> callbacks_;
  std::vector<std::unique_ptr<operation>> operations_;
};

}  // namespace

void run_program(const std::uint8_t* data, std::size_t size) { machine{bytes{data, size}}.run(); }

}  // namespace downhaul_test
