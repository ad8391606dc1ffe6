// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// downhaul/adapt/asio.hpp — Boost.Asio and downhaul in one program.
//
// Idea       asio/use_goroutine.hpp  an Asio operation awaited by a goroutine, or by a task
//            asio/bind_context.hpp   any Asio operation, cancelled when a context ends
//            asio/as_asio.hpp        a wait of downhaul in a coroutine of Asio
//            asio/asio_thread.hpp    an io_context and the thread that runs it
//            CMake: target_link_libraries(… downhaul::asio), with Boost 1.77 or newer.
#pragma once

#include "downhaul/adapt/asio/as_asio.hpp"
#include "downhaul/adapt/asio/asio_thread.hpp"
#include "downhaul/adapt/asio/bind_context.hpp"
#include "downhaul/adapt/asio/use_goroutine.hpp"
