// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include <downhaul/group.hpp>
#include <downhaul/task.hpp>
#include <downhaul/wait_group.hpp>
#include <string>
#include <system_error>

namespace dh = downhaul;

dh::task<> nothing() { co_return; }
dh::task<int> number() { co_return 1; }
dh::task<std::error_code> code() { co_return std::error_code{}; }

void start(dh::wait_group& tasks, dh::group& g, dh::group_of<int>& numbers) {
  tasks.go(nothing);
  tasks.go(nothing());
  g.go(nothing);
  g.go(code());
  numbers.go(number);
  dh::go(nothing());
  auto task = nothing();
// FAILS 1: no matching function|constraints not satisfied
#if DOWNHAUL_CASE == 1
  tasks.go(number);
#endif
// FAILS 2: no matching function|constraints not satisfied
#if DOWNHAUL_CASE == 2
  tasks.go(code);
#endif
// FAILS 3: no matching function|constraints not satisfied
#if DOWNHAUL_CASE == 3
  g.go(number);
#endif
// FAILS 4: no matching function|constraints not satisfied
#if DOWNHAUL_CASE == 4
  static_cast<void>(g.try_go(number()));
#endif
// FAILS 5: no matching function|constraints not satisfied
#if DOWNHAUL_CASE == 5
  numbers.go([]() -> dh::task<std::string> { co_return "not a number"; });
#endif
// FAILS 6: no matching function|constraints not satisfied
#if DOWNHAUL_CASE == 6
  numbers.go(nothing);
#endif
// FAILS 7: no matching function|constraints not satisfied
#if DOWNHAUL_CASE == 7
  tasks.go(task);
#endif
// FAILS 8: no matching function|constraints not satisfied
#if DOWNHAUL_CASE == 8
  g.go(task);
#endif
// FAILS 9: no matching function|cannot bind|expects an rvalue
#if DOWNHAUL_CASE == 9
  dh::go(task);
#endif
// FAILS 10: no matching function|constraints not satisfied
#if DOWNHAUL_CASE == 10
  dh::go(number);
#endif
// FAILS 11: no matching function|constraints not satisfied
#if DOWNHAUL_CASE == 11
  tasks.go([](const dh::context&) -> dh::task<> { co_return; });
#endif
  tasks.go(std::move(task));
}
