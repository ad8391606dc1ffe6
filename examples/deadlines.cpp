// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// A deadline set once is kept by everyone below; a child can only make it sooner. And what must still
// be done afterwards gets a grace: the same values, the same reason, a little later.
#include <downhaul/downhaul.hpp>

#include <chrono>
#include <iostream>

namespace dh = downhaul;
using namespace std::chrono_literals;

const char* soonest(const dh::context& ctx, const dh::context& root) {
  return ctx.deadline() == root.deadline() ? "the root's deadline" : "its own deadline";
}

void inherit() {
  auto [root, stop_root] = dh::with_timeout(dh::background(), 600ms);
  auto [child, stop_child] = dh::with_cancel(root);
  auto [patient, stop_patient] = dh::with_timeout(child, 1h);
  auto [hasty, stop_hasty] = dh::with_timeout(child, 100ms);
  std::cout << "child: " << soonest(child, root) << '\n';
  std::cout << "patient grandchild: " << soonest(patient, root) << '\n';
  std::cout << "hasty grandchild: " << soonest(hasty, root) << '\n';

  hasty.done().recv();
  std::cout << "hasty: " << hasty.err().message()
            << "; the others: " << (patient.err() ? "ended too" : "go on") << '\n';
  patient.done().recv();  // an hour of its own, but the root has 600 ms
  std::cout << "patient: " << patient.err().message() << ", root: " << root.err().message() << '\n';
}

void grace() {
  auto [ctx, cancel] = dh::with_cancel(dh::background());
  auto [cleanup, end] = dh::with_grace(ctx, 300ms);
  cancel();
  std::cout << "server: " << ctx.err().message()
            << "; clean-up: " << (cleanup.err() ? "ended too" : "goes on") << '\n';

  const auto asked = dh::now();
  cleanup.done().recv();  // clean-up that takes too long
  const auto took = dh::now() - asked;
  std::cout << "clean-up: " << cleanup.err().message() << ", "
            << (took > 250ms && took < 10s ? "300 ms later" : "at a wrong time") << '\n';
}

int main() {
  inherit();
  grace();
}

// Output:
//   child: the root's deadline
//   patient grandchild: the root's deadline
//   hasty grandchild: its own deadline
//   hasty: context deadline exceeded; the others: go on
//   patient: context deadline exceeded, root: context deadline exceeded
//   server: context canceled; clean-up: goes on
//   clean-up: context canceled, 300 ms later
