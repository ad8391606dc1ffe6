// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Malformed cases: what other libraries find at run time.
//
// SEL-062
// FAILS 1: at most one otherwise
// SEL-062
// FAILS 2: no match for call|does not provide a call operator
// SEL-062
// FAILS 3: no matching function
// SEL-062
// FAILS 4: no matching function
// SEL-062
// FAILS 5: no matching function
// SEL-062
// FAILS 6: no matching function
// SEL-062
// FAILS 7: no matching function
// SEL-062
// FAILS 8: no matching function
// SEL-062
// FAILS 9: no matching function
// SEL-062
// FAILS 10: no matching function|no matching constructor
// SEL-026
// FAILS 11: no matching function
// SEL-027
// FAILS 12: no matching function

#include <optional>
#include <string>
#include <vector>

#include "downhaul/select.hpp"

namespace dh = downhaul;

void use(dh::chan<int> ch, dh::recv_chan<int> in, dh::send_chan<int> out, dh::chan<void> signals) {
  std::optional<int> v;
  dh::select(dh::recv(in, v), dh::send(out, 1), dh::send(signals), dh::otherwise);
  std::vector<dh::select_case> cases;
  cases.emplace_back(dh::recv(ch));
#if DOWNHAUL_CASE == 1
  dh::select(dh::otherwise, dh::recv(ch), dh::otherwise);
#elif DOWNHAUL_CASE == 2
  dh::select(dh::otherwise(ch));  // with a channel
#elif DOWNHAUL_CASE == 3
  dh::select(dh::send(ch));  // without a value
#elif DOWNHAUL_CASE == 4
  dh::select(dh::send(signals, 1));  // nothing to give
#elif DOWNHAUL_CASE == 5
  dh::select(dh::recv(ch, 5));  // a value to receive
#elif DOWNHAUL_CASE == 6
  dh::select(dh::send(ch, std::string{"text"}));
#elif DOWNHAUL_CASE == 7
  dh::select(dh::recv(out));
#elif DOWNHAUL_CASE == 8
  dh::select(dh::send(in, 1));
#elif DOWNHAUL_CASE == 9
  dh::select(ch);  // neither
#elif DOWNHAUL_CASE == 10
  cases.emplace_back(ch);
#elif DOWNHAUL_CASE == 11
  int plain = 0;
  dh::select(dh::recv(ch, plain));  // cannot say "closed"
#elif DOWNHAUL_CASE == 12
  auto sending = dh::send(ch, 1);  // refers to its value: only as a temporary
  dh::select(sending);
#endif
}
