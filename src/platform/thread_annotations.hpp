// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// Idea       names for Clang's thread-safety analysis (-Wthread-safety); nothing elsewhere.
// Source     clang.llvm.org/docs/ThreadSafetyAnalysis.html

#pragma once

#if defined(__clang__)
#define DOWNHAUL_ANNOTATION(x) __attribute__((x))
#else
#define DOWNHAUL_ANNOTATION(x)
#endif

#define DOWNHAUL_CAPABILITY(name) DOWNHAUL_ANNOTATION(capability(name))
#define DOWNHAUL_SCOPED_CAPABILITY DOWNHAUL_ANNOTATION(scoped_lockable)
#define DOWNHAUL_GUARDED_BY(lock) DOWNHAUL_ANNOTATION(guarded_by(lock))
#define DOWNHAUL_POINTEE_GUARDED_BY(lock) DOWNHAUL_ANNOTATION(pt_guarded_by(lock))
#define DOWNHAUL_REQUIRES(...) DOWNHAUL_ANNOTATION(requires_capability(__VA_ARGS__))
#define DOWNHAUL_EXCLUDES(...) DOWNHAUL_ANNOTATION(locks_excluded(__VA_ARGS__))
#define DOWNHAUL_ACQUIRE(...) DOWNHAUL_ANNOTATION(acquire_capability(__VA_ARGS__))
#define DOWNHAUL_TRY_ACQUIRE(...) DOWNHAUL_ANNOTATION(try_acquire_capability(__VA_ARGS__))
#define DOWNHAUL_RELEASE(...) DOWNHAUL_ANNOTATION(release_capability(__VA_ARGS__))
#define DOWNHAUL_RETURN_CAPABILITY(lock) DOWNHAUL_ANNOTATION(lock_returned(lock))
#define DOWNHAUL_NO_THREAD_SAFETY_ANALYSIS DOWNHAUL_ANNOTATION(no_thread_safety_analysis)
