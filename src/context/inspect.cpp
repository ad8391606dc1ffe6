// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "context/inspect.hpp"

#include "context/cancel_node.hpp"

namespace downhaul::impl {

std::size_t registrations(const context& ctx) {
  const context_head* h = context_access::node(ctx);
  source* done = node_access::done_of(h);
  if (done == nullptr || done->kind() != source_kind::done) return 0;
  return static_cast<done_source*>(done)->observers();
}

}  // namespace downhaul::impl
