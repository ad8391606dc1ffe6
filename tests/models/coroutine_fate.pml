/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the downhaul authors
 *
 * Protocol [fate] of src/sched/coroutine.hpp: a coroutine of somebody else's waits on two sources by a
 * ticket; two wakers race for it, and it is destroyed at any moment. Who resumes it and who destroys it
 * are on one executor, as the program has to see to.
 *
 * What is atomic here and there: a section under a source's lock; the election (one CAS); M1 and R1
 * (one CAS each); D1 (one exchange).
 *
 * Proved: a node is touched only while the frame is there; the handle is resumed only while the frame is
 * there, and once; the ticket is given back exactly once, after the last touch; a value that arrived is
 * received or destroyed; nobody waits for ever.
 *
 *  MUTATION_1  assertion: the destroyer takes the nodes off without electing nobody first
 *  MUTATION_2  assertion: the destroyer that saw waiting does not wait for M1
 *  MUTATION_3  deadlock: M1 is a load and a store instead of a CAS
 *  MUTATION_4  assertion: the resumer does not claim the ticket
 *  MUTATION_5  deadlock: M1 fails and the destroyer is not told
 *  MUTATION_6  assertion: the destroyer leaves the losers on their lists
 *  MUTATION_7  assertion: the destroyer that saw ready gives the ticket back himself
 */

#define SOURCES 2
#define NONE 2   /* nobody has won yet */
#define NOBODY 3 /* the destroyer has */

mtype = { waiting, ready, resumed, abandoned };

bit locked[SOURCES];
bit hung[SOURCES];  /* the node is on that source's list */
byte winner = NONE; /* [elect] */
mtype fate = waiting;
bit executor;       /* its lock: one thing runs there at a time */

bit frame = 1;      /* the coroutine's, with the nodes in it */
bit ticket = 1;     /* taken, and not given back */
bit queued;         /* the ticket is on its way to the resumer */
bit told;           /* the destroyer's waiter is notified */
bit filled;         /* a value was moved into the winner's node */
bit ran;            /* the coroutine went on */
byte leaving = SOURCES; /* wakers that may still come */

#define lock(s) atomic { !locked[s]; locked[s] = 1 }
#define unlock(s) locked[s] = 0

inline give_ticket() { d_step { assert(ticket); ticket = 0 } }

proctype waker(byte s) {
  bool won;
  mtype old;
  lock(s);
  if
  :: hung[s] ->
    d_step { assert(frame); hung[s] = 0 };  /* pop_front */
    atomic {
      assert(ticket);
      if
      :: winner == NONE -> winner = s; won = true
      :: else
      fi
    }
  :: else
  fi;
  unlock(s);
  if
  :: won ->
    d_step { assert(frame); assert(!filled); filled = 1 };
    /* M1 */
#ifdef MUTATION_3
    old = fate;
    fate = ready;
#else
    atomic {
      assert(ticket);
      old = fate;
      if
      :: fate == waiting -> fate = ready
      :: else
      fi
    };
#endif
    if
    :: old == waiting -> queued = 1
    :: else ->
      assert(old == abandoned);
#ifndef MUTATION_5
      told = 1
#endif
    fi
  :: else
  fi;
  leaving--
}

/* The executor runs what was posted to it. */
proctype resumer() {
  bool claimed;
  do
  :: queued ->
    atomic { !executor; executor = 1 };
    /* R1 */
    atomic {
      assert(ticket);
      if
      :: fate == ready -> fate = resumed; claimed = true
      :: else -> assert(fate == abandoned)
      fi
    };
#ifdef MUTATION_4
    claimed = true;
#endif
    if
    :: claimed ->
      d_step { assert(frame); assert(!ran); assert(filled); ran = 1; filled = 0 };
      /* end_wait, and the loser off its list */
      if :: winner != 0 -> lock(0); hung[0] = 0; unlock(0) :: else fi;
      if :: winner != 1 -> lock(1); hung[1] = 0; unlock(1) :: else fi;
      give_ticket();
      frame = 0
    :: else -> give_ticket()
    fi;
    executor = 0;
    break
  :: !queued && leaving == 0 && !frame -> break  /* destroyed before anybody won, or he has told */
  od
}

proctype destroyer() {
  bool mine;
  mtype old;
  atomic { !executor; executor = 1 };
  if
  :: ran
  :: else ->
    /* stop_waiting */
#ifdef MUTATION_1
    mine = (winner == NONE);
#else
    atomic {
      if
      :: winner == NONE -> winner = NOBODY; mine = true
      :: else
      fi
    };
#endif
#ifndef MUTATION_6
    if :: winner != 0 -> lock(0); hung[0] = 0; unlock(0) :: else fi;
    if :: winner != 1 -> lock(1); hung[1] = 0; unlock(1) :: else fi;
#endif
    /* give_wait_up */
    if
    :: mine -> give_ticket()
    :: else ->
      d_step { old = fate; fate = abandoned };  /* D1 */
      if
      :: old == waiting ->
#ifndef MUTATION_2
        told;
#endif
        give_ticket()
      :: else ->
        assert(old == ready);
#ifdef MUTATION_7
        give_ticket()
#endif
      fi;
      d_step { assert(filled); filled = 0 }  /* what arrived is destroyed */
    fi;
    frame = 0
  fi;
  executor = 0
}

init {
  atomic {
    hung[0] = 1;
    hung[1] = 1;
    run waker(0);
    run waker(1);
    run resumer();
    run destroyer()
  };
  _nr_pr == 1;
  assert(!ticket);
  assert(!frame);
  assert(!filled);
  assert(!hung[0] && !hung[1])
}
