// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// signal/handler.hpp — the signal handler, and what it shares with the rest of the process.
//
// Idea       The handler sets the signal's bit and rings a futex that the relay sleeps on. For a
//            signal that nobody wants any more it does what was in force before.
// Threads    The handler runs on any thread at any time, between any two instructions: lock-free
//            atomics and system calls only. All other functions: one caller at a time, see relay.hpp.
//
// [caught]  per signal s
//   handler: H1 inside[s] + 1; H2 load wanted[s]; yes: H3 set pending bit, ring; else the former
//            action; H4 inside[s] - 1
//   release: S1 put the former action back, or ignore; S2 wanted[s] = false; S3 wait until inside[s] is 0;
//            then the relay is made to deliver what is pending, to the one who leaves too
//   Either H2 sees S2 — then S1 has been done, and raised anew it meets that action — or
//   H1 and H2 came before S2 and S3 waits for H3: the signal is delivered. Hence never lost. H1, H2,
//   S2 and S3 are seq_cst: with less both H2 and S3 could miss the other. A handler that was entered
//   before S1 but has not reached H1 sees S2.
//   Model: tests/models/signal_release.pml
#pragma once

#include <atomic>
#include <cstdint>

#include "signal/signal_set.hpp"

namespace downhaul::impl {

/// Signals that have come and were not yet delivered; bits as in signal_set.
extern std::atomic<std::uint64_t> pending_signals;  // [caught]
/// Counts up with every signal and every request: what the relay sleeps on.
extern std::atomic<std::uint32_t> relay_bell;

/// Installs the handler for a signal that has none of ours.
void catch_signal(int signal) noexcept;
enum class afterwards : std::uint8_t { former, dropped };
/// Puts back what was in force before, or makes the kernel drop the signal; returns when no handler
/// of ours is under way for it.
void release_signal(int signal, afterwards then) noexcept;
/// Makes the kernel drop a signal that is not caught.
void drop_signal(int signal) noexcept;
/// True if the kernel drops it now.
bool is_dropped(int signal) noexcept;

}  // namespace downhaul::impl
