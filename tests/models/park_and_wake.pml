/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the downhaul authors
 *
 * Protocol [park] of src/wait/waiter.hpp with the direct switch of src/sched/worker.cpp: a goroutine that
 * waits switches straight to the next one of its worker, and only the one who is arrived at does P1 for it.
 * Two workers, two goroutines, each of which waits WAITS times; a waker on a plain thread wakes each wait once
 * (the election has been won: winner_election.pml).
 *
 * A worker's thread is a process here. What runs on it is `on`: a goroutine, or LOOP, its own stack.
 *   leave    picks the next one at hand (own queue) and notes who left
 *   switch   the stack that was left is saved: from here on somebody else may continue it
 *   arrive   settles who left: P1, and if that fails queues him (push_next); or P2 and the unlock
 * A wait ends with P1, or with P2 (park_and_unlock), whichever it likes: then its node is published by the
 * unlock that follows P2.
 * Run queues are one set per worker, and one common set for wake-ups from outside; see idle.pml for sleep.
 *
 * Proved: no goroutine is run by two workers, none is resumed before its stack was left, none is queued twice,
 * each wait ends, each notify belongs to one wait.
 *
 *  MUTATION_1  assertion: P1 by the goroutine itself, before it has left its stack
 *  MUTATION_2  deadlock: P1 is a load and a store, not a CAS
 *  MUTATION_3  deadlock: whoever settles forgets to queue the one who was notified meanwhile
 *  MUTATION_4  assertion: the waker queues the goroutine whatever N1 saw
 *  MUTATION_5  deadlock: N1 is a load and a store, not an exchange
 *  MUTATION_6  deadlock: prepare() comes after the node was published
 *  MUTATION_7  deadlock: the loop resumes the next without arriving: nobody settles who left for it
 *  MUTATION_8  deadlock: P2 comes after the unlock
 *  MUTATION_9  assertion: P2 and the unlock by the goroutine itself, before it has left its stack
 *  MUTATION_10 deadlock: a waiter that waits by P1 is taken for parked by N0 while it is parking
 */

#define GOROUTINES 2
#define WORKERS 2
#define WAITS 2
#define LOOP 2 /* the worker's own stack */
#define NONE 3

mtype = { running, parking, parked, notified };

mtype state[GOROUTINES] = running;
bit on_cpu[GOROUTINES];    /* its code runs on some worker */
bit saved[GOROUTINES] = 1; /* its stack has been left: it may be continued */
bit queued[GOROUTINES] = 1;/* on some run queue */
bit published[GOROUTINES]; /* its node is on a source's list */
byte waits[GOROUTINES];    /* how many waits it has begun */
bit ended[GOROUTINES];

bit ring[4];   /* worker * 2 + goroutine: slot and ring of that worker */
bit common[GOROUTINES] = 1;

inline put_common(g) {
  d_step { assert(!queued[g]); queued[g] = 1; common[g] = 1 }
}
inline put_local(w, g) {
  d_step { assert(!queued[g]); queued[g] = 1; ring[w * 2 + g] = 1 }
}

/* Resumes g on worker w, whose present execution has just been left. */
inline resume(g) {
  d_step { assert(saved[g]); assert(!on_cpu[g]); saved[g] = 0; on_cpu[g] = 1; on = g }
}

/* P2 [park], and the unlock that publishes the node */
inline settle_locked(g) {
#ifdef MUTATION_8
  published[g] = 1;
  state[g] = parked;
#else
  state[g] = parked;
  published[g] = 1;
#endif
  locked = 0
}

/* P1 [park], off the goroutine's stack */
inline settle(w, g) {
#ifdef MUTATION_2
  if
  :: locked -> settle_locked(g)
  :: !locked && state[g] == parking -> state[g] = parked
  :: !locked && state[g] != parking -> put_local(w, g)
  fi
#else
  if
  :: locked -> settle_locked(g)
  :: else -> atomic {
    if
    :: state[g] == parking -> state[g] = parked
    :: else -> assert(state[g] == notified);
#ifndef MUTATION_3
       put_local(w, g)
#endif
    fi
  }
  fi
#endif
}

