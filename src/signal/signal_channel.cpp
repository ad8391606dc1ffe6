// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// The channel of a signal_channel: room for every number once, and a number that waits in it already
// is not put in again.
#include <new>

#include "chan/chan_core.hpp"
#include "downhaul/signal.hpp"
#include "signal/relay.hpp"

namespace downhaul {
namespace impl {
namespace {

// A place whose number has been taken out is set to 0, so that looking at all places shows what
// waits, wherever the ring begins.
constexpr element_ops number_ops{
    sizeof(int), alignof(int),
    [](void* to, void* from) noexcept { *static_cast<int*>(to) = *static_cast<int*>(from); },
    [](void* place) noexcept { *static_cast<int*>(place) = 0; }};

// A base, so that it outlives the channel.
struct places {
  int numbers[most_signals] = {};
};

class signal_queue final : private places, public chan_core, public subscriber {
 public:
  signal_queue() noexcept
      : chan_core{number_ops, most_signals, reinterpret_cast<std::byte*>(numbers)} {}

  void keep() noexcept override { ref(); }
  void let_go() noexcept override { unref(); }
  void deliver(int signal) noexcept override {
    waiter* wake = nullptr;
    {
      const lock_scope held{mu()};
      for (const int waiting : numbers) {
        if (waiting == signal) return;
      }
      static_cast<void>(offer_locked(&signal, wake));  // there is room
    }
    if (wake != nullptr) wake->notify();
  }

 private:
  void dispose() noexcept override { delete this; }
};

signal_queue& queue_of(const recv_chan<int>& c) noexcept {
  return static_cast<signal_queue&>(as_channel(chan_access::get(c)));
}

}  // namespace
}  // namespace impl

signal_channel::signal_channel(std::initializer_list<int> signals)
    : chan_{impl::make_recv_chan<int>(
          impl::source_ref<impl::source>::adopt(new impl::signal_queue))} {
  impl::subscribe(impl::queue_of(chan_), impl::signals_of(signals));
}

void signal_channel::add(std::initializer_list<int> signals) {
  if (chan_) impl::extend(impl::queue_of(chan_), impl::signals_of(signals));
}

void signal_channel::stop() noexcept {
  if (chan_ && impl::unsubscribe(impl::queue_of(chan_))) impl::queue_of(chan_).close();
}

void ignore(std::initializer_list<int> signals) { impl::ignore_signals(impl::signals_of(signals)); }

void reset(std::initializer_list<int> signals) { impl::unsubscribe_all(impl::signals_of(signals)); }

bool ignored(int signal) noexcept {
  return impl::signals_of({signal}) != impl::signal_set{} && impl::signal_ignored(signal);
}

}  // namespace downhaul
