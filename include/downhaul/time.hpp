// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// downhaul/time.hpp — all of time: now, sleep, timer, after, ticker, tick.
#pragma once

#include "downhaul/clock.hpp"
#include "downhaul/sleep.hpp"
#include "downhaul/ticker.hpp"
#include "downhaul/timer.hpp"
