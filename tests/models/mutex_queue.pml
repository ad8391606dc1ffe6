/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the downhaul authors
 *
 * Protocol [lock] of src/sync/mutex.cpp, the mutex of goroutines: two tasks lock and unlock it ROUNDS times, a third
 * once, with a context that may end while it waits. Barging, waking, handing over. A waiter decides freely after a
 * wake whether it has waited long enough to starve; the clock is not modelled. Spinning is left out: it is
 * try_take. The last of all to unlock destroys the mutex at once.
 *
 * Proved: one holder at a time; every lock() ends (it is locked, or the context ended); the mutex is free at the end
 * with no flag set but, at most, one that the next user clears; the last touch is what lets go.
 *
 *  MUTATION_1  deadlock: A2 marks the word whether it is locked or not
 *  MUTATION_2  deadlock: unlock lets go by a store, without looking at the flags
 *  MUTATION_3  deadlock: a woken one that loses again leaves the mark woken
 *  MUTATION_4  assertion: a waiter that was handed the lock goes by the word and takes it again
 *  MUTATION_5  deadlock: the waiter links itself outside the queue's lock
 *  MUTATION_6  assertion: a hand-over also lets go of the word
 *  MUTATION_7  assertion: unlock elects nobody: it hands over to a waiter whose context has ended
 */

#define TASKS 3
#define ROUNDS 2
#define NOBODY 3

bit locked;              /* the word, four flags; each change is one step */
bit queued;
bit woken;
bit starving;
bit gone;

bit qmu;                 /* queue_lock_of(this): not in the object */
byte queue[2] = NOBODY;
byte length;
bit ok[TASKS];           /* wait_node::ok: handed over */
bit notified[TASKS];
bit elected[TASKS];
bit given_up[TASKS];     /* its context's node won */
byte inside;
byte left = TASKS;

inline touch() { assert(!gone) }
inline qlock() { atomic { !qmu -> qmu = 1 } }
inline qunlock() { qmu = 0 }

/* Two places will do: a node is hung only while one of the three holds the lock. */
inline push_back(t) { d_step { assert(length < 2); queue[length] = t; length++ } }
inline push_front(t) { d_step { assert(length < 2); queue[1] = queue[0]; queue[0] = t; length++ } }
inline pop_front(t) { d_step { t = queue[0]; queue[0] = queue[1]; queue[1] = NOBODY; length-- } }
inline take_off(t) {
  atomic {
    if
    :: queue[0] == t -> queue[0] = queue[1]; queue[1] = NOBODY; length--
    :: queue[1] == t -> queue[1] = NOBODY; length--
    :: else
    fi
  }
}

/* L: take it if it is free, and clear woken if that is ours */
inline try_take(taken) {
  atomic {
    touch();
    if
    :: !locked -> locked = 1; woken = woken && !was_woken; taken = true
    :: else -> taken = false
    fi
  }
}

proctype task(byte me; byte rounds) {
  bool taken;
  bool was_woken;
  bool starves;
  bool announced;
  bool hand_over;
  bool simple;
  byte next;
  do
  :: rounds == 0 -> break
  :: rounds > 0 ->
    rounds--;
    /* lock */
    was_woken = false;
    starves = false;
    taken = false;
    do
    :: taken || given_up[me] -> break
    :: else ->
      try_take(taken);
      if
      :: taken
      :: else ->
        d_step { notified[me] = 0; ok[me] = 0; elected[me] = 0 };  /* prepare */
#ifndef MUTATION_5
        qlock();                                                   /* A1 */
#endif
        atomic {                                                   /* A2: announce */
          touch();
#ifdef MUTATION_1
          announced = true;
#else
          announced = locked;
#endif
          if
          :: announced ->
            queued = 1;
            starving = starving || starves;
#ifndef MUTATION_3
            woken = woken && !was_woken
#endif
          :: else
          fi
        };
        if
        :: announced ->                                            /* A3 */
          if
          :: was_woken -> push_front(me)
          :: else -> push_back(me)
          fi
        :: else
        fi;
#ifndef MUTATION_5
        qunlock();
#endif
        if
        :: announced ->
          if
          :: notified[me] ->
            if
#ifdef MUTATION_4
            :: ok[me] -> try_take(taken); assert(taken)
#else
            :: ok[me] ->
              assert(locked);
              /* a flag of the holder's: nobody waits, or it did not wait long */
              if
              :: !queued -> starving = 0
              :: queued -> starving = 0
              :: queued
              fi;
              taken = true
#endif
            :: else -> was_woken = true; if :: starves = true :: starves = false fi
            fi
          :: atomic { me == 2 && !elected[me] -> given_up[me] = 1 };
            /* withdraw */
            qlock();
            touch();
            take_off(me);
            atomic {
              if
              :: length == 0 -> queued = 0; starving = 0
              :: else
              fi
            };
            qunlock()
          fi
        :: else
        fi
      fi
    od;
    if
    :: taken ->
      inside++;
      assert(inside == 1 && locked);
      inside--;
      /* unlock */
#ifdef MUTATION_2
      locked = 0;
#else
      atomic {
        touch();
        /* fast, and unlock_slow's loop: nobody to wake */
        simple = !queued || (woken && !starving);
        if
        :: simple -> locked = 0; starving = (queued -> starving : 0)   /* U */
        :: else
        fi
      };
      if
      :: simple
      :: else ->
        qlock();                                                   /* B1 */
        touch();
        next = NOBODY;
        do
        :: length == 0 -> break
        :: else ->
          pop_front(next);
#ifdef MUTATION_7
          elected[next] = 1;
          break
#else
          atomic {                                                 /* take_elected */
            if
            :: !given_up[next] -> elected[next] = 1; break
            :: else -> next = NOBODY
            fi
          }
#endif
        od;
        hand_over = (next != NOBODY && starving);
        if
        :: hand_over ->                                            /* B2 */
          ok[next] = 1;
          atomic {
            queued = (length == 0 -> 0 : queued);
#ifdef MUTATION_6
            locked = 0
#endif
          }
        :: else ->
          atomic {                                                 /* U */
            locked = 0;
            starving = 0;
            queued = (length == 0 -> 0 : queued);
            woken = woken || (next != NOBODY)
          }
        fi;
        qunlock();
        if
        :: next != NOBODY -> assert(!given_up[next]); notified[next] = 1
        :: else
        fi
      fi
#endif
    :: else
    fi
  od;
  atomic {
    left--;
    if
    :: left == 0 -> assert(!locked && length == 0 && !queued && !starving); gone = 1
    :: else
    fi
  }
}

init { atomic { run task(0, ROUNDS); run task(1, ROUNDS); run task(2, 1) } }

active proctype observer() {
  timeout;
  assert(left == 0)
}
