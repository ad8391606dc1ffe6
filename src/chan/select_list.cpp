// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// chan/select_list.cpp — select over a list made at run time.
#include <vector>

#include "downhaul/select.hpp"

namespace downhaul {
namespace impl {

struct select_list {
  static int run(source* done, std::span<select_case> cases) {
    const std::size_t n = cases.size();
    if (n > most_select_cases) {
      throw misuse{"reflect.Select: too many cases (max 65536)"};
    }
    constexpr std::size_t few = 16;
    if (n <= few) {
      select_op* ops[few]{};
      select_scratch::of<few> scratch;
      return run(done, cases, ops, scratch.view());
    }
    std::vector<select_op*> ops(n);
    std::vector<std::uint16_t> candidates(n);
    std::vector<source*> locks(n);
    return run(done, cases, ops.data(), {candidates.data(), locks.data()});
  }

 private:
  static int run(source* done, std::span<select_case> cases, select_op** ops,
                 select_scratch scratch) {
    int on_otherwise = nothing_ready;
    for (std::size_t i = 0; i < cases.size(); ++i) {
      erased_case* const c = cases[i].case_.get();
      if (c == nullptr) {
        if (on_otherwise >= 0) throw misuse{"reflect.Select: multiple default cases"};
        on_otherwise = static_cast<int>(i);
      }
      ops[i] = c != nullptr ? c->begin() : nullptr;
    }
    const auto mode = on_otherwise >= 0 ? select_mode::try_only : select_mode::wait;
    int fired = select_ops(ops, cases.size(), mode, done, scratch);
    if (fired == nothing_ready) fired = on_otherwise;
    if (fired >= 0 && ops[fired] != nullptr) {
      if (is_refused(ops[fired])) throw_send_on_closed();
      cases[static_cast<std::size_t>(fired)].case_->complete();
    }
    return fired;
  }
};

}  // namespace impl

int select(std::span<select_case> cases) { return impl::select_list::run(nullptr, cases); }

int select(const context& ctx, std::span<select_case> cases) {
  const int fired = impl::select_list::run(impl::done_of(ctx), cases);
  if (fired == impl::context_ended) impl::throw_done(ctx);
  return fired;
}

int select(const context& ctx, std::error_code& ec, std::span<select_case> cases) {
  const int fired = impl::select_list::run(impl::done_of(ctx), cases);
  ec = fired == impl::context_ended ? impl::err_of(ctx) : std::error_code{};
  return fired == impl::context_ended ? -1 : fired;
}

}  // namespace downhaul
