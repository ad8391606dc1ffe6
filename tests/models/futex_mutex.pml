/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the downhaul authors
 *
 * Protocol [lock] of src/platform/mutex.hpp: the library's own lock. Three threads take it ROUNDS times each;
 * the last one through frees its memory at once, while others may be on their way out of unlock().
 * The word: 0 free, 1 held, 2 held and somebody may sleep.
 *
 * Proved: one holder at a time; nobody sleeps for ever; the last access to the word in unlock() is the
 * exchange (the kernel call afterwards uses its address only).
 *
 *  MUTATION_1  deadlock: who comes from a sleep takes it with 1, and forgets the others who sleep
 *  MUTATION_2  deadlock: unlock looks at the word, then stores 0
 *  MUTATION_3  deadlock: the futex call does not compare the word before it sleeps
 *  MUTATION_4  deadlock: unlock wakes before it lets go
 *  MUTATION_5  assertion: unlock lets go and then looks at the word whether somebody sleeps
 *  MUTATION_6  assertion: try_take looks, then stores
 */

#define THREADS 3
#define ROUNDS 2

byte word;
bit freed;
bit asleep[THREADS];
byte inside;
byte left = THREADS;

inline futex_wake_one() {
  atomic {
    if
    :: asleep[0] -> asleep[0] = 0
    :: asleep[1] -> asleep[1] = 0
    :: asleep[2] -> asleep[2] = 0
    :: else
    fi
  }
}

inline futex_wait() {
  atomic {
    assert(!freed);
    if
#ifdef MUTATION_3
    :: true -> asleep[_pid] = 1
#else
    :: word == 2 -> asleep[_pid] = 1
    :: else
#endif
    fi
  };
  !asleep[_pid]
}

inline try_take(taken) {
#ifdef MUTATION_6
  assert(!freed);
  if
  :: word == 0 -> word = 1; taken = true
  :: else -> taken = false
  fi
#else
  atomic {
    assert(!freed);
    if
    :: word == 0 -> word = 1; taken = true
    :: else -> taken = false
    fi
  }
#endif
}

active [THREADS] proctype thread() {
  byte n = 0;
  byte old;
  bool taken;
  bool last;
  do
  :: n == ROUNDS -> break
  :: n < ROUNDS ->
    n++;
    /* lock */
    try_take(taken);
    if
    :: taken
    :: else ->
      /* lock_slow: some turns of the spin, each of which may find it free; one stands for all */
      if
      :: word == 0 -> try_take(taken)
      :: true
      fi;
      do
      :: taken -> break
      :: !taken ->
#ifdef MUTATION_1
        atomic { old = word; if :: old == 0 -> word = 1 :: else -> word = 2 fi };
#else
        d_step { assert(!freed); old = word; word = 2 };
#endif
        if
        :: old == 0 -> taken = true
        :: else -> futex_wait()
        fi
      od
    fi;
    inside++;
    assert(inside == 1);
    last = (n == ROUNDS && left == 1);
    left = (n == ROUNDS -> left - 1 : left);
    inside--;
    /* unlock */
#ifdef MUTATION_2
    old = word;
    word = 0;
#else
#ifdef MUTATION_4
    if
    :: word == 2 -> futex_wake_one()
    :: else
    fi;
    d_step { old = 1; word = 0 };
#else
    d_step { assert(!freed); old = word; word = 0 };
#endif
#endif
#ifdef MUTATION_5
    assert(!freed);
    old = word;
#endif
    if
    :: last -> freed = 1  /* nobody else comes: it may go as soon as its unlock has returned */
    :: else
    fi;
    if
    :: old == 2 -> futex_wake_one()
    :: else
    fi
  od
}
