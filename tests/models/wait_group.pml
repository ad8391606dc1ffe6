/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the downhaul authors
 *
 * Protocol [count] of src/sync/wait_group.cpp: two tasks count down while one waiter waits plainly and another with a
 * context that may end. Each destroys what it may: as soon as the plain wait() has returned and the other is out
 * too, the group is gone, while the last done() may still be on its way. The queue's lock is not in the object.
 *
 * Proved: wait() returns only when both tasks have counted down; nobody touches the group after it has gone; every
 * wait ends; the mark waited is clear when all is over.
 *
 *  MUTATION_1  assertion: a wait that sees (0, waited) returns at once
 *  MUTATION_2  assertion: D3 comes after the waiters were notified
 *  MUTATION_3  deadlock: W3 sets the mark without looking whether the tasks are gone
 *  MUTATION_4  deadlock: W3 sets the mark after the node was linked, outside the lock
 *  MUTATION_5  assertion: D1 is a load and a store
 *  MUTATION_6  deadlock: who gives up clears the mark though another waits
 *  MUTATION_7  assertion: the lock of the queue is in the object
 */

#define WAITERS 2

bit qmu;                 /* queue_lock_of(this) */
byte tasks = 2;          /* the word: tasks and the mark; each change of both is one step */
bit waited;
bit linked[WAITERS];
bit elected[WAITERS];    /* the node won: the wait was not decided by the context */
bit given_up[WAITERS];   /* the context's node won */
bit notified[WAITERS];
byte out;                /* waits that have returned */
bit gone;                /* the group is destroyed */

inline touch() { assert(!gone) }
#ifdef MUTATION_7
inline lock() { atomic { !qmu -> touch(); qmu = 1 } }
inline unlock() { touch(); qmu = 0 }
#else
inline lock() { atomic { !qmu -> qmu = 1 } }
inline unlock() { qmu = 0 }
#endif

inline take_elected(i) {
  if
  :: linked[i] ->
    linked[i] = 0;
    atomic {
      if
      :: !given_up[i] -> elected[i] = 1; told[i] = 1
      :: else
      fi
    }
  :: else
  fi
}

inline notify_all() {
  if
  :: told[0] -> notified[0] = 1
  :: else
  fi;
  if
  :: told[1] -> notified[1] = 1
  :: else
  fi
}

active [2] proctype task() {
  bool release;
  bit told[WAITERS];
#ifdef MUTATION_5
  byte before = tasks;
  tasks = before - 1;
  release = (before == 1 && waited);
#else
  d_step { touch(); assert(tasks > 0); tasks--; release = (tasks == 0 && waited) };   /* D1 */
#endif
  if
  :: release ->
    lock();                                  /* D2 */
    touch();
    take_elected(0);
    take_elected(1);
#ifdef MUTATION_2
    notify_all();
    touch();
    waited = 0;
    unlock()
#else
    d_step { touch(); waited = 0 };          /* D3: the last touch */
    unlock();
    notify_all()
#endif
  :: else
  fi
}

/* Waiter 1 waits with a context. */
proctype waiter(byte me) {
  bool joins;
  d_step { touch(); joins = (tasks != 0 || waited) };   /* W1 */
#ifdef MUTATION_1
  joins = (tasks != 0);
#endif
  if
  :: joins ->
    lock();                                             /* W2 */
    touch();
#ifdef MUTATION_3
    waited = 1;
    linked[me] = 1;
#else
#ifdef MUTATION_4
    joins = (tasks != 0 || waited);
    if
    :: joins -> linked[me] = 1
    :: else
    fi;
#else
    atomic {                                            /* W3 */
      joins = (tasks != 0 || waited);
#ifdef MUTATION_1
      joins = (tasks != 0);
#endif
      if
      :: joins -> waited = 1
      :: else
      fi
    };
    if
    :: joins -> linked[me] = 1
    :: else
    fi;
#endif
#endif
    unlock();
#ifdef MUTATION_4
    if
    :: joins && tasks != 0 -> waited = 1
    :: else
    fi;
#endif
    if
    :: joins ->
      if
      :: notified[me] -> assert(elected[me])
      :: atomic { me == 1 && !elected[me] -> given_up[me] = 1 };    /* the context's node wins */
        lock();
        touch();
        linked[me] = 0;
        /* the last to give up clears the mark, unless a task is on its way to D3 because of it */
        atomic {
          if
#ifdef MUTATION_6
          :: tasks > 0 -> waited = 0
#else
          :: !linked[0] && !linked[1] && tasks > 0 -> waited = 0
#endif
          :: else
          fi
        };
        unlock()
      fi
    :: else
    fi
  :: else
  fi;
  assert(given_up[me] || tasks == 0);
  /* whoever is the last to be out, and knows that the tasks have ended, destroys it */
  atomic {
    out++;
    if
    :: out == WAITERS && !given_up[0] && !given_up[1] -> assert(!waited && !linked[0] && !linked[1]); gone = 1
    :: out == WAITERS && given_up[1] && me == 0 -> gone = 1
    :: else
    fi
  }
}

active proctype observer() {
  timeout;
  assert(out == WAITERS && tasks == 0 && !waited)
}

init { atomic { run waiter(0); run waiter(1) } }
