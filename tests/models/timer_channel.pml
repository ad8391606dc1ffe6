/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the downhaul authors
 *
 * Protocol [fire] of src/time/timer_channel.cpp: a timer with a channel is stopped, reset and received from while
 * servers of the clock pop and fire it. A value carries the number of the arming that it is for. Two servers, so that
 * two firings can be under way; the timer is armed ARMINGS times, and dropped while one may be.
 *
 * mu: the channel's lock; smu: the shard's, taken inside it. try_ref is under smu, fire outside.
 *
 * Proved: after stop() or reset() has returned, no value of an earlier arming is received; an arming that was
 * neither stopped nor reset fires; a stop that says "nothing is there" is right; a channel that has gone is touched by
 * nobody, and is off the queue.
 *
 *  MUTATION_1  assertion: the firing does not look at the phase before it sends
 *  MUTATION_2  assertion: stop does not withdraw a value that was not received
 *  MUTATION_3  assertion: stop leaves the phase alone where the entry was popped already
 *  MUTATION_4  assertion: the phase is set to popped by the firing, not under the shard's lock
 *  MUTATION_5  assertion: the pop takes a reference by a plain increment
 *  MUTATION_6  assertion: the last handle does not disarm
 *  MUTATION_7  assertion: the firing lets go of the channel's lock between looking at the phase and sending
 */

#define ARMINGS 3

mtype = { idle, armed, popped };

bit mu;
bit smu;
bit queued;             /* the entry is on the shard's queue */
mtype phase = idle;     /* [fire] */
byte when;              /* the arming that the entry is for */
byte value;             /* what is in the place; 0: nothing */
byte refs = 1;
bit freed;
byte oldest = 1;        /* the first arming whose value may still be received */
byte fired;             /* the last arming that sent */
byte current;           /* the arming under way, if it was not stopped */

inline touch() { assert(!freed) }
inline lock() { atomic { !mu -> touch(); mu = 1 } }
inline unlock() { mu = 0 }
inline slock() { atomic { !smu -> smu = 1 } }
inline sunlock() { smu = 0 }

inline unref() {
  d_step { touch(); assert(refs > 0); refs--; last = (refs == 0) };
  if
  :: last ->
#ifndef MUTATION_6
    if
    :: phase == armed -> slock(); queued = 0; sunlock()
    :: else
    fi;
#endif
    assert(!queued && !freed);
    freed = 1
  :: else
  fi
}

/* under mu */
inline stop_locked(pending) {
  pending = false;
  if
  :: phase != idle ->
    slock();
    queued = 0;
    pending = true;
#ifdef MUTATION_3
    if
    :: phase == armed -> phase = idle
    :: else
    fi;
#else
    phase = idle;
#endif
    sunlock()
  :: else
  fi;
  if
  :: value != 0 ->
#ifndef MUTATION_2
    value = 0;
#endif
    pending = true
  :: else
  fi
}

/* under mu */
inline arm_locked(n) {
  slock();
  phase = armed;
  d_step { when = n; queued = 1 };
  sunlock()
}

active proctype user() {
  byte n = 1;
  bool pending;
  bool fresh;
  bool last;
  lock(); arm_locked(n); current = n; unlock();
  do
  :: n < ARMINGS ->     /* reset */
    n++;
    lock();
    stop_locked(pending);
    arm_locked(n);
    current = n;
    unlock();
    oldest = n
  :: current != 0 ->    /* stop */
    lock();
    fresh = (fired != current || value == current);
    stop_locked(pending);
    unlock();
    assert(pending == fresh);
    oldest = n + 1;
    current = 0
  :: true ->            /* receive, if there is something */
    lock();
    if
    :: value != 0 -> assert(value >= oldest); value = 0; current = 0
    :: else
    fi;
    unlock()
  :: current != 0 ->    /* wait for it: nobody stops it */
    (value != 0);
    lock();
    assert(value >= oldest && value == current);
    value = 0;
    current = 0;
    unlock()
  :: true -> break
  od;
  unref()
}

active [2] proctype server() {
  bool got;
  bool last;
end:
  do
  :: queued ->
    slock();
    got = queued;
    if
    :: queued ->
      queued = 0;
      /* try_ref */
#ifdef MUTATION_5
      touch();
      refs++;
#else
      atomic {
        touch();
        if
        :: refs == 0 -> got = false
        :: else -> refs++
        fi
      };
#endif
#ifndef MUTATION_4
      if
      :: got -> phase = popped
      :: else
      fi
#endif
    :: else
    fi;
    sunlock();
    if
    :: got ->
      /* fire_now */
#ifdef MUTATION_4
      phase = popped;
#endif
      lock();
#ifdef MUTATION_1
      if
      :: true ->
#else
      if
      :: phase == popped ->
#endif
#ifdef MUTATION_7
        unlock();
        lock();
#endif
        phase = idle;
        assert(value == 0);   /* a timer that is armed has none in its place */
        value = when;
        fired = when
      :: else
      fi;
      unlock();
      unref()
    :: else
    fi
  od
} /* unreached: it serves for ever */
