/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the downhaul authors
 *
 * Protocols [fire] and [ran] of include/downhaul/impl/callback.hpp (src/context/callback.cpp): a cancel takes the
 * callback off the done's list and runs it in its goroutine, while its handle stops it and goes: ~registration
 * is stop(), then leave(wait). f itself may end the handle instead; or, in place, another callback that the same
 * thread runs before this one.
 *
 * Proved: f is run or prevented, exactly once and never both; its captures are destroyed once; when the
 * destructor of the handle has returned f has ended, unless f itself called it; the object is freed once, after
 * its last touch; nobody waits for ever.
 *
 *  MUTATION_1  assertion: stop() decides by looking at the list without the lock
 *  MUTATION_2  deadlock: the run stores ended instead of exchanging it: it misses who waits
 *  MUTATION_3  deadlock: J1 is a store: it overwrites ended
 *  MUTATION_4  assertion: the run gives up its share before E1
 *  MUTATION_5  assertion: whoever stops it leaves the run's share to a run that never comes
 *  MUTATION_6  deadlock: the end of the handle, called by f itself, waits for f
 *  MUTATION_7  assertion: give_up_share looks whether one is left and then subtracts, both may see two
 *  MUTATION_8  deadlock: in place: nobody claims it; whoever takes it off the list decides that f runs
 *  MUTATION_9  assertion: in place: the run begins without claiming
 */

#define PENDING 0
#define WAITER 1
#define ENDED 2
#define CLAIMED 3

bit mu;
bit linked = 1;
byte state = PENDING;    /* [ran] */
byte shares = 2;         /* of the handle and of the pending run */
bit freed;
bit captures = 1;        /* f's, not destroyed yet */
byte runs;
bit stopped;             /* a stop() returned true */
bit in_f;
bit f_ends_handle;       /* f itself runs ~registration */
bit in_place;
bit other_ends_handle;   /* in place: another one that runs before f does it, on the same thread */
bit left;                /* the handle is gone */
bit notified;

inline lock() { atomic { !mu -> mu = 1 } }  /* the done's: not in the callback */
inline unlock() { mu = 0 }
inline touch() { assert(!freed) }
inline forget() { touch(); assert(captures); captures = 0 }

inline give_up_share() {
  touch();
#ifdef MUTATION_7
  mine = (shares == 1);
  shares = shares - 1;
  last = mine;
#else
  if
  :: shares == 1 -> last = true                            /* the caller's own: no RMW */
  :: else -> d_step { touch(); shares--; last = (shares == 0) }
  fi;
#endif
  if
  :: last -> assert(!freed && !captures); freed = 1
  :: else
  fi
}

inline claim(mine_now) {
  atomic {                                                 /* F1 */
    touch();
    if
    :: state == PENDING -> state = CLAIMED; mine_now = true
    :: else -> mine_now = false
    fi
  }
}

inline stop(prevented) {
  touch();
  prevented = false;
  if
  :: state == ENDED
  :: else ->
#ifdef MUTATION_1
    prevented = linked;
    linked = 0;
#else
    lock();
    prevented = linked;
    linked = 0;
    unlock();
#endif
    off_the_list = prevented;
#ifndef MUTATION_8
    if
    :: !prevented && in_place -> claim(prevented)
    :: else
    fi;
#endif
    if
    :: prevented ->
#ifndef MUTATION_5
      if
      :: off_the_list -> shares = 1
      :: else              /* the run's share is given up when its turn comes */
      fi;
#endif
      forget();
      state = ENDED
    :: else
    fi
  fi
}

inline leave_waiting() {
  touch();
  assert(!in_place || state != PENDING);
  if
  :: state != ENDED ->
#ifdef MUTATION_3
    state = WAITER; parks = true;
#else
    atomic {                                               /* J1 */
      touch();
      if
      :: state != ENDED -> state = WAITER; parks = true
      :: else -> parks = false
      fi
    };
#endif
    if
    :: parks -> notified                                   /* park: see park_and_wake.pml */
    :: else
    fi
  :: else
  fi;
  assert(!in_f);
  left = 1;
  give_up_share()
}

proctype handle() {
  bool prevented;
  bool off_the_list;
  bool parks;
  bool last;
  bool mine;
  /* a stop() of its own first, perhaps */
  if
  :: stop(prevented); stopped = prevented
  :: true
  fi;
  stop(prevented);
  assert(!(stopped && prevented));
  stopped = stopped || prevented;
  leave_waiting();
  assert(stopped || (runs == 1 && !in_f))
}

/* A cancel: the walk, then the run, in its goroutine or in place. */
proctype run_of_f() {
  bool taken_off;
  bool last;
  bool mine;
  bool fired;
  byte joiner;
  lock();
#ifdef MUTATION_1
  fired = linked;
  linked = 0;
  unlock();
#else
  fired = linked;
  linked = 0;
  unlock();
#endif
  taken_off = fired;
  if
  :: fired ->
    if
    :: other_ends_handle ->
      /* its stop() finds it off the list */
      lock(); assert(!linked); unlock();
#ifdef MUTATION_8
      state = WAITER;
      notified;
#else
      d_step { touch(); assert(state == PENDING); state = CLAIMED };   /* F1 */
      stopped = 1;
      forget();
      state = ENDED;
#endif
      left = 1;
      d_step { touch(); assert(shares == 2); shares-- }    /* the run has the other */
    :: !other_ends_handle
    fi;
    touch();
#ifndef MUTATION_8
#ifndef MUTATION_9
    if
    :: in_place -> claim(fired)
    :: else
    fi
#endif
#endif
  :: else
  fi;
  if
  :: fired ->
    assert(captures);
    d_step { runs++; in_f = 1; assert(runs == 1 && !stopped) };
    if
    :: f_ends_handle ->
      /* stop() finds it off the list; leave(true) finds that f itself asks, and does not wait */
      lock(); assert(!linked); unlock();
      assert(state == PENDING || state == CLAIMED);
#ifdef MUTATION_6
      state = WAITER;
      notified;
#endif
      left = 1;
      d_step { touch(); assert(shares == 2); shares-- }    /* give_up_share: the run has the other */
    :: !f_ends_handle
    fi;
    forget();
    in_f = 0;
#ifdef MUTATION_4
    give_up_share();
#endif
#ifdef MUTATION_2
    joiner = state;
    state = ENDED;
#else
    d_step { touch(); joiner = state; state = ENDED };     /* E1 */
#endif
    if
    :: joiner == WAITER -> notified = 1
    :: else
    fi;
#ifndef MUTATION_4
    give_up_share()
#endif
  :: !fired && taken_off -> give_up_share()                /* its turn has come, and it was stopped */
  :: !fired && !taken_off
  fi
}

init {
  atomic {
    if
    :: in_place = 1
    :: true
    fi;
    if
    :: f_ends_handle = 1
    :: in_place -> other_ends_handle = 1
    :: run handle()
    fi;
    run run_of_f()
  }
}

active proctype observer() {
  timeout;
  assert(left && freed && runs + stopped == 1)
}
