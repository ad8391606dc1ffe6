// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
#include "chan/chan_core.hpp"

#include <cstring>
#include <mutex>
#include <new>

#include "downhaul/error.hpp"
#include "platform/fatal.hpp"

namespace downhaul::impl {
namespace {

// What no machine we run on can address: capacities beyond it are wrong, not unlucky.
constexpr std::size_t address_space = std::size_t{1} << 47;

// Where the ring begins behind the channel, for elements of this alignment.
constexpr std::size_t ring_offset(std::size_t align) noexcept {
  return (sizeof(chan_core) + align - 1) / align * align;
}

class allocated_channel final : public chan_core {
 public:
  allocated_channel(const element_ops& ops, std::size_t capacity, std::byte* ring) noexcept
      : chan_core{ops, capacity, ring} {}
};
static_assert(sizeof(allocated_channel) == sizeof(chan_core));

}  // namespace

chan_core::chan_core(const element_ops& ops, std::size_t capacity, std::byte* ring) noexcept
    : chan_head{ops, capacity, ring} {}

chan_core::~chan_core() {
  // Who has been seen parked here, and is left behind, may be about to give the lock back: P2 [park].
  mu_.await_free();
  if (ops_.destroy == nullptr) return;
  for (; count_ > 0; --count_) {
    ops_.destroy(place(first_));
    first_ = first_ + 1 == capacity_ ? 0 : first_ + 1;
  }
}

chan_core* chan_core::make(std::ptrdiff_t capacity, const element_ops& ops) {
  const std::size_t header = ring_offset(ops.align);
  const auto places = static_cast<std::size_t>(capacity);
  if (capacity < 0 || (ops.size != 0 && places > (address_space - header) / ops.size)) {
    throw misuse{"makechan: size out of range"};
  }
  const std::size_t bytes = header + places * ops.size;
  void* memory = ops.align > __STDCPP_DEFAULT_NEW_ALIGNMENT__
                     ? ::operator new(bytes, std::align_val_t{ops.align})
                     : ::operator new(bytes);
  return ::new (memory) allocated_channel(ops, places, static_cast<std::byte*>(memory) + header);
}

void chan_core::dispose() noexcept {
  const std::size_t align = ops_.align;
#ifdef DOWNHAUL_CHECKED
  const std::size_t bytes = ring_offset(align) + capacity_ * ops_.size;
  static_cast<allocated_channel*>(this)->~allocated_channel();
  retire(this, bytes, align, freed::channel);
#else
  static_cast<allocated_channel*>(this)->~allocated_channel();
  if (align > __STDCPP_DEFAULT_NEW_ALIGNMENT__) {
    ::operator delete(this, std::align_val_t{align});
  } else {
    ::operator delete(this);
  }
#endif
}

passed chan_core::offer_locked(void* element, waiter*& wake) noexcept {
  return send_locked(element, wake);
}

bool chan_core::dequeue(wait_node& n) noexcept {
  if (!n.linked()) return false;
  wait_list::remove(n);
  update_hint();
  return true;
}

void chan_core::drain_locked() noexcept {
  count_ = 0;
  first_ = 0;
  update_hint();
}

void chan_core::close() {
  wake_list wake;
  bool twice = false;
  {
    const lock_scope lock{mu_};
    twice = closed_;
    closed_ = true;
    for (wait_list* queue : {&receivers_, &senders_}) {
      while (wait_node* n = take(*queue)) {
        n->ok = false;
        wake.push(*n);
      }
    }
    update_hint();
  }
  if (twice) throw misuse{"close of closed channel"};
  wake.notify_all();
}

#ifdef DOWNHAUL_CHECKED
void chan_core::check_invariants() noexcept {
  // The first that could still be served.
  const auto live = [](wait_list& queue) -> wait_node* {
    for (wait_node* n = queue.front(); n != nullptr; n = queue.after(*n)) {
      if (!n->elect || n->who->winner() == nullptr) return n;
    }
    return nullptr;
  };
  const wait_node* const receiver = live(receivers_);
  const wait_node* const sender = live(senders_);
  if (count_ > 0 && receiver != nullptr) fatal({"chan: I1 is broken"});
  if (count_ < capacity_ && sender != nullptr) fatal({"chan: I2 is broken"});
  if (closed_ && (receiver != nullptr || sender != nullptr)) fatal({"chan: I3 is broken"});
  if (receiver != nullptr && sender != nullptr && receiver->who != sender->who) {
    fatal({"chan: I4 is broken"});
  }
  // I5: too much may be promised, too little may not.
  std::uint64_t least = 0;
  if (closed_ || count_ > 0 || sender != nullptr) least |= recv_ready;
  if (closed_ || count_ < capacity_ || receiver != nullptr) least |= send_ready;
  if ((least & ~hint_.load(std::memory_order_relaxed)) != 0) fatal({"chan: I5 is broken"});  // ours
  if (count_ > capacity_ || (capacity_ != 0 && first_ >= capacity_)) {
    fatal({"chan: the ring is broken"});
  }
  const auto sits = [](const wait_node& n) {
    if (n.who == nullptr) fatal({"chan: nobody's node hangs"});
  };
  receivers_.check(sits);
  senders_.check(sits);
}
#endif

bool chan_core::can_receive_locked() noexcept {
  // A sender whose select has won elsewhere is no sender any more; one whose has not is one now.
  while (wait_node* n = senders_.front()) {
    if (!n->elect || n->who->winner() == nullptr) break;
    dequeue(*n);
  }
  return count_ > 0 || closed_ || !senders_.empty();
}

bool chan_core::ready() noexcept {
  if (!maybe_ready(recv_ready)) return false;
  const lock_scope lock{mu_};
  return can_receive_locked();
}

bool chan_core::watch(wait_node& node) noexcept {
  const lock_scope lock{mu_};
  if (can_receive_locked()) return false;
  enqueue_receiver(node);
  return true;
}

void chan_core::unwatch(wait_node& node) noexcept {
  const lock_scope lock{mu_};
  dequeue(node);
}

std::ptrdiff_t chan_core::size() noexcept {
  const lock_scope lock{mu_};
  return static_cast<std::ptrdiff_t>(count_);
}

}  // namespace downhaul::impl
