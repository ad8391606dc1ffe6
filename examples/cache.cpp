// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// A cache: a hundred callers that miss the same entry cause one look-up, and a ticker refreshes what
// is there until the cache goes.
#include <downhaul/downhaul.hpp>

#include <atomic>
#include <iostream>
#include <map>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>

namespace dh = downhaul;
using namespace std::chrono_literals;

class cache {
 public:
  explicit cache(dh::duration period) : background_{dh::background()} {
    background_.go([this, period](const dh::context& ctx) {
      dh::ticker again{period};
      while (again.chan().recv(ctx)) refresh(ctx);
    });
  }

  std::string get(const dh::context& ctx, const std::string& name) {
    if (const auto known = find(name)) return *known;
    return missing_.run(ctx, name, [this, name](const dh::context& in) {
      // Once more: the flight before this one may have ended between the miss and here.
      if (const auto known = find(name)) return *known;
      ++misses_;
      std::string found = look_up(in, name);
      const std::lock_guard lock{mutex_};
      return entries_[name] = found;
    });
  }
  int misses() const { return misses_; }

 private:
  std::optional<std::string> find(const std::string& name) {
    const std::shared_lock lock{mutex_};
    const auto it = entries_.find(name);
    return it != entries_.end() ? std::optional{it->second} : std::nullopt;
  }
  std::string look_up(const dh::context& ctx, const std::string& name) {
    dh::sleep(ctx, 5ms);  // far away
    return name + " #" + std::to_string(++look_ups_);
  }
  void refresh(const dh::context& ctx) {
    std::vector<std::string> names;
    {
      const std::shared_lock lock{mutex_};
      for (const auto& [name, value] : entries_) names.push_back(name);
    }
    for (const std::string& name : names) {
      std::string found = look_up(ctx, name);
      const std::lock_guard lock{mutex_};
      entries_[name] = std::move(found);
    }
  }

  std::atomic<int> look_ups_{0}, misses_{0};
  dh::shared_mutex mutex_;
  std::map<std::string, std::string> entries_;  // guarded by mutex_
  dh::singleflight<std::string, std::string> missing_;
  dh::group background_;  // the last: its end stops the refresher before the rest goes
};

int main() {
  cache weather{50ms};
  dh::wait_group callers;
  for (int i = 0; i < 100; ++i) {
    callers.go([&] { weather.get(dh::background(), "Bergen"); });
  }
  callers.wait();
  std::cout << "a hundred callers, " << weather.misses() << " look-up\n";
  while (weather.get(dh::background(), "Bergen") == "Bergen #1") dh::sleep(10ms);
  std::cout << "refreshed meanwhile\n";
}

// Output:
//   a hundred callers, 1 look-up
//   refreshed meanwhile
