/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the downhaul authors
 *
 * Protocol [elect] of src/wait/waiter.hpp, as select and every wait with a context use it: one waiter
 * hangs a node on each of two channels and on the done of a context; two senders and a canceller race for
 * it; whoever loses keeps his value. Two waits in a row by the same waiter, to see a stale election.
 *
 * What is atomic here and there: a section under a source's lock (lock … unlock); try_win (one CAS);
 * N1 (one exchange); P1 (one CAS); the load of winner after park.
 *
 * Proved: each wait ends (no lost wake-up), by exactly one winner; a value passes iff its sender was
 * told so; nobody touches a node that is not hung; exactly one notify for each park.
 *
 *  MUTATION_1  assertion: wakers do not elect, they take whatever node they find
 *  MUTATION_2  assertion: try_win is a load and a store instead of a CAS
 *  MUTATION_3  assertion: the owner leaves the losers on their lists
 *  MUTATION_4  deadlock: who elected himself (done was closed while hanging nodes) parks all the same
 *  MUTATION_5  assertion: who found done closed returns without electing
 *  MUTATION_6  deadlock: a waker that lost the election keeps the node and gives up
 */

#define SOURCES 3 /* 0 and 1: channels; 2: the done of the context */
#define NOBODY 3
#define WAITS 2

mtype = { running, parking, parked, notified };

bit locked[SOURCES];
bit hung[SOURCES];    /* the waiter's node is on that source's list */
bit alive[SOURCES];   /* the node's memory: on the waiter's stack, from hanging to the end of the wait */
bit closed;           /* the done */
byte winner = NOBODY; /* [elect] */
mtype state = running;/* [park] */
bit runnable;         /* make_ready was called */

bit filled[SOURCES];  /* a value was moved into the node */
byte notifies;        /* of the present wait */
byte passed_on;       /* values that senders believe were taken */
byte received;
bit over;             /* the waiter waits no more */

#define lock(s) atomic { !locked[s]; locked[s] = 1 }
#define unlock(s) locked[s] = 0

/* try_win [elect], under the lock of source s; the node must still be there */
inline try_win(s, won) {
  assert(alive[s]);
#ifdef MUTATION_2
  if
  :: winner == NOBODY -> winner = s; won = true
  :: else -> won = false
  fi
#else
  atomic {
    if
    :: winner == NOBODY -> winner = s; won = true
    :: else -> won = false
    fi
  }
#endif
}

/* N1 [park] */
inline notify() {
  d_step { old = state; state = notified; notifies++; assert(notifies == 1) };
  if
  :: old == parked -> assert(!runnable); runnable = 1
  :: else
  fi;
  old = running
}

/* A sender: hands a value to whoever waits on channel s, once, or sees that nobody will come again. */
proctype sender(byte s) {
  bool won;
  mtype old = running;
  bool sent = false;
  do
  :: sent -> break
  :: over -> break
  :: !sent && hung[s] ->  /* the hint: go and look under the lock */
    lock(s);
    if
    :: !hung[s]
    :: else ->
      d_step { hung[s] = 0; won = false };  /* pop_front */
#ifdef MUTATION_1
      won = true;
#else
      try_win(s, won);
#endif
      if
      :: won -> assert(alive[s]); assert(!filled[s]); filled[s] = 1; passed_on++; sent = true
      :: else  /* a loser stays off: its select has won elsewhere */
#ifdef MUTATION_6
        -> hung[s] = 1
#endif
      fi
    fi;
    unlock(s);
    if
    :: sent -> notify()
    :: else
#ifdef MUTATION_6
      -> (false)
#endif
    fi
  od
}

/* [done]: C1 close, C2 walk. [cancel] is in cancel_and_register.pml; here one step under the lock. */
proctype canceller() {
  bool won;
  mtype old = running;
  lock(2);
  closed = 1;
  if
  :: hung[2] ->
    hung[2] = 0;
    won = false;
#ifdef MUTATION_1
    won = true
#else
    try_win(2, won)
#endif
  :: else -> won = false
  fi;
  unlock(2);
  if
  :: won -> notify()
  :: else
  fi
}

proctype waiter() {
  byte n = 0;
  bool won;
  bool decided;
  bool slept;
  do
  :: n == WAITS -> break
  :: n < WAITS ->
    n++;
    /* prepare(), P0 */
    d_step { winner = NOBODY; state = parking; notifies = 0; alive[0] = 1; alive[1] = 1; alive[2] = 1 };
    /* nodes on all channels, all locked by ascending address (select_core.cpp, wait()) */
    lock(0); lock(1);
    hung[0] = 1; hung[1] = 1;
    unlock(1); unlock(0);
    /* decided_by_watching */
    decided = false;
    lock(2);
    if
    :: closed ->
      unlock(2);
#ifdef MUTATION_5
      decided = true
#else
      try_win(2, won);  /* no lock needed: the node is our own and hangs nowhere */
      decided = won
#endif
    :: else -> hung[2] = 1; unlock(2)
    fi;
#ifdef MUTATION_4
    decided = false;
#endif
    if
    :: decided
    :: else ->
      /* P1 [park] */
      atomic {
        if
        :: state == parking -> state = parked; slept = true
        :: else -> assert(state == notified); slept = false
        fi
      };
      if
      :: slept -> runnable; runnable = 0
      :: else
      fi;
      assert(state == notified)
    fi;
    assert(winner != NOBODY);
    /* take_off_losers: every node but the winner's, each under its lock */
#ifndef MUTATION_3
    lock(0); if :: winner != 0 -> hung[0] = 0 :: else -> assert(!hung[0]) fi; unlock(0);
    lock(1); if :: winner != 1 -> hung[1] = 0 :: else -> assert(!hung[1]) fi; unlock(1);
    lock(2); if :: winner != 2 -> hung[2] = 0 :: else -> assert(!hung[2]) fi; unlock(2);
#endif
    if
    :: winner == 2 -> assert(closed); assert(!filled[0] && !filled[1])
    :: else -> assert(filled[winner]); assert(!filled[1 - winner]); received++
    fi;
    d_step { filled[0] = 0; filled[1] = 0; alive[0] = 0; alive[1] = 0; alive[2] = 0; state = running }
  od;
  over = 1;
  assert(received == passed_on)
}

init {
  atomic { run waiter(); run sender(0); run sender(1); run canceller() }
}
