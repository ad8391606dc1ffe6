// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors

#include "fuzz/model.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace downhaul_test {

using kind = wait_case::kind;
using how = outcome::how;

void differs(const std::string& what) {
  std::fprintf(stderr, "the library and the model differ: %s\n", what.c_str());
  std::abort();
}

namespace {

std::string text_of(const outcome& o) {
  switch (o.what) {
    case how::waiting: return "waits";
    case how::ended: return "ended";
    case how::threw: return "threw";
    case how::chose: break;
  }
  return "chose " + std::to_string(o.index) + " with " +
         (o.value ? std::to_string(*o.value) : "nothing");
}

std::size_t at(int i) { return static_cast<std::size_t>(i); }

}  // namespace

// --- who waits --------------------------------------------------------------------------------------

int model::first_parked(kind what, int on) const {
  for (std::size_t i = 0; i < parked_.size(); ++i) {
    for (const wait_case& c : parked_[i].cases) {
      if (c.what == what && c.on == on) return static_cast<int>(i);
    }
  }
  return -1;
}

void model::check_parked() const {
  for (const waiting& w : parked_) {
    if (w.actual->what != how::waiting) differs("went on for no reason: " + text_of(*w.actual));
  }
}

void model::complete(int parked, const std::vector<candidate>& allowed) {
  const outcome& is = *parked_[at(parked)].actual;
  const bool found = std::ranges::any_of(allowed, [&](const candidate& c) {
    return c.what == is.what &&
           (c.what != how::chose || (c.index == is.index && c.value == is.value));
  });
  if (!found) {
    std::string names;
    for (const candidate& c : allowed) names += " or " + text_of({c.what, c.index, c.value});
    differs("expected" + names + ", but it " + text_of(is));
  }
  parked_.erase(parked_.begin() + parked);
}

// --- channels and select ----------------------------------------------------------------------------

bool model::is_ready(const wait_case& c) const {
  switch (c.what) {
    case kind::recv: {
      const model_channel& ch = channels[at(c.on)];
      return ch.closed || !ch.queued.empty() || first_parked(kind::send, c.on) >= 0;
    }
    case kind::send: {
      const model_channel& ch = channels[at(c.on)];
      return ch.closed || ch.queued.size() < ch.capacity || first_parked(kind::recv, c.on) >= 0;
    }
    case kind::done: return contexts[at(c.on)].ended;
    case kind::timer: return timers[at(c.on)].pending.has_value();
    case kind::slept: return c.value <= now;
    case kind::nil: return false;
  }
  return false;
}

void model::start(const waiting& w) {
  const outcome& is = *w.actual;
  if (w.ctx >= 0 && contexts[at(w.ctx)].ended) {
    if (is.what != how::ended) differs("its context has ended, but it " + text_of(is));
    return;
  }
  bool any = false;
  bool may_throw = false;
  for (const wait_case& c : w.cases) {
    any = any || is_ready(c);
    may_throw = may_throw || (c.what == kind::send && channels[at(c.on)].closed);
  }
  if (!any) {
    if (!w.otherwise) {
      if (is.what != how::waiting) differs("nothing is ready, but it " + text_of(is));
      parked_.push_back(w);
    } else if (is.what != how::chose || is.index != static_cast<int>(w.cases.size())) {
      differs("nothing is ready and it need not wait, but it " + text_of(is));
    }
    return;
  }
  if (is.what == how::threw && may_throw) return;
  if (is.what != how::chose || is.index >= static_cast<int>(w.cases.size()) ||
      !is_ready(w.cases[at(is.index)])) {
    differs("something is ready, but it " + text_of(is));
  }
  perform(w, is.index);
}

