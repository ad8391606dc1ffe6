// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Values travel with the context through layers that do not know them. A key is an object: its
// identity is its address and its type is the type of the value, so keys cannot collide and nothing
// is cast.
#include <downhaul/downhaul.hpp>

#include <iostream>
#include <string>

namespace dh = downhaul;
using namespace std::chrono_literals;

inline constexpr dh::key<std::string> request_id{"request_id"};
inline constexpr dh::key<int> retries{"retries"};
inline constexpr dh::key<int> also_retries{"retries of a library"};  // same type, another key

void storage(const dh::context& ctx, const char* what) {
  const std::string* id = ctx.value(request_id);  // nullptr when absent
  std::cout << '[' << (id ? *id : "no request") << "] " << what << '\n';
}

void service(const dh::context& ctx) {
  auto [in, cancel] = dh::with_timeout(ctx, 1s);  // a layer with concerns of its own
  storage(in, "read");
  storage(dh::with_value(in, request_id, "42/copy"), "write");  // hidden for those below only
  storage(in, "commit");
}

int main() {
  storage(dh::background(), "start");
  const dh::context request = dh::with_value(dh::background(), request_id, "42");
  service(request);

  const dh::context tuned = dh::with_value(request, retries, 3);
  std::cout << "retries: " << *tuned.value(retries) << '\n';
  std::cout << "the other key: " << (tuned.value(also_retries) ? "found" : "absent") << '\n';

  // Work that must outlive the request keeps its values and nothing else.
  auto [short_lived, cancel] = dh::with_cancel(tuned);
  const dh::context audit = dh::without_cancel(short_lived);
  cancel();
  if (short_lived.err() && !audit.err()) storage(audit, "audit");
}

// Output:
//   [no request] start
//   [42] read
//   [42/copy] write
//   [42] commit
//   retries: 3
//   the other key: absent
//   [42] audit
