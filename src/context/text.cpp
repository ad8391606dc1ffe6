// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "context/text.hpp"

#include <cxxabi.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <string>
#include <typeinfo>
#include <variant>
#include <vector>

#include "downhaul/clock.hpp"
#include "downhaul/context_base.hpp"
#include "downhaul/impl/user_node.hpp"
#include "downhaul/impl/with_value.hpp"

namespace downhaul {
namespace impl {

std::string type_name(const std::type_info& type) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text{
      abi::__cxa_demangle(type.name(), nullptr, nullptr, &status), &std::free};
  return status == 0 ? text.get() : type.name();
}

namespace {

std::string text_of_duration(std::int64_t ns) {
  if (ns == never) return "never";
  struct unit {
    std::int64_t ns;
    const char* name;
  };
  static constexpr unit units[] = {
      {3'600'000'000'000, "h"}, {60'000'000'000, "m"}, {1'000'000'000, "s"},
      {1'000'000, "ms"},        {1'000, "us"},
  };
  const std::uint64_t size =
      ns < 0 ? -static_cast<std::uint64_t>(ns) : static_cast<std::uint64_t>(ns);
  char text[40];
  for (const unit& u : units) {
    if (size < static_cast<std::uint64_t>(u.ns)) continue;
    std::snprintf(text, sizeof text, "%.6g%s", static_cast<double>(ns) / static_cast<double>(u.ns),
                  u.name);
    return text;
  }
  std::snprintf(text, sizeof text, "%lldns", static_cast<long long>(ns));
  return text;
}

// "2026-01-02 03:04:05.006 UTC [1.5s]": the wall time at which it will be, if nobody sets the clock.
std::string text_of_deadline(const deadline_info& d) {
  if (d.at == never) return "never";
  const std::int64_t left = subtract_saturated(d.at, d.on->now_ns());
  const std::int64_t wall =
      add_saturated(to_ns(std::chrono::system_clock::now().time_since_epoch()), left);
  std::int64_t ms = wall / 1'000'000 % 1'000;
  std::time_t seconds = static_cast<std::time_t>(wall / 1'000'000'000);
  if (ms < 0) {
    ms += 1'000;
    --seconds;
  }
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[64];
  std::size_t length = std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts);
  std::snprintf(text + length, sizeof text - length, ".%03d UTC [", static_cast<int>(ms));
  return text + text_of_duration(left) + "]";
}

// What a context adds to its parent's text.
std::string own_text(const context_head& n) {
  switch (n.form()) {
    case context_form::cancel: return ".WithCancel";
    case context_form::deadline: return ".WithDeadline(" + text_of_deadline(*n.deadline()) + ")";
    case context_form::without_cancel: return ".WithoutCancel";
    case context_form::grace: return ".WithGrace(" + text_of_duration(grace_delay(n)) + ")";
    case context_form::value: {
      const auto& v = static_cast<const value_node&>(n);
      return std::string{".WithValue("} + v.entry().key->name() + ", " + v.value_as_text() + ")";
    }
    default: return {};
  }
}

// Ways of telling what follows: a piece of text, or a context (null: background) with all above it.
using piece = std::variant<std::string, const context_head*>;

// The pieces of `n`, the last one first.
void push_pieces(const context_head* n, std::vector<piece>& todo) {
  if (n == nullptr) {
    todo.emplace_back("context.Background");
    return;
  }
  switch (n->form()) {
    case context_form::todo: todo.emplace_back("context.TODO"); return;
    case context_form::stop_token: todo.emplace_back("context.StopToken"); return;
    case context_form::user:
      todo.emplace_back(static_cast<const user_node*>(n)->object().to_string());
      return;
    case context_form::merge: {
      const std::span<const context> parents = merged_parents(*n);
      todo.emplace_back(")");
      for (std::size_t i = parents.size(); i-- > 0;) {
        todo.emplace_back(context_access::node(parents[i]));
        todo.emplace_back(i > 0 ? ", " : "context.Merge(");
      }
      return;
    }
    default: todo.emplace_back(own_text(*n)); todo.emplace_back(n->parent());
  }
}

}  // namespace
}  // namespace impl

std::string context::to_string() const {
  std::string text;
  std::vector<impl::piece> todo{static_cast<const impl::context_head*>(node_)};
  while (!todo.empty()) {
    impl::piece next = std::move(todo.back());
    todo.pop_back();
    if (const std::string* s = std::get_if<std::string>(&next)) {
      text += *s;
    } else {
      impl::push_pieces(std::get<const impl::context_head*>(next), todo);
    }
  }
  return text;
}

std::string context::reason() const {
  const std::exception_ptr why = cause();
  if (why == nullptr) return {};
  try {
    std::rethrow_exception(why);
  } catch (const std::exception& e) {
    return e.what();
  } catch (const std::string& text) {
    return text;
  } catch (const char* text) {
    return text;
  } catch (...) {
    const std::type_info* type = abi::__cxa_current_exception_type();
    return type != nullptr ? impl::type_name(*type) : "unknown exception";
  }
}

}  // namespace downhaul
