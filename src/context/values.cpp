// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "context/values.hpp"

#include <bit>

#include "context/cancel_node.hpp"

#ifdef DOWNHAUL_CHECKED
#include <cstring>

#include "platform/fatal.hpp"
#endif

namespace downhaul::impl {
namespace {

// Digits are two bits, the topmost first.
struct difference {
  std::uint32_t level;
  std::uint32_t digit;  // the digit at that level of one, xor that of the other: 1 to 3
};
difference first_difference(std::uint64_t a, std::uint64_t b) noexcept {
  const std::uint64_t x = a ^ b;  // not zero, by V1
  const auto level = static_cast<std::uint32_t>(std::countl_zero(x)) >> 1;
  return {level, static_cast<std::uint32_t>(x >> (62 - 2 * level)) & 3};
}
std::uint32_t digit_at(std::uint64_t hash, std::uint32_t level) noexcept {
  return static_cast<std::uint32_t>(hash >> (62 - 2 * level)) & 3;
}
// V2. `r` is 1 to 3.
const value_entry* sibling(const value_entry& e, std::uint32_t level, std::uint32_t r) noexcept {
  return level < e.levels ? e.siblings[3 * level + r - 1] : nullptr;
}

// The newest binding below which a new one is made; null: an empty trie.
const value_entry* trie_above(const context_head* parent) noexcept {
  const value_entry* e = parent != nullptr ? parent->values() : nullptr;
  return e != nullptr && e->key != nullptr ? e : nullptr;
}

// Fills in e.siblings: what is on the path to the key of `e` in the trie of `old`, as seen from e.
void grow(value_entry& e, const value_entry* old) noexcept {
  std::uint32_t level = 0;
  while (old != nullptr) {
    const bool same_key = old->key == e.key;
    const difference d = same_key ? difference{e.levels, 0} : first_difference(e.hash, old->hash);
    // The digits agree up to d.level, hence so do the ways of counting the siblings.
    for (; level < d.level && level < e.levels; ++level) {
      for (std::uint32_t r = 1; r <= 3; ++r)
        e.siblings[3 * level + r - 1] = sibling(*old, level, r);
    }
    if (same_key) return;  // hidden by e
    for (std::uint32_t r = 1; r <= 3; ++r) {
      const std::uint32_t seen_from_old = digit_at(e.hash, level) ^ r ^ digit_at(old->hash, level);
      e.siblings[3 * level + r - 1] =
          seen_from_old == 0 ? old : sibling(*old, level, seen_from_old);
    }
    old = sibling(*old, d.level, d.digit);
    ++level;
  }
  for (; level < e.levels; ++level) {
    for (std::uint32_t r = 1; r <= 3; ++r) e.siblings[3 * level + r - 1] = nullptr;
  }
}

}  // namespace

std::uint32_t levels_needed(const context_head* parent, const key_base& k) noexcept {
  const std::uint64_t hash = mix(k);
  std::uint32_t needed = 0;
  const value_entry* e = trie_above(parent);
  while (e != nullptr) {
    if (e->key == &k) return e->levels > needed ? e->levels : needed;
    const difference d = first_difference(hash, e->hash);
    needed = d.level + 1;
    e = sibling(*e, d.level, d.digit);
  }
  return needed;
}

value_node::value_node(context_head* parent, const key_base& k, const void* value,
                       const value_entry** siblings, std::uint32_t levels) noexcept
    : view_node{context_form::value, parent} {
  entry_.key = &k;
  entry_.hash = mix(k);
  entry_.value = value;
  entry_.tail = values_ != nullptr ? values_->tail : nullptr;
  entry_.siblings = siblings;
  entry_.levels = levels;
  grow(entry_, trie_above(parent));
  values_ = &entry_;
}

const void* find_in_trie(const value_entry& newest, const key_base& k) noexcept {
  if (newest.key == nullptr) return nullptr;
  const std::uint64_t hash = mix(k);
  // Each turn agrees with the key in at least one digit more (V3): at most 32 turns.
  for (const value_entry* e = &newest; e != nullptr;) {
    if (e->key == &k) return e->value;
    const difference d = first_difference(hash, e->hash);
    e = sibling(*e, d.level, d.digit);
  }
  return nullptr;
}

#ifdef DOWNHAUL_CHECKED
namespace {

// Most likely one key was defined twice: in a header without `inline`, say.
void report_twin(const context_head* h, const key_base& missed) noexcept {
  for (; h != nullptr; h = h->parent()) {
    if (h->form() != context_form::value) continue;
    const key_base* bound = static_cast<const value_node*>(h)->entry().key;
    if (bound == &missed || bound->type() != missed.type()) continue;
    if (std::strcmp(bound->name(), missed.name()) != 0) continue;
    write_text(2, "downhaul: key \"");
    write_text(2, missed.name());
    write_text(2, "\" is not bound, but another key of the same name and type is\n");
    return;
  }
}

}  // namespace
#endif

const void* find_value(const context_head& node, const key_base& k) noexcept {
  const value_entry& newest = *node.values();
  const void* found = find_in_trie(newest, k);
  if (found == nullptr && newest.tail != nullptr) [[unlikely]]
    found = newest.tail->ask(k);
#ifdef DOWNHAUL_CHECKED
  if (found == nullptr) report_twin(&node, k);
#endif
  return found;
}

}  // namespace downhaul::impl
