/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the downhaul authors
 *
 * Protocol [arm-then-look] of src/context/cancel.hpp, as src/context/timed_node.cpp and merge_node.cpp use it: a
 * timer is armed (T1) on a node that its parent, a cancel or the timer itself may close (U1) meanwhile. The maker
 * looks afterwards (T2) and takes the timer back; the closer takes it back too (U2: settle). The clock pops the
 * entry and takes a reference (try_ref) under the shard's lock, and fires outside it. The last reference frees
 * the node (drop, dispose).
 *
 * Proved: when nobody holds the node it is off the queue, hence its memory is never touched again; the node is
 * closed once; a firing never meets a node that is gone.
 *
 *  MUTATION_1  assertion: the maker does not look again (T2)
 *  MUTATION_2  assertion: the maker looks before it arms
 *  MUTATION_3  assertion: the closer takes the timer back before it closes (U2, U1)
 *  MUTATION_4  assertion: the clock does not take a reference when it pops
 *  MUTATION_5  assertion: the closer lets go before it has taken the timer back
 */

bit mu;            /* the shard's */
bit closed;        /* the word */
bit queued;        /* the entry */
byte refs = 2;     /* the maker's, who has the scope; another's */
bit freed;
byte closes;

inline lock() { atomic { !mu -> mu = 1 } }
inline unlock() { mu = 0 }

/* U1, U2: by whoever holds a reference */
inline cancel_tree() {
#ifdef MUTATION_3
  if
  :: !closed -> lock(); queued = 0; unlock()
  :: else
  fi;
#endif
  atomic {                                  /* U1 */
    assert(!freed);
    won = !closed;
    closed = 1;
    closes = closes + won
  };
#ifdef MUTATION_5
  unref();
#endif
#ifndef MUTATION_3
  if
  :: won ->                                 /* settle: U2 */
    lock();
    assert(!freed);
    queued = 0;
    unlock()
  :: else
  fi
#endif
}

/* unref; the last one disposes. A cancel_scope cancels before it lets go: what is freed is closed, hence settled
 * by K3, and the queue is left alone. */
inline unref() {
  d_step { assert(!freed && refs > 0); refs--; last = (refs == 0) };
  if
  :: last -> assert(closed && !queued); freed = 1
  :: else
  fi
}

active proctype maker() {
  bool last;
  bool won;
#ifdef MUTATION_2
  won = closed;
#endif
  lock();
  queued = 1;                               /* T1 */
  unlock();
#ifdef MUTATION_2
  if
  :: won -> lock(); queued = 0; unlock()
  :: else
  fi;
#else
#ifndef MUTATION_1
  assert(!freed);
  if
  :: closed -> lock(); queued = 0; unlock() /* T2 */
  :: else
  fi;
#endif
#endif
  /* the end of its scope */
  cancel_tree();
#ifndef MUTATION_5
  unref()
#endif
}

/* The parent's walk, which got its reference by try_ref under the parent's lock. */
active proctype canceller() {
  bool won;
  bool last;
  if
  :: cancel_tree();
#ifndef MUTATION_5
     unref()
#endif
  :: unref()                                /* it did not come: a handle that goes */
  fi
}

/* Whoever serves the clock. */
active proctype server() {
  bool popped;
  bool won;
  bool last;
endidle:
  queued;
  lock();
  popped = queued;
  if
  :: popped ->
    assert(!freed);
    queued = 0;
#ifndef MUTATION_4
    d_step { assert(refs > 0); refs++ }     /* try_ref; it cannot fail here: a dying node is off the queue */
#endif
  :: else
  fi;
  unlock();
  if
  :: popped ->                              /* fire */
    cancel_tree();
#ifndef MUTATION_4
#ifndef MUTATION_5
    unref()
#endif
#endif
  :: else
  fi
}

active proctype observer() {
  timeout;
  assert(freed && !queued && closes <= 1)
}