std::optional<std::int64_t> model::take_from_sender(int channel) {
  const int sender = first_parked(kind::send, channel);
  if (sender < 0) return std::nullopt;
  const waiting& s = parked_[at(sender)];
  std::vector<candidate> allowed;
  for (std::size_t i = 0; i < s.cases.size(); ++i) {
    if (s.cases[i].what == kind::send && s.cases[i].on == channel) {
      allowed.push_back({how::chose, static_cast<int>(i)});
    }
  }
  const waiting copy = s;
  complete(sender, allowed);
  return copy.cases[at(copy.actual->index)].value;
}

void model::perform(const waiting& w, int index) {
  const wait_case& c = w.cases[at(index)];
  std::optional<std::int64_t> value;
  switch (c.what) {
    case kind::recv: {
      model_channel& ch = channels[at(c.on)];
      if (!ch.queued.empty()) {
        value = ch.queued.front();
        ch.queued.pop_front();
        if (const auto next = take_from_sender(c.on)) ch.queued.push_back(*next);
      } else {
        value = take_from_sender(c.on);
      }
      break;
    }
    case kind::send: {
      model_channel& ch = channels[at(c.on)];
      if (ch.closed) differs("sent on a closed channel");
      const int receiver = first_parked(kind::recv, c.on);
      if (receiver < 0) {
        ch.queued.push_back(c.value);
        break;
      }
      std::vector<candidate> allowed;
      const waiting& r = parked_[at(receiver)];
      for (std::size_t i = 0; i < r.cases.size(); ++i) {
        if (r.cases[i].what == kind::recv && r.cases[i].on == c.on) {
          allowed.push_back({how::chose, static_cast<int>(i), c.value});
        }
      }
      complete(receiver, allowed);
      break;
    }
    case kind::timer: value = std::exchange(timers[at(c.on)].pending, std::nullopt); break;
    default: break;
  }
  if (value != w.actual->value) {
    differs("received something else: " + text_of(*w.actual) + ", not " +
            (value ? std::to_string(*value) : "nothing"));
  }
}

bool model::close(int channel) {
  model_channel& ch = channels[at(channel)];
  if (ch.closed) return false;
  for (int i = static_cast<int>(parked_.size()) - 1; i >= 0; --i) {
    std::vector<candidate> allowed;
    const waiting& w = parked_[at(i)];
    for (std::size_t k = 0; k < w.cases.size(); ++k) {
      if (w.cases[k].on != channel) continue;
      if (w.cases[k].what == kind::recv) allowed.push_back({how::chose, static_cast<int>(k)});
      if (w.cases[k].what == kind::send) allowed.push_back({how::threw});
    }
    if (!allowed.empty()) complete(i, allowed);
  }
  ch.closed = true;
  return true;
}

// --- contexts ---------------------------------------------------------------------------------------

bool model::passes_on(const model_context& c) const {
  return c.what != model_context::kind::detached && c.what != model_context::kind::own_done;
}

bool model::can_end(int ctx) const {
  const model_context& c = contexts[at(ctx)];
  switch (c.what) {
    case model_context::kind::detached: return false;
    case model_context::kind::value:
    case model_context::kind::wrapped: return can_end(c.parents.front());
    case model_context::kind::own_done: return !c.dropped || c.ended;
    default: return true;
  }
}

void model::add(model_context made) {
  if (passes_on(made)) {
    for (const int p : made.parents) {
      const model_context& above = contexts[at(p)];
      if (above.deadline && (!made.deadline || *above.deadline < *made.deadline)) {
        made.deadline = above.deadline;
        made.due.reset();
      }
      if (above.ended && !made.ended) {
        made.ended = true;
        made.err = above.err;
        made.cause = above.cause;
      }
    }
  }
  if (made.ended) made.due.reset();
  const int number = static_cast<int>(contexts.size());
  const std::optional<std::int64_t> due = made.due;
  contexts.push_back(std::move(made));
  if (due && *due <= now) end(number, expired, -1);
}

