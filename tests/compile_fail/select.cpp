// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Cases that select does not take, and functions that do not make a case.
//
// FAILS 1: at most one otherwise
// FAILS 2: no matching function
// FAILS 3: nodiscard|unused-result|ignoring return value
// FAILS 4: nodiscard|unused-result|ignoring return value
// FAILS 5: no matching function
// FAILS 6: no matching function
// FAILS 7: no matching function
// FAILS 8: no matching function
// FAILS 9: no matching function
// FAILS 10: no matching function
// FAILS 11: no matching function
// FAILS 12: no matching function
// FAILS 13: no matching function|could not convert|no viable conversion|conversion from
// FAILS 14: no matching function
// FAILS 15: deleted|implicitly deleted

#include <memory>
#include <string>
#include <vector>

#include "downhaul/select.hpp"

namespace dh = downhaul;

void use(dh::chan<int> ch, dh::recv_chan<int> in, dh::send_chan<int> out, dh::chan<void> signals,
         dh::chan<std::vector<int>> lists, dh::chan<std::unique_ptr<int>> owners) {
  std::optional<int> v;
  bool ok = false;
  auto named = dh::recv(in);
  dh::select(dh::send(lists, std::vector<int>{5}));
  dh::select(named, dh::recv(ch, v), dh::recv(signals, ok), dh::send(out, 1), dh::send(signals),
             dh::send(owners, std::make_unique<int>(1)), dh::otherwise);
  std::vector<dh::select_case> cases;
  cases.emplace_back(dh::recv(ch));
  cases.emplace_back(dh::otherwise);
#if DOWNHAUL_CASE == 1
  dh::select(dh::otherwise, dh::recv(ch), dh::otherwise);
#elif DOWNHAUL_CASE == 2
  auto sending = dh::send(ch, 1);  // refers to its value: only as a temporary
  dh::select(sending);
#elif DOWNHAUL_CASE == 3
  dh::recv(ch);
#elif DOWNHAUL_CASE == 4
  dh::send(ch, 1);
#elif DOWNHAUL_CASE == 5
  dh::select(dh::recv(out));
#elif DOWNHAUL_CASE == 6
  dh::select(dh::send(in, 1));
#elif DOWNHAUL_CASE == 7
  dh::select(dh::send(ch));  // no value
#elif DOWNHAUL_CASE == 8
  dh::select(dh::send(signals, 1));  // a value for void
#elif DOWNHAUL_CASE == 9
  int plain = 0;
  dh::select(dh::recv(ch, plain));  // cannot say "closed"
#elif DOWNHAUL_CASE == 10
  dh::select(ch);
#elif DOWNHAUL_CASE == 11
  dh::select(dh::send(lists, 5));  // explicit constructors do not count
#elif DOWNHAUL_CASE == 12
  dh::select(dh::recv(ch, [](std::string) {}));
#elif DOWNHAUL_CASE == 13
  dh::select_case listed = named;  // a named case stays where it is
#elif DOWNHAUL_CASE == 14
  const std::unique_ptr<int> kept;
  dh::select(dh::send(owners, kept));
#elif DOWNHAUL_CASE == 15
  auto copy = named;
#endif
}
