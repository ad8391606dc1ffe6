// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// The matrix of directions, as a program meets it: what each end of a channel cannot do.
//
// CHAN-009
// FAILS 1: no viable conversion|conversion from|could not convert
// CHAN-009
// FAILS 2: no viable conversion|conversion from|could not convert
// CHAN-009
// FAILS 3: no viable conversion|conversion from|could not convert
// CHAN-009
// FAILS 4: no viable conversion|conversion from|could not convert
// CHAN-009
// FAILS 5: no viable conversion|conversion from|could not convert
// CHAN-009
// FAILS 6: no member named|has no member named
// CHAN-009
// FAILS 7: no member named|has no member named
// CHAN-009
// FAILS 8: no matching function
// CHAN-009
// FAILS 9: no member named|has no member named
// CHAN-009
// FAILS 10: no member named|has no member named
// CHAN-009
// FAILS 11: no matching function
// CHAN-009
// FAILS 12: no matching function
// CHAN-009
// FAILS 13: begin|range expression|range-based
// CHAN-009
// FAILS 14: no member named|has no member named
// CHAN-009
// FAILS 15: not a structure or union|is of non-class type
// CHAN-009
// FAILS 16: not a structure or union|is of non-class type
// CHAN-009
// FAILS 17: not a structure or union|is of non-class type
// CHAN-009
// FAILS 18: no matching function
// CHAN-009
// FAILS 19: no matching function
// CHAN-009
// FAILS 20: begin|range expression|range-based
// CHAN-010
// FAILS 21: unqualified types
// CHAN-011
// FAILS 22: no matching (member )?function|cannot bind rvalue

#include <memory>
#include <optional>

#include "downhaul/chan.hpp"
#include "downhaul/select.hpp"

namespace dh = downhaul;

void use(dh::chan<int> both, dh::recv_chan<int> in, dh::send_chan<int> out, int plain,
         dh::chan<std::unique_ptr<int>> owners) {
  std::optional<int> v;
  dh::recv_chan<int> receives = both;
  dh::send_chan<int> sends = both;
  sends.close();  // the end that sends may
  out.send(plain);
  static_cast<void>(in.recv());
  dh::select(dh::recv(receives, v), dh::send(sends, plain));
  for (int got : receives) static_cast<void>(got);
  owners.send(std::make_unique<int>(1));
#if DOWNHAUL_CASE == 1
  dh::chan<int> widened = in;
#elif DOWNHAUL_CASE == 2
  dh::chan<int> widened = out;
#elif DOWNHAUL_CASE == 3
  dh::send_chan<int> crossed = in;
#elif DOWNHAUL_CASE == 4
  dh::recv_chan<int> crossed = out;
#elif DOWNHAUL_CASE == 5
  dh::recv_chan<long> converted = both;
#elif DOWNHAUL_CASE == 6
  in.send(1);
#elif DOWNHAUL_CASE == 7
  static_cast<void>(in.try_send(1));
#elif DOWNHAUL_CASE == 8
  dh::select(dh::send(in, 1));
#elif DOWNHAUL_CASE == 9
  static_cast<void>(out.recv());
#elif DOWNHAUL_CASE == 10
  static_cast<void>(out.try_recv());
#elif DOWNHAUL_CASE == 11
  dh::select(dh::recv(out));
#elif DOWNHAUL_CASE == 12
  dh::select(dh::recv(out, v));
#elif DOWNHAUL_CASE == 13
  for (int got : out) static_cast<void>(got);
#elif DOWNHAUL_CASE == 14
  in.close();
#elif DOWNHAUL_CASE == 15
  plain.send(1);
#elif DOWNHAUL_CASE == 16
  static_cast<void>(plain.recv());
#elif DOWNHAUL_CASE == 17
  plain.close();
#elif DOWNHAUL_CASE == 18
  dh::select(dh::recv(plain));
#elif DOWNHAUL_CASE == 19
  dh::select(dh::send(plain, 1));
#elif DOWNHAUL_CASE == 20
  for (int got : plain) static_cast<void>(got);
#elif DOWNHAUL_CASE == 21
  dh::chan<const std::unique_ptr<int>> qualified;
#elif DOWNHAUL_CASE == 22
  const std::unique_ptr<int> kept;
  owners.send(kept);  // would have to be copied
#endif
}
