// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// What the ends of a channel cannot do, and what nobody can send.
//
// FAILS 1: no member named .send.|has no member named
// FAILS 2: no member named .close.|has no member named
// FAILS 3: no member named .recv.|has no member named
// FAILS 4: no member named .try_recv.|has no member named
// FAILS 5: begin|range expression|range-based
// FAILS 6: no viable conversion|conversion from|could not convert
// FAILS 7: no viable conversion|conversion from|could not convert
// FAILS 8: no viable conversion|conversion from|could not convert
// FAILS 9: nodiscard|unused-result|ignoring return value
// FAILS 10: no matching (member )?function|cannot bind rvalue
// FAILS 11: unqualified types
// FAILS 12: void or movable objects
// FAILS 13: begin|range expression|range-based
// FAILS 14: no viable conversion|conversion from|could not convert

#include <memory>

#include "downhaul/chan.hpp"

namespace dh = downhaul;

struct fixed {
  fixed() = default;
  fixed(fixed&&) = delete;
};

void use(dh::chan<int> both, dh::recv_chan<int> in, dh::send_chan<int> out,
         dh::chan<std::unique_ptr<int>> owners, dh::chan<void> signals) {
  dh::recv_chan<int> narrowed = both;
  dh::send_chan<int> other = both;
  other.close();
  out.send(1);
  static_cast<void>(in.recv());
  for (int v : narrowed) static_cast<void>(v);
  owners.send(std::make_unique<int>(1));
  signals.send();
#if DOWNHAUL_CASE == 1
  in.send(1);
#elif DOWNHAUL_CASE == 2
  in.close();
#elif DOWNHAUL_CASE == 3
  static_cast<void>(out.recv());
#elif DOWNHAUL_CASE == 4
  static_cast<void>(out.try_recv());
#elif DOWNHAUL_CASE == 5
  for (int v : out) static_cast<void>(v);
#elif DOWNHAUL_CASE == 6
  dh::chan<int> widened = in;
#elif DOWNHAUL_CASE == 7
  dh::recv_chan<int> crossed = out;
#elif DOWNHAUL_CASE == 8
  dh::recv_chan<long> converted = both;
#elif DOWNHAUL_CASE == 9
  dh::make_chan<int>(1);
#elif DOWNHAUL_CASE == 10
  const std::unique_ptr<int> kept;
  owners.send(kept);
#elif DOWNHAUL_CASE == 11
  dh::chan<const int> qualified;
#elif DOWNHAUL_CASE == 12
  static_cast<void>(dh::make_chan<fixed>());
#elif DOWNHAUL_CASE == 13
  for (bool v : signals) static_cast<void>(v);
#elif DOWNHAUL_CASE == 14
  dh::send_chan<int> crossed = in;
#endif
}
