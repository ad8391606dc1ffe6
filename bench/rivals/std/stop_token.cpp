// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// std::stop_source / stop_token / stop_callback (libstdc++)
#include <stop_token>
#include "../context_scenarios.hpp"
struct P {
  using Source = std::stop_source;
  using Token = std::stop_token;
  static Token token(Source const& s) { return s.get_token(); }
  static void cancel(Source& s) { s.request_stop(); }
  static bool cancelled(Token const& t) { return t.stop_requested(); }
  template <class F>
  using Callback = std::stop_callback<F>;
};
int main(int c, char** v) {
  // Once a program has had a second thread, libstdc++ makes a system call for each callback.
  std::thread([] {}).join();
  bench::init("std", c, v);
  bench::ctx_all<P>();
}
