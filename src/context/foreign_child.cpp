// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "context/foreign_child.hpp"

namespace downhaul::impl {
namespace {

class foreign_child final : public extended_node {
 public:
  using extended_node::extended_node;

 private:
  void dispose() noexcept override {
    take_leave();
    delete this;
  }
};

}  // namespace

context make_follower(source& done) {
  return context_access::adopt(made_ready(new foreign_child{context_form::relay, nullptr, 1}, 1,
                                          [&done](foreign_child& n) { n.follow(done); }));
}

cancel_node* make_foreign_child(context_form form, context_head* parent, std::uint32_t refs) {
  return made_ready(new foreign_child{form, parent, refs}, refs,
                    [](foreign_child& n) { n.attach_anyhow(); });
}

}  // namespace downhaul::impl