void model::end(int ctx, int err, int cause) {
  if (contexts[at(ctx)].ended) return;
  std::vector<bool> ends(contexts.size());
  ends[at(ctx)] = true;
  for (std::size_t i = 0; i < contexts.size(); ++i) {
    model_context& c = contexts[i];
    if (passes_on(c) && !c.ended) {
      for (const int p : c.parents) ends[i] = ends[i] || ends[at(p)];
    }
    if (!ends[i]) continue;
    c.ended = true;
    c.err = err;
    c.cause = cause;
    c.due.reset();
  }
  for (int i = static_cast<int>(parked_.size()) - 1; i >= 0; --i) {
    std::vector<candidate> allowed;
    const waiting& w = parked_[at(i)];
    if (w.ctx >= 0 && ends[at(w.ctx)]) allowed.push_back({how::ended});
    for (std::size_t k = 0; k < w.cases.size(); ++k) {
      if (w.cases[k].what == kind::done && ends[at(w.cases[k].on)]) {
        allowed.push_back({how::chose, static_cast<int>(k)});
      }
    }
    if (!allowed.empty()) complete(i, allowed);
  }
  for (model_callback& c : callbacks) {
    if (!c.registered || !ends[at(c.ctx)]) continue;
    c.registered = false;
    ++c.runs;
  }
}

void model::call_back(int ctx) {
  const bool ended = contexts[at(ctx)].ended;
  callbacks.push_back({ctx, !ended, ended ? 1 : 0});
}

bool model::stop_callback(int number) {
  return std::exchange(callbacks[at(number)].registered, false);
}

// --- time -------------------------------------------------------------------------------------------

bool model::stop(int timer) {
  model_timer& t = timers[at(timer)];
  const bool prevented = t.due.has_value() || t.pending.has_value();
  t.due.reset();
  t.pending.reset();
  return prevented;
}

bool model::arm(int timer, std::int64_t delay) {
  const bool prevented = stop(timer);
  model_timer& t = timers[at(timer)];
  t.due = now + std::max<std::int64_t>(delay, 0);
  if (*t.due <= now) fire(timer);
  return prevented;
}

void model::fire(int timer) {
  model_timer& t = timers[at(timer)];
  const std::int64_t due = *t.due;
  t.due = t.period > 0 ? std::optional{due + t.period} : std::nullopt;
  if (t.calls) {
    ++t.runs;
    return;
  }
  const int receiver = first_parked(kind::timer, timer);
  if (receiver < 0) {
    if (!t.pending) t.pending = due;
    return;
  }
  std::vector<candidate> allowed;
  const waiting& w = parked_[at(receiver)];
  for (std::size_t k = 0; k < w.cases.size(); ++k) {
    if (w.cases[k].what == kind::timer && w.cases[k].on == timer) {
      allowed.push_back({how::chose, static_cast<int>(k), due});
    }
  }
  complete(receiver, allowed);
}

// No two things are due at the same instant: the machine sees to that.
void model::pass_until(std::int64_t then) {
  for (;;) {
    std::int64_t next = then + 1;
    for (const model_timer& t : timers) {
      if (t.due) next = std::min(next, *t.due);
    }
    for (const model_context& c : contexts) {
      if (c.due) next = std::min(next, *c.due);
    }
    for (const waiting& w : parked_) {
      for (const wait_case& c : w.cases) {
        if (c.what == kind::slept) next = std::min(next, c.value);
      }
    }
    if (next > then) break;
    now = next;
    for (std::size_t i = 0; i < timers.size(); ++i) {
      if (timers[i].due == next) fire(static_cast<int>(i));
    }
    for (std::size_t i = 0; i < contexts.size(); ++i) {
      if (contexts[i].due == next) end(static_cast<int>(i), expired, -1);
    }
    for (int i = static_cast<int>(parked_.size()) - 1; i >= 0; --i) {
      for (const wait_case& c : parked_[at(i)].cases) {
        if (c.what == kind::slept && c.value == next) {
          complete(i, {{how::chose, 0}});
          break;
        }
      }
    }
  }
  now = then;
}

}  // namespace downhaul_test
