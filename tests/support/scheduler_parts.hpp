// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// support/scheduler_parts.hpp — the parts of the scheduler that a promise is tested on by itself.
//
// Idea       run_ring: the queue that workers steal from. available_cpus: how many workers there are.
// Threads    as these say.
#pragma once

#include "platform/cpu.hpp"
#include "sched/run_ring.hpp"
