/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the downhaul authors
 *
 * Protocol [park] of src/wait/waiter.hpp for a plain thread, which sleeps on its own state word
 * (src/wait/thread_record.cpp: park_thread, wake_thread). A thread waits WAITS times; each wait is woken by
 * another thread, whose futex call may come as late as it likes: during the next wait, or after the last.
 * The kernel compares and puts to sleep in one step; it may wake a sleeper for no reason, once.
 *
 * Proved: each wait ends, and not before its own notify.
 *
 *  MUTATION_1  deadlock: the futex call does not compare the word before it sleeps
 *  MUTATION_2  deadlock: P1 is a store, not a CAS
 *  MUTATION_3  deadlock: the waker calls the kernel before N1
 *  MUTATION_4  deadlock: the waker calls the kernel only if N1 saw parking
 *  MUTATION_5  assertion: the thread believes the kernel and does not look at the word again
 */

#define WAITS 3

mtype = { running, parking, parked, notified };

mtype state = running;  /* [park] the futex */
bit asleep;             /* in the kernel, on state */
byte waiting;           /* number of the wait whose node is published, from 1 */
byte told;              /* the last wait that was notified */
bit excess = 1;         /* a wake-up for no reason that the kernel may still give */

inline futex_wake() { asleep = 0 }

inline futex_wait() {
  atomic {
    if
#ifdef MUTATION_1
    :: true -> asleep = 1
#else
    :: state == parked -> asleep = 1
    :: else
#endif
    fi
  };
  if
  :: !asleep
  :: atomic { excess -> excess = 0; asleep = 0 }
  fi
}

active proctype owner() {
  byte n = 0;
  bool slept;
  do
  :: n == WAITS -> break
  :: n < WAITS ->
    n++;
    state = parking;   /* P0 */
    waiting = n;       /* the node, under its source's lock */
#ifdef MUTATION_2
    state = parked; slept = true;
#else
    atomic {           /* P1 */
      if
      :: state == parking -> state = parked; slept = true
      :: else -> slept = false
      fi
    };
#endif
    if
#ifdef MUTATION_5
    :: slept -> futex_wait()
#else
    :: slept ->
      do
      :: state == parked -> futex_wait()
      :: else -> break
      od
#endif
    :: else
    fi;
    assert(told == n && state == notified)
  od
}

active [WAITS] proctype waker() {
  byte n = _pid;  /* the owner is 0 */
  mtype old;
  waiting == n;
#ifdef MUTATION_3
  if
  :: state == parked -> futex_wake()
  :: else
  fi;
  d_step { state = notified; told = n }
#else
  d_step { old = state; state = notified; told = n };  /* N1 */
  if
#ifdef MUTATION_4
  :: old == parking -> futex_wake()
  :: old == parked
#else
  :: old == parked -> futex_wake()
  :: old == parking
#endif
  fi
#endif
}
