// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// downhaul/downhaul.hpp — all of it. Includes only.
#pragma once

#include "downhaul/after_func.hpp"
#include "downhaul/blocking.hpp"
#include "downhaul/chan.hpp"
#include "downhaul/clock.hpp"
#include "downhaul/condition_variable.hpp"
#include "downhaul/context.hpp"
#include "downhaul/context_base.hpp"
#include "downhaul/current_context.hpp"
#include "downhaul/defer.hpp"
#include "downhaul/error.hpp"
#include "downhaul/fwd.hpp"
#include "downhaul/go.hpp"
#include "downhaul/group.hpp"
#include "downhaul/key.hpp"
#include "downhaul/mutex.hpp"
#include "downhaul/once.hpp"
#include "downhaul/pin.hpp"
#include "downhaul/runtime.hpp"
#include "downhaul/select.hpp"
#include "downhaul/semaphore.hpp"
#include "downhaul/shared_mutex.hpp"
#include "downhaul/signal.hpp"
#include "downhaul/sleep.hpp"
#include "downhaul/ticker.hpp"
#include "downhaul/time.hpp"
#include "downhaul/timer.hpp"
#include "downhaul/version.hpp"
#include "downhaul/wait_group.hpp"
