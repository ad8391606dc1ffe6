// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Compiled in checked builds only.
#include "downhaul/impl/poison.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string_view>

#include "platform/backtrace.hpp"
#include "platform/fatal.hpp"
#include "platform/fork.hpp"
#include "platform/mutex.hpp"

namespace downhaul::impl {
namespace {

// Of a large channel only the beginning is filled in: its ring is not what tells whether it lives.
constexpr std::size_t most_filled = 4096;
// What is larger goes back at once, so that the sum stays below 2 MiB.
constexpr std::size_t most_kept = 4096;
constexpr std::size_t places = 512;

constexpr std::string_view name_of(std::uint32_t word) noexcept {
  switch (static_cast<freed>(word)) {
    case freed::channel: return "a channel";
    case freed::context: return "a context";
    case freed::callback: return "a callback";
    case freed::timer: return "a timer";
    case freed::goroutine: return "a goroutine";
    case freed::wait_node: return "a wait node";
  }
  return "an object";
}

void give_back(void* place, std::size_t align) noexcept {
  if (align > __STDCPP_DEFAULT_NEW_ALIGNMENT__) {
    ::operator delete(place, std::align_val_t{align});
  } else {
    ::operator delete(place);
  }
}

struct grave {
  std::byte* place = nullptr;
  std::size_t size = 0;
  std::size_t align = 0;
  std::uint32_t word = 0;
};

void check(const grave& g) noexcept {
  const std::size_t filled = std::min(g.size, most_filled) / sizeof(g.word);
  for (std::size_t i = 0; i < filled; ++i) {
    std::uint32_t found = 0;
    std::memcpy(&found, g.place + i * sizeof found, sizeof found);
    if (found != g.word) fatal({name_of(g.word), " was written to after it was freed"});
  }
}

class cemetery {
 public:
  /// Returns what had that place.
  grave bury(const grave& g) noexcept {
    const lock_scope held{mu_};
    const grave before = graves_[next_];
    graves_[next_] = g;
    next_ = (next_ + 1) % places;
    return before;
  }
  std::size_t look_around() noexcept {
    const lock_scope held{mu_};
    std::size_t bytes = 0;
    for (const grave& g : graves_) {
      if (g.place == nullptr) continue;
      check(g);
      bytes += g.size;
    }
    return bytes;
  }

 private:
  mutex mu_;
  std::array<grave, places> graves_ DOWNHAUL_GUARDED_BY(mu_);
  std::size_t next_ DOWNHAUL_GUARDED_BY(mu_) = 0;
};

cemetery& the_cemetery() noexcept {
  static cemetery& never_destroyed = *[] {
    // Not in a forked child: somebody who was not forked may hold the lock.
    std::atexit([] {
      if (!forked()) check_retired();
    });
    return new cemetery;
  }();
  return never_destroyed;
}

}  // namespace

void die_of_use_after_free(std::uint32_t word) noexcept {
  say({"fatal error: ", name_of(word), " was used after it was freed\n"});
  say_place("used at", place::here());
  std::abort();
}

void die_of_early_free(freed what, const char* how) noexcept {
  say({"fatal error: ", name_of(poison_of(what)), " was freed while ", how, "\n"});
  say_place("freed at", place::here());
  std::abort();
}

void poison(void* place, std::size_t size, freed what) noexcept {
  const std::uint32_t word = poison_of(what);
  auto* const bytes = static_cast<std::byte*>(place);
  for (std::size_t i = 0; i + sizeof word <= size; i += sizeof word) {
    std::memcpy(bytes + i, &word, sizeof word);
  }
}

void retire(void* place, std::size_t size, std::size_t align, freed what) noexcept {
  poison(place, std::min(size, most_filled), what);
  grave g{static_cast<std::byte*>(place), size, align, poison_of(what)};
  if (size <= most_kept) g = the_cemetery().bury(g);
  if (g.place == nullptr) return;
  check(g);
  give_back(g.place, g.align);
}

std::size_t check_retired() noexcept { return the_cemetery().look_around(); }

}  // namespace downhaul::impl
