// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// downhaul/fwd.hpp — names only, for library headers that mention a context or a channel.
#pragma once

namespace downhaul {

class context;
class cancel_scope;
class cancel_func;
class runtime;
template <class T>
class chan;
template <class T>
class recv_chan;
template <class T>
class send_chan;

}  // namespace downhaul
