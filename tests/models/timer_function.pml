/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the downhaul authors
 *
 * src/time/timer_function.cpp: a timer with a function is stopped, reset while it runs, and dropped (or detached)
 * while the clock pops and fires it. Everything is under the shard's lock; what the model is for is who holds the
 * object, who waits for whom, and that each pop gives one run.
 *
 * Proved: f runs once for each arming that was not stopped, never for one that was (stop's result says which);
 * when drop() has returned no run is under way; the object goes once, after its last touch, and never by the server
 * of the clock; nobody waits for ever; a detached timer that is armed still runs.
 *
 *  MUTATION_1  assertion: the pop does not count the run as a holder
 *  MUTATION_2  assertion: drop does not wait for runs under way
 *  MUTATION_3  deadlock: the end of a run wakes who drops only if it was the last holder
 *  MUTATION_4  deadlock: drop parks without looking at the holders under the lock
 *  MUTATION_5  assertion: detach gives the armed entry's hold up
 *  MUTATION_6  assertion: drop leaves the entry on the queue
 *  MUTATION_7  assertion: a detached timer's run is counted as one holder more
 *  MUTATION_8  assertion: stop calls the timer quiet though a run is under way
 */

#define ARMINGS 2

bit smu;
bit queued;
byte reserved;           /* a goroutine is reserved: at most one */
byte started;            /* popped, not started yet */
byte holders = 1;        /* of the object; each run from its pop to its end */
bit detached;
bit freed;
byte running;            /* runs of f under way */
byte runs;               /* begun */
byte armings;
byte prevented;          /* armings that a stop or a reset took back */
bit dropper;             /* dropper_: who drops is parked, or about to */
bit woken;
bit gone;                /* the object's owner has dropped or detached it */
bit quiet = 1;           /* quiet_: new or stopped, and no run under way; then drop takes no lock */

inline lock() { atomic { !smu -> smu = 1 } }  /* the clock's: not in the object */
inline unlock() { smu = 0 }

inline destroy() { assert(!freed && !queued && !reserved && !running); freed = 1 }

active proctype owner() {
  bool last;
  bool was;
  do
  :: armings < ARMINGS ->            /* reset, or the first arming */
    lock();
    was = queued;
    quiet = 0;
    queued = 1;
    reserved = 1;
    armings++;
    prevented = prevented + was;
    unlock()
  :: armings > 0 && runs + prevented < armings -> /* stop */
    lock();
    was = queued;
    queued = 0;
    prevented = prevented + was;
#ifdef MUTATION_8
    quiet = 1;
#else
    quiet = (holders == 1);
#endif
    unlock()
  :: armings > 0 -> break
  od;
  if
  :: quiet ->
    /* drop [quiet] */
    reserved = 0;
    holders--;
    assert(running == 0 && started == 0);
    assert(runs + prevented == armings);
    gone = 1;
    assert(holders == 0);
    destroy()
  :: !quiet ->
    /* drop */
#ifdef MUTATION_4
    if
    :: holders > 1 -> lock(); queued = 0; dropper = 1; unlock(); woken; woken = 0
    :: else
    fi;
#endif
    do
    :: true ->
      lock();
#ifndef MUTATION_6
      prevented = prevented + queued;
      queued = 0;
#endif
      if
#ifndef MUTATION_2
      :: holders > 1 -> dropper = 1; unlock(); woken; woken = 0
      :: else ->
#else
      :: true ->
#endif
        reserved = 0;
        holders--;
        last = (holders == 0);
        unlock();
        break
      fi
    od;
    assert(running == 0 && started == 0);
    assert(runs + prevented == armings);
    gone = 1;
    assert(last);
    destroy()
  :: true ->
    /* detach */
    lock();
    detached = 1;
    last = false;
#ifdef MUTATION_5
    if
    :: true ->
#else
    if
    :: !queued ->
#endif
       reserved = 0; holders--; last = (holders == 0)
    :: else
    fi;
    unlock();
    gone = 1;
    if
    :: last -> destroy()
    :: else
    fi
  fi
}

/* Servers of the clock: pop under the lock, fire outside it; then f in its goroutine. */
active [2] proctype server() {
  bool last;
  bool wake;
  bool got;
end:
  do
  :: queued ->
    got = false;
    lock();
    if
    :: queued ->                     /* pop, try_ref: take_run_locked */
      assert(!freed && reserved);
      queued = 0;
#ifndef MUTATION_1
#ifdef MUTATION_7
      holders++;
#else
      if
      :: !detached -> holders++
      :: else                        /* the armed entry's hold becomes the run's */
      fi;
#endif
#endif
      reserved = 0;
      started++;
      got = true
    :: else
    fi;
    unlock();
    if
    :: got ->
      /* fire_entry */
      lock();
      assert(!freed && started > 0);
      started--;
      running++;
      unlock();
      /* run: from here on it is the goroutine's */
      runs++;
      /* end */
      lock();
      assert(!freed);
      running--;
      holders--;
      last = (holders == 0);
#ifdef MUTATION_3
      wake = dropper && last;
#else
      wake = dropper && (holders == 1);
#endif
      if
      :: wake -> dropper = 0
      :: else
      fi;
      unlock();
      if
      :: wake -> woken = 1
      :: else
      fi;
      if
      :: last -> assert(detached); destroy()
      :: else
      fi
    :: else
    fi
  od
} /* unreached: it serves for ever */

active proctype observer() {
  timeout;
  assert(gone && freed && runs + prevented == armings)
}
