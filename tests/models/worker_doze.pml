/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the downhaul authors
 *
 * Protocol [doze] of src/sched/worker.hpp: one worker that sleeps (idle.cpp: may_sleep, sleep, woke_up), now and
 * then by itself, and retires (monitor.cpp: retire); a waker that takes it off the list of sleepers and wakes it
 * later; the monitor that takes it off the list of spares and wakes it later; a thread that arms timers and kicks
 * it as the clock's keeper (clock.cpp: attend), later as well. "Later" may be during the next sleep.
 *
 * The futex call of a waker or kicker is part of its store: the kernel compares the word with asleep.
 *
 * Proved: a retired worker goes on only when it was taken off the spares; it is never on both lists; who was
 * taken off a list gets to run; the keeper does not sleep longer than to the earliest deadline it was told of.
 *
 *  MUTATION_1  assertion: a retired worker believes whatever wakes it (and a late wake comes from an earlier sleep)
 *  MUTATION_2  assertion: woke_up takes itself off the list without the lock, from what it saw before
 *  MUTATION_3  assertion: rouse stores awake before the worker is off the list
 *  MUTATION_4  assertion: a kick over a kick only looks at the word, and the look passes the store of wake_at
 *  MUTATION_5  assertion: the keeper reads wake_at before it takes the kick back
 */

#define LATEST 3  /* what wake_at is at first; kickers bring it down to 2 and 1 */

mtype = { awake, asleep, kicked };

bit mu;
mtype doze = awake;
bit listed;          /* asleep_: on sleepers_ */
bit retired;         /* retired_: on spares_ */
byte taken;          /* how often somebody took it off a list and has not been answered by its running */
byte wake_at = LATEST;
byte until;          /* what it sleeps to, while it does */
bit keeps;           /* it is the clock's keeper and in the loop of sleep() */
byte told = LATEST;  /* the earliest deadline that was armed */
byte early = 2;      /* how often it may still time out, and find something to do */

inline lock() { atomic { !mu -> mu = 1 } }
inline unlock() { mu = 0 }

active proctype worker() {
  byte turns = 0;
  bool slept;
  do
  :: turns == 3 -> break
  :: turns < 3 ->
    turns++;
    if
    :: true ->
      /* may_sleep */
      lock();
      d_step { assert(!listed && !retired); doze = asleep; listed = 1 };
      unlock();
      /* try_keep */
      keeps = 1;
      do
      :: doze == awake -> break
      :: doze != awake ->
#ifdef MUTATION_5
        until = wake_at;
#endif
        atomic {                         /* K2 */
          if
          :: doze == kicked -> doze = asleep
          :: else
          fi
        };
#ifndef MUTATION_5
        until = wake_at;
#endif
endsleep:
        if
        :: doze != asleep; until = 0      /* the kernel compares: or it was woken */
        :: atomic { early > 0 -> early--; until = 0 }; break  /* timed out */
        fi
      od;
      keeps = 0;
      /* woke_up, stop_keeping */
#ifdef MUTATION_2
      slept = listed;
#endif
      lock();
#ifndef MUTATION_2
      slept = listed;
#endif
      doze = awake;
      if
      :: slept -> assert(listed); listed = 0
      :: else
      fi;
      taken = 0;
      unlock()
    :: true ->
      /* retire */
      lock();
      d_step { assert(!listed && !retired); doze = asleep; retired = 1 };
      unlock();
      do
      :: doze == asleep ->
endretired:
        doze != asleep
      :: doze != asleep ->
#ifdef MUTATION_1
        break
#else
        lock();
        if
        :: !retired -> unlock(); break
        :: else -> doze = asleep; unlock()
        fi
#endif
      od;
      taken = 0;
      assert(!retired)
    fi
  od
}

/* inject, wake_one: takes it off, wakes it later */
active proctype waker() {
  byte n = 0;
  do
  :: n == 2 -> break
  :: n < 2 ->
    n++;
endnobody:
    listed;
#ifdef MUTATION_3
    doze = awake;
#endif
    lock();
    if
    :: listed -> listed = 0; taken++; unlock();
#ifndef MUTATION_3
      doze = awake
#endif
    :: else -> unlock()
    fi
  od
}

/* relieve: takes it off the spares, wakes it later */
active proctype monitor() {
end:
  do
  :: retired ->
    lock();
    if
    :: retired -> retired = 0; taken++; unlock(); doze = awake
    :: else -> unlock()
    fi
  od
} /* unreached: it looks for ever */

/* attend: under keep_mu finds the keeper and sets wake_at; kicks it later */
proctype kicker(byte when) {
  mtype seen;
  bool kick;
endnobody:
  keeps;
#ifdef MUTATION_4
  seen = doze;
#endif
  atomic { kick = (keeps && wake_at > when); if :: kick -> wake_at = when; told = when :: else fi };
  if
  :: kick ->
#ifdef MUTATION_4
    atomic {
      if
      :: seen == kicked              /* what it saw before the store */
      :: seen != kicked && doze == asleep -> doze = kicked
      :: seen != kicked && doze != asleep
      fi
    }
#else
    atomic {                         /* K1: over asleep and kicked alike */
      if
      :: doze != awake -> doze = kicked
      :: else
      fi
    }
#endif
  :: else
  fi
}

/* What must be true where everything rests: who was taken off a list has run since, and a keeper that sleeps
 * has read the earliest deadline. */
active proctype observer() {
  timeout;
  assert(taken == 0);
  assert(until == 0 || until == told)
}

init { atomic { run kicker(2); run kicker(1) } }
