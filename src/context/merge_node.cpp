// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Idea       A cancel node with several parents, hung on each by an arm of its own. The first to end
//            ends it; then the other arms are taken back ([arm-then-look], see cancel.hpp).
// Values     The parents' tries, leftmost first, with the tries of merged parents spread out in their
//            place, so that a lookup through any number of merges is one loop.
#include <algorithm>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "context/cancel.hpp"
#include "context/values.hpp"
#include "downhaul/context.hpp"
#include "downhaul/impl/with_value.hpp"

namespace downhaul::impl {
namespace {

class merge_node final : public cancel_node, public value_tail {
 public:
  explicit merge_node(std::span<const context* const> parents)
      : cancel_node{context_form::merge, nullptr, shape::extended, 2},
        arms_{new merge_arm[parents.size()]} {
    parents_.reserve(parents.size());
    above_.reserve(parents.size());
    for (const context* p : parents) {
      parents_.push_back(*p);
      above_.push_back(hangable(*p));
      take_deadline(context_access::node(*p));
      take_values(context_access::node(*p));
    }
    if (parts_.size() == 1) {
      values_ = parts_.front().trie;
    } else if (!parts_.empty()) {
      own_entry_.tail = this;
      values_ = &own_entry_;
    }
  }

  void hang_arms() noexcept {
    for (std::size_t i = 0; i < above_.size() && !closed(); ++i) {
      source* done = node_access::done_of(context_access::node(above_[i]));
      if (done == nullptr) continue;
      arms_[i].part_of = this;
      arms_[i].on = &of(done);
      if (!of(done).add(arms_[i])) cancel_tree(*this, of(done).why(), canceller::user);
    }
    if (closed()) take_arms_back();  // T2
  }

  void settle() noexcept override { take_arms_back(); }

  const std::vector<context>& parents() const noexcept { return parents_; }

 private:
  struct part {
    const value_entry* trie;
    const value_tail* then;  // a user-written find(); null: none
  };

  ~merge_node() = default;

  // U2. Perhaps before all arms are hung.
  void take_arms_back() noexcept {
    for (std::size_t i = 0; i < above_.size(); ++i) {
      source* done = node_access::done_of(context_access::node(above_[i]));
      if (done != nullptr) of(done).remove(arms_[i]);
      if (above_[i] != parents_[i]) cancel(context_access::node(above_[i]));  // a relay
    }
  }
  void take_deadline(const context_head* p) noexcept {
    const deadline_info* d = p != nullptr ? p->deadline() : nullptr;
    if (d == nullptr) return;
    if (deadline_ == nullptr || (d->on == deadline_->on && d->at < deadline_->at)) deadline_ = d;
  }
  void take_values(const context_head* p) {
    const value_entry* v = p != nullptr ? p->values() : nullptr;
    if (v == nullptr) return;
    const auto* merged = dynamic_cast<const merge_node*>(v->tail);
    add_part({v, merged != nullptr ? nullptr : v->tail});
    if (merged == nullptr) return;
    for (const part& p_of_merged : merged->parts_) add_part(p_of_merged);
  }
  void add_part(part p) {
    const auto same = [&](const part& other) { return other.trie == p.trie; };
    if (std::none_of(parts_.begin(), parts_.end(), same)) parts_.push_back(p);
  }

  const void* ask(const key_base& k) const noexcept override {
    for (const part& p : parts_) {
      if (const void* found = find_in_trie(*p.trie, k)) return found;
      if (p.then == nullptr) continue;
      if (const void* found = p.then->ask(k)) return found;
    }
    return nullptr;
  }

  void dispose() noexcept override {
    if (!closed()) take_arms_back();
    // The record of the end, at which ~cancel_node looks, may be a parent's.
    const std::vector<context> kept[] = {std::move(parents_), std::move(above_)};
    delete this;
  }

  std::vector<context> parents_;
  std::vector<context> above_;  // what the arms hang on: the parents, or relays below them
  std::unique_ptr<merge_arm[]> arms_;
  std::vector<part> parts_;
  value_entry own_entry_;
};

}  // namespace

cancelable make_merge(std::span<const context* const> parents) {
  auto* n = new merge_node{parents};
  n->hang_arms();
  return {context_access::adopt(n),
          context_access::make<cancel_scope>(static_cast<context_head*>(n))};
}

std::span<const context> merged_parents(const context_head& n) noexcept {
  return static_cast<const merge_node&>(n).parents();
}

}  // namespace downhaul::impl
