/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the downhaul authors
 *
 * Protocol [done] of src/wait/done_source.hpp with [cancel] of src/context/cancel.hpp: two observers are hung on
 * one done (A1 to A3) while two cancels race to close it (C1, C2). An observer is a waiter or a child: either it
 * is told by the walk, or its own maker is told that the done is closed, and does it. One observer is taken back
 * (remove) at any time, as a waiter does that another source has woken, and a child that ends by itself.
 *
 * The word's bits are one variable each, changed by one CAS on all of them (C1, A2: a step each); mu is the lock.
 *
 * Proved: every observer is told exactly once, unless it was taken back; nobody is linked to a closed list once
 * it was found empty; the one whose cancel won returns only when all that were linked have been told; the walk is
 * skipped only where the list is empty.
 *
 *  MUTATION_1  assertion: A2 does not look at closed, it only sets observed
 *  MUTATION_2  assertion: C1 is a load and a store: it loses an A2 in between
 *  MUTATION_3  assertion: add() links without setting observed
 *  MUTATION_4  assertion: add() looks at closed before it takes the lock, and sets observed by a plain store
 *  MUTATION_5  assertion: C2 takes the list without the lock
 *  MUTATION_6  assertion: C1 after C2: the word is closed when the list has been taken
 */

#define OBSERVERS 2
#define CANCELS 2

bit mu;
bit closed;               /* the word */
bit observed;
bit linked[OBSERVERS];
byte told[OBSERVERS];     /* by the walk, or by its maker */
bit removed[OBSERVERS];   /* taken back before it was told */
bit made[OBSERVERS];
byte winners;
bit walked;               /* the winning cancel has returned */

inline lock() { atomic { !mu -> mu = 1 } }
inline unlock() { mu = 0 }

proctype maker(byte o) {
  bool refused;
#ifdef MUTATION_4
  refused = closed;
#endif
  lock();                                   /* A1 */
#ifdef MUTATION_1
  observed = 1; refused = false;
#else
#ifdef MUTATION_3
  refused = closed;
#else
#ifdef MUTATION_4
  if
  :: !refused -> observed = 1
  :: else
  fi;
#else
  atomic {                                  /* A2 */
    refused = closed;
    if
    :: !closed -> observed = 1
    :: else
    fi
  };
#endif
#endif
#endif
  if
  :: refused -> unlock(); told[o]++         /* the caller tells it himself */
  :: else ->
    assert(!walked);
    linked[o] = 1;                          /* A3 */
    unlock()
  fi;
  made[o] = 1
}

/* remove(): its wait was decided otherwise */
active proctype remover() {
  bool was;
  if
  :: true -> skip
  :: true ->
    made[0];
    lock();
    was = linked[0];
    linked[0] = 0;
    unlock();
    if
    :: was -> assert(told[0] == 0); removed[0] = 1
    :: else -> assert(told[0] == 1)
    fi
  fi
}

inline walk() {
  do
  :: true ->
#ifndef MUTATION_5
    lock();
#endif
    if
    :: linked[0] -> linked[0] = 0; told[0]++
    :: !linked[0] && linked[1] -> linked[1] = 0; told[1]++
    :: !linked[0] && !linked[1] ->
#ifndef MUTATION_5
       unlock();
#endif
       break
    fi;
#ifndef MUTATION_5
    unlock()
#endif
  od
}

active [CANCELS] proctype canceller() {
  bool won;
  bool saw;
#ifdef MUTATION_6
  if
  :: observed && !closed -> walk()
  :: else
  fi;
#endif
#ifdef MUTATION_2
  won = !closed;
  saw = observed;
  if
  :: won -> closed = 1; observed = saw
  :: else
  fi;
#else
  atomic {                                  /* C1 */
    won = !closed;
    saw = observed;
    closed = 1
  };
#endif
  if
  :: won ->
    winners++;
    assert(winners == 1);
#ifndef MUTATION_6
    if
    :: saw -> walk()                        /* C2 */
    :: else -> assert(!linked[0] && !linked[1])
    fi;
#endif
    walked = 1;
    assert(!linked[0] && !linked[1])
  :: else
  fi
}

active proctype observer() {
  timeout;
  assert(made[0] && made[1]);
  assert(told[0] + removed[0] == 1);
  assert(told[1] == 1)
}

init { atomic { run maker(0); run maker(1) } }
