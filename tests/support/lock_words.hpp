// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// support/lock_words.hpp — the words inside the locks.
//
// Idea       Some promises are about moments that a test cannot bring about from outside: a release
//            that is under way, a mutex that is handed over, 2^30 readers. The words tell, or are set.
// Source     An explicit instantiation may name private members.
#pragma once

#include <atomic>
#include <cstdint>

#include "downhaul/mutex.hpp"
#include "downhaul/shared_mutex.hpp"
#include "downhaul/wait_group.hpp"
#include "sync/queue_lock.hpp"

namespace downhaul_test {

template <class Tag, auto Member>
struct reveal {
  friend typename Tag::type& look(Tag, typename Tag::object& o) { return o.*Member; }
};

struct mutex_word {
  using object = downhaul::mutex;
  using type = std::atomic<std::uint32_t>;
  friend type& look(mutex_word, object& o);
  // As in mutex.hpp.
  static constexpr std::uint32_t locked = 1;
  static constexpr std::uint32_t queued = 2;
  static constexpr std::uint32_t starving = 8;
};
template struct reveal<mutex_word, &downhaul::mutex::state_>;

struct mutex_queue {
  using object = downhaul::mutex;
  using type = downhaul::impl::wait_list;
  friend type& look(mutex_queue, object& o);
};
template struct reveal<mutex_queue, &downhaul::mutex::queue_>;

struct shared_mutex_word {
  using object = downhaul::shared_mutex;
  using type = std::atomic<std::uint64_t>;
  friend type& look(shared_mutex_word, object& o);
  static constexpr std::uint64_t reader = 4;
};
template struct reveal<shared_mutex_word, &downhaul::shared_mutex::state_>;

struct wait_group_word {
  using object = downhaul::wait_group;
  using type = std::atomic<std::uint64_t>;
  friend type& look(wait_group_word, object& o);
  static std::uint32_t tasks(object& o) {
    return static_cast<std::uint32_t>(look(wait_group_word{}, o).load() >> 32);
  }
};
template struct reveal<wait_group_word, &downhaul::wait_group::state_>;

}  // namespace downhaul_test
