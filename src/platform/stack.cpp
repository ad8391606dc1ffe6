// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors

#include "platform/stack.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <new>

#include "platform/guard.hpp"
#include "platform/sanitizer.hpp"

#if DOWNHAUL_TSAN
extern "C" void __tsan_destroy_fiber(void* fiber);
#endif

namespace downhaul::impl {
namespace stacks {

// A mapping and the descriptors of the stacks in it. Records are never freed, a record whose mapping
// is gone serves the next one: find_stack may walk the list at any moment.
//
// [region]  begin, end, stride and descriptors are written before the release store of `cut`, and
//           a reader that sees an index below `cut` sees them. When a mapping goes, cut becomes 0
//           first; no address in it can fault then, for all its stacks are free.
struct region {
  std::atomic<const std::byte*> begin{nullptr};
  std::atomic<const std::byte*> end{nullptr};
  std::atomic<std::size_t> stride{0};
  std::atomic<stack*> descriptors{nullptr};
  std::atomic<std::size_t> cut{0};  // descriptors in use; grows under the pool's lock
  std::size_t count = 0;            // descriptors there are; constant while mapped
  region* next_open = nullptr;      // guarded by the pool's lock
  region* next_of_pool = nullptr;   // guarded by the pool's lock
  region* next_unmapped = nullptr;  // guarded by unmapped_mutex
  region* next = nullptr;           // of all records; constant once published
};

namespace {

constexpr std::size_t largest_region = 64 * 1024 * 1024;
constexpr std::size_t first_region_stacks = 16;
constexpr std::size_t trim_batch = 32;

// W [region-list] by publish, read by find_stack.
constinit std::atomic<region*> all_records{nullptr};
constinit ranked_mutex<rank::leaf> unmapped_mutex;
constinit region* unmapped_records DOWNHAUL_GUARDED_BY(unmapped_mutex) = nullptr;

region* reuse_record() noexcept {
  const lock_scope held{unmapped_mutex};
  region* const record = unmapped_records;
  if (record != nullptr) unmapped_records = record->next_unmapped;
  return record;
}

region* new_record() noexcept {
  if (region* const record = reuse_record()) return record;
  auto* const record = new (std::nothrow) region;
  if (record == nullptr) return nullptr;
  record->next = all_records.load(std::memory_order_relaxed);  // checked by the exchange
  // W [region-list], read by find_stack. Ends: a failure means that another record was published.
  while (!all_records.compare_exchange_weak(record->next, record, std::memory_order_release,
                                            std::memory_order_relaxed)) {
  }
  return record;
}

void give_back_record(region* record) noexcept {
  const lock_scope held{unmapped_mutex};
  record->next_unmapped = unmapped_records;
  unmapped_records = record;
}

std::byte* map(std::size_t size) noexcept {
  void* const memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  // One touched page must not become two megabytes. Fails on kernels without huge pages: fine.
  static_cast<void>(::madvise(memory, size, MADV_NOHUGEPAGE));
  return static_cast<std::byte*>(memory);
}

void unmap(region& r) noexcept {
  std::size_t mprotected = 0;
  // Relaxed, all of them: whatever made this the last use of the pool ordered the earlier ones.
  stack* const descriptors = r.descriptors.load(std::memory_order_relaxed);
  const std::size_t cut = r.cut.exchange(0, std::memory_order_relaxed);
  const std::byte* const begin = r.begin.load(std::memory_order_relaxed);  // the same
  const std::byte* const end = r.end.load(std::memory_order_relaxed);
  for (std::size_t i = 0; i < cut; ++i) {
    mprotected += descriptors[i].guard == guard_kind::mprotect;
    valgrind_unregister_stack(descriptors[i].valgrind_number);
#if DOWNHAUL_TSAN
    if (descriptors[i].tsan_fiber != nullptr) __tsan_destroy_fiber(descriptors[i].tsan_fiber);
#endif
  }
  r.begin.store(nullptr, std::memory_order_relaxed);  // cut is 0 already, see [region]
  r.end.store(nullptr, std::memory_order_relaxed);
  ::munmap(const_cast<std::byte*>(begin), static_cast<std::size_t>(end - begin));
  forget_mprotect_guards(mprotected);
  ::operator delete(descriptors);
}

// Low enough to be overwritten by whatever overflows, long enough that a frame seldom skips it.
constexpr std::size_t canary_words = 16;
constexpr std::uint64_t canary_pattern = 0x5afe'57ac'c0de'd00d;

void write_canary(stack& s) noexcept {
  for (std::size_t i = 0; i < canary_words; ++i) {
    const std::uint64_t word = canary_pattern + i;
    std::memcpy(s.limit + i * sizeof word, &word, sizeof word);
  }
}

std::size_t rounded_stack_size(std::size_t wanted) noexcept {
  const std::size_t page = page_size();
  const std::size_t size = std::clamp(wanted, smallest_stack_size, std::size_t{1} << 40);
  return (size + page - 1) / page * page;
}

std::size_t rounded_guard_size() noexcept { return std::max(guard_size, page_size()); }

}  // namespace
}  // namespace stacks

DOWNHAUL_UNINSTRUMENTED bool canary_whole(const stack& s) noexcept {
  std::uint64_t difference = 0;
  for (std::size_t i = 0; i < stacks::canary_words; ++i) {
    std::uint64_t word = 0;
    __builtin_memcpy(&word, s.limit + i * sizeof word, sizeof word);
    difference |= word ^ (stacks::canary_pattern + i);
  }
  return difference == 0;
}

void stack_pool::stack_list::push_newest(stack* s) noexcept {
  s->newer = nullptr;
  s->older = newest;
  (newest != nullptr ? newest->newer : oldest) = s;
  newest = s;
}

stack* stack_pool::stack_list::pop_newest() noexcept {
  stack* const s = newest;
  if (s == nullptr) return nullptr;
  newest = s->older;
  (newest != nullptr ? newest->newer : oldest) = nullptr;
  return s;
}

stack* stack_pool::stack_list::pop_oldest() noexcept {
  stack* const s = oldest;
  if (s == nullptr) return nullptr;
  oldest = s->newer;
  (oldest != nullptr ? oldest->older : newest) = nullptr;
  return s;
}

stack_pool::stack_pool(std::size_t stack_size) noexcept
    : stack_size_(stacks::rounded_stack_size(stack_size)),
      next_region_stacks_(stacks::first_region_stacks) {}

stack_pool::~stack_pool() {
  if (in_use() != 0) return;  // abandoned stacks stay mapped, and found by find_stack
  stacks::region* all = nullptr;
  {
    const lock_scope held{mutex_};
    all = all_;
  }
  while (all != nullptr) {
    stacks::region* const next = all->next_of_pool;
    stacks::unmap(*all);
    stacks::give_back_record(all);
    all = next;
  }
}

std::size_t stack_pool::in_use() noexcept {
  const lock_scope held{mutex_};
  return in_use_;
}

stacks::region* stack_pool::make_region() noexcept {
  const std::size_t stride = stack_size_ + stacks::rounded_guard_size();
  const std::size_t most = std::max<std::size_t>(1, stacks::largest_region / stride);
  std::size_t count = 0;
  {
    const lock_scope held{mutex_};
    count = std::min(next_region_stacks_, most);
    next_region_stacks_ = count * 2;
  }
  std::byte* memory = nullptr;
  while ((memory = stacks::map(count * stride)) == nullptr && count > 1) count /= 2;
  if (memory == nullptr) return nullptr;
  auto* const descriptors =
      static_cast<stack*>(::operator new(count * sizeof(stack), std::nothrow));
  stacks::region* const r = descriptors != nullptr ? stacks::new_record() : nullptr;
  if (r == nullptr) {
    ::operator delete(descriptors);
    ::munmap(memory, count * stride);
    return nullptr;
  }
  r->count = count;
  r->begin.store(memory, std::memory_order_relaxed);  // published by `cut`, see [region]
  r->end.store(memory + count * stride, std::memory_order_relaxed);
  r->stride.store(stride, std::memory_order_relaxed);
  r->descriptors.store(descriptors, std::memory_order_relaxed);
  return r;
}

stack* stack_pool::take_free_or_cut(bool& is_new) noexcept {
  if (stack* const s = used_.pop_newest()) return s;
  if (stack* const s = clean_.pop_newest()) return s;
  stacks::region* const r = open_;
  if (r == nullptr) return nullptr;
  // Relaxed, all four: written under mutex_, or before the region was put into open_ under it.
  const std::size_t index = r->cut.load(std::memory_order_relaxed);
  const std::size_t stride = r->stride.load(std::memory_order_relaxed);
  std::byte* const end =  // the same
      const_cast<std::byte*>(r->begin.load(std::memory_order_relaxed)) + (index + 1) * stride;
  stack* const s = r->descriptors.load(std::memory_order_relaxed) + index;  // the same
  new (s) stack{end - stack_size_,  end,   nullptr, nullptr, nullptr, nullptr,
                guard_kind::canary, false, 0};
  r->cut.store(index + 1, std::memory_order_release);  // W [region], read by find_stack
  if (index + 1 == r->count) open_ = r->next_open;
  is_new = true;
  return s;
}

stack* stack_pool::acquire() noexcept {
  stack* s = nullptr;
  bool is_new = false;
  for (stacks::region* made = nullptr;;) {
    {
      const lock_scope held{mutex_};
      if (made != nullptr) {
        made->next_open = open_;
        open_ = made;
        made->next_of_pool = all_;
        all_ = made;
      }
      s = take_free_or_cut(is_new);
      if (s != nullptr) ++in_use_;
    }
    if (s != nullptr) break;
    // Ends: others may empty the region before us, but each time a stack was taken.
    made = make_region();
    if (made == nullptr) return nullptr;
  }
  if (is_new) {
    const std::size_t guard = stacks::rounded_guard_size();
    s->guard = install_guard(s->limit - guard, guard);
    s->valgrind_number = valgrind_register_stack(s->limit, s->top);
  }
  if (s->guard == guard_kind::canary && !s->touched) stacks::write_canary(*s);
  s->touched = true;
  return s;
}

void stack_pool::release(stack* free) noexcept {
#if DOWNHAUL_ASAN
  ASAN_UNPOISON_MEMORY_REGION(free->limit, free->size());
#endif
  const lock_scope held{mutex_};
  used_.push_newest(free);
  --in_use_;
}

bool stack_pool::trim() noexcept {
  stack* batch = nullptr;  // linked by `older`
  {
    const lock_scope held{mutex_};
    for (std::size_t i = 0; i < stacks::trim_batch; ++i) {
      stack* const s = used_.pop_oldest();
      if (s == nullptr) break;
      s->older = batch;
      batch = s;
    }
  }
  for (stack* s = batch; s != nullptr; s = s->older) {
    static_cast<void>(::madvise(s->limit, s->size(), MADV_DONTNEED));
    s->idle_context = nullptr;
    s->touched = false;
  }
  const lock_scope held{mutex_};
  while (batch != nullptr) {
    stack* const next = batch->older;
    clean_.push_newest(batch);
    batch = next;
  }
  return used_.newest != nullptr;
}

const stack* find_stack(const void* address) noexcept {
  const auto* const wanted = static_cast<const std::byte*>(address);
  // R [region-list], pairs with the exchange in new_record
  for (const stacks::region* r = stacks::all_records.load(std::memory_order_acquire); r != nullptr;
       r = r->next) {
    const std::size_t cut = r->cut.load(std::memory_order_acquire);  // R [region]
    if (cut == 0) continue;
    const std::byte* const begin = r->begin.load(std::memory_order_relaxed);  // under [region]
    const std::byte* const end = r->end.load(std::memory_order_relaxed);
    if (wanted < begin || wanted >= end) continue;
    // Relaxed: under [region], as above.
    const std::size_t index =
        static_cast<std::size_t>(wanted - begin) / r->stride.load(std::memory_order_relaxed);
    return index < cut ? r->descriptors.load(std::memory_order_relaxed) + index : nullptr;
  }
  return nullptr;
}

}  // namespace downhaul::impl