inline arrive(w) {
  if
  :: leaver != NONE ->
#ifdef MUTATION_9
     if
     :: handed -> handed = 0
     :: else -> settle(w, leaver)
     fi;
#else
#ifndef MUTATION_1
     settle(w, leaver);
#endif
#endif
     leaver = NONE
  :: else
  fi
}

/* next_at_hand, take_common: any order, thieves included */
inline take(w, g) {
  atomic {
    if
    :: ring[w * 2] -> ring[w * 2] = 0; queued[0] = 0; g = 0
    :: ring[w * 2 + 1] -> ring[w * 2 + 1] = 0; queued[1] = 0; g = 1
    :: ring[(1 - w) * 2] -> ring[(1 - w) * 2] = 0; queued[0] = 0; g = 0
    :: ring[(1 - w) * 2 + 1] -> ring[(1 - w) * 2 + 1] = 0; queued[1] = 0; g = 1
    :: common[0] -> common[0] = 0; queued[0] = 0; g = 0
    :: common[1] -> common[1] = 0; queued[1] = 0; g = 1
    :: true -> g = NONE  /* nothing at hand, or duties: to the loop */
    fi
  }
}

active [WORKERS] proctype worker() {
  byte w = _pid;
  byte on = LOOP;
  byte leaver = NONE;
  byte next = NONE;
  bit locked = 0;
#ifdef MUTATION_9
  bit handed = 0;
#endif
  do
  :: on == LOOP ->
#ifdef MUTATION_7
    leaver = NONE;
#endif
    arrive(w);
    if
    :: ended[0] && ended[1] -> break
    :: ring[w * 2] || ring[w * 2 + 1] || ring[(1 - w) * 2] || ring[(1 - w) * 2 + 1] || common[0] || common[1] ->
       take(w, next);
       if
       :: next != NONE -> resume(next); next = NONE
       :: else
       fi
    fi
  :: on != LOOP ->
    /* code of the goroutine `on` */
    arrive(w);
    if
    :: waits[on] == WAITS ->
       d_step { ended[on] = 1; on_cpu[on] = 0; on = LOOP }  /* leaving::ended */
    :: waits[on] < WAITS ->
#ifdef MUTATION_6
       d_step { waits[on]++; published[on] = 1 };
       state[on] = parking;
#else
       state[on] = parking;                            /* P0: prepare() */
       if
       :: d_step { waits[on]++; published[on] = 1 }    /* under the source's lock */
       :: d_step { waits[on]++; locked = 1 }           /* likewise, but the lock is kept */
       fi;
#endif
#ifdef MUTATION_9
       if
       :: locked -> settle_locked(on); handed = 1
       :: else
       fi;
#endif
       /* park(): leave, on its own stack */
#ifdef MUTATION_1
       settle(w, on);
#endif
       leaver = on;
       take(w, next);  /* may be null: to the loop */
       /* switch_to: the stack that is left is saved by the one who arrives, before anything else */
       d_step { on_cpu[leaver] = 0; saved[leaver] = 1; on = LOOP };
       if
       :: next != NONE -> resume(next); next = NONE
       :: else
       fi
    fi
  od
}

active proctype waker() {
  byte g;
  mtype old;
end:
  do
  :: atomic {
       if
       :: published[0] -> g = 0
       :: published[1] -> g = 1
       fi;
       published[g] = 0  /* off the list, under the source's lock */
     };
     if
#ifdef MUTATION_10
     :: state[g] == parked || state[g] == parking -> old = parked; state[g] = notified
#else
     :: state[g] == parked -> old = parked; state[g] = notified  /* N0: a load and a store */
#endif
     :: else -> /* N1 */
#ifdef MUTATION_5
       old = state[g];
       state[g] = notified
#else
       d_step { old = state[g]; state[g] = notified }
#endif
     fi;
     assert(old == parking || old == parked);
     if
#ifdef MUTATION_4
     :: true -> put_common(g)
#else
     :: old == parked -> put_common(g)
     :: old == parking
#endif
     fi
  od
} /* unreached: it serves for ever */
