/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the downhaul authors
 *
 * Protocol [share] of src/sync/shared_mutex.cpp: two writers, one of which waits with a context that may end, and two
 * readers, one of which does. Fast ways, queues, handing over, giving up. The last of all to unlock destroys the
 * mutex at once. The queues' lock is not in the object. Each queue holds two at most, its order is kept.
 *
 * Proved: a writer is alone; every lock ends (it is had, or the context ended); a waiting writer keeps new readers out, and
 * readers that waited only for one that gave up come in; the word is 0 at the end; the last touch is what lets go.
 *
 *  MUTATION_1  deadlock: the mark queued is set outside the queues' lock, after the node was linked
 *  MUTATION_2  deadlock: the last reader leaves by the fast way though somebody waits
 *  MUTATION_3  assertion: a writer that gives up leaves the readers behind it where they are
 *  MUTATION_4  assertion: who is let in is notified before the word is his
 *  MUTATION_5  assertion: fast readers do not look at queued
 *  MUTATION_6  assertion: whoever hands over elects nobody
 *  MUTATION_7  assertion: what a writer that gives up lets in is stored, though readers may leave meanwhile
 */

#define TASKS 4
#define NOBODY 4
#define is_writer(t) (t < 2)
#define has_context(t) (t == 1 || t == 3)

/* the word: each change is one step */
bit writer;
bit queued;
byte readers;

bit qmu;
byte wq[2] = NOBODY;
bit rq2;                 /* readers_: a set will do, they come in together */
bit rq3;
bit notified[TASKS];
bit elected[TASKS];
bit given_up[TASKS];
byte writing;
byte reading;
byte left = TASKS;
bit gone;

inline touch() { assert(!gone) }
inline qlock() { atomic { !qmu -> qmu = 1 } }
inline qunlock() { qmu = 0 }
#define nobody_waits (wq[0] == NOBODY && !rq2 && !rq3)

inline enqueue() {
  d_step {
    if
    :: is_writer(me) && wq[0] == NOBODY -> wq[0] = me
    :: is_writer(me) && wq[0] != NOBODY -> wq[1] = me
    :: me == 2 -> rq2 = 1
    :: me == 3 -> rq3 = 1
    fi
  }
}

/* unlinks it if it is linked */
inline dequeue() {
  d_step {
    if
    :: wq[0] == me -> wq[0] = wq[1]; wq[1] = NOBODY
    :: wq[0] != me && wq[1] == me -> wq[1] = NOBODY
    :: me == 3 -> rq3 = 0
    :: else
    fi
  }
}

inline elect(t) {
#ifdef MUTATION_6
  elected[t] = 1; won = true
#else
  if
  :: !given_up[t] -> elected[t] = 1; won = true
  :: else -> won = false
  fi
#endif
}

/* take_elected until the queue is empty; in share the number let in. One step: nobody else sees the queues, and an
 * election that was lost stays lost. */
inline admit_readers() {
  atomic {
    share = 0;
    if
    :: rq2 -> rq2 = 0; elected[2] = 1; let2 = 1; share++
    :: else
    fi;
    if
    :: rq3 -> rq3 = 0; elect(3); let3 = won; share = share + won
    :: else
    fi
  }
}

inline admit_writer() {
  atomic {
    letw = NOBODY;
    do
    :: wq[0] == NOBODY || letw != NOBODY -> break
    :: else ->
      letw = wq[0]; wq[0] = wq[1]; wq[1] = NOBODY;
      elect(letw);
      if
      :: won
      :: else -> letw = NOBODY
      fi
    od
  }
}

inline notify_readers() {
  atomic {
    if :: let2 -> notified[2] = 1 :: else fi;
    if :: let3 -> notified[3] = 1 :: else fi;
    let2 = 0; let3 = 0; share = 0; won = 0
  }
}

inline notify_all() {
  atomic {
    notify_readers();
    if :: letw != NOBODY -> assert(!given_up[letw]); notified[letw] = 1 :: else fi;
    letw = NOBODY
  }
}

/* waits: had, or given_up[me] */
inline wait() {
  if
  :: notified[me] -> had = true
  :: atomic { has_context(me) && !elected[me] -> given_up[me] = 1 }
  fi
}

proctype task(byte me) {
  bool had = false;
  bool linked = false;
  bool won = false;
  bool let2 = false;
  bool let3 = false;
  byte letw = NOBODY;
  byte share = 0;
  byte slow;
  bool again;
  /* lock, lock_shared: the fast way */
  atomic {
    touch();
    if
    :: is_writer(me) && !writer && !queued && readers == 0 -> writer = 1; had = true
#ifdef MUTATION_5
    :: !is_writer(me) && !writer -> readers++; had = true
#else
    :: !is_writer(me) && !writer && !queued -> readers++; had = true
#endif
    :: else
    fi
  };
  if
  :: had
  :: else ->
    qlock();
    atomic {                                   /* L, or the mark */
      touch();
      if
      :: queued -> linked = true
      :: !queued && is_writer(me) && !writer && readers == 0 -> writer = 1; had = true
      :: !queued && !is_writer(me) && !writer -> readers++; had = true
      :: else -> linked = true;
#ifndef MUTATION_1
        queued = 1
#endif
      fi
    };
    if
    :: linked -> enqueue()
    :: else
    fi;
    qunlock();
#ifdef MUTATION_1
    if
    :: linked && (writer || readers > 0) -> queued = 1
    :: else
    fi;
#endif
    if
    :: linked -> wait()
    :: else
    fi
  fi;
  if
  :: given_up[me] ->
    qlock();
    touch();
    dequeue();
#ifndef MUTATION_3
    if
    :: is_writer(me) && wq[0] == NOBODY && !writer ->
#ifdef MUTATION_7
      share = readers;
      slow = share;
      admit_readers();
      d_step { readers = slow + share; queued = 0 }
#else
      admit_readers();
      d_step { queued = 0; readers = readers + share }
#endif
    :: else
    fi;
#endif
    assert(!is_writer(me) || writer || wq[0] != NOBODY || (!rq2 && (!rq3 || given_up[3])));
    qunlock();
    notify_readers()
  :: had && is_writer(me) ->
    writing++;
    assert(writing == 1 && reading == 0 && writer && readers == 0);
    writing--;
    /* unlock */
    atomic {
      touch();
      slow = queued;
      if
      :: !slow -> writer = 0                   /* U */
      :: else
      fi
    };
    if
    :: slow ->
      qlock();
      touch();
      admit_readers();
      if
      :: share == 0 -> admit_writer()
      :: else
      fi;
#ifdef MUTATION_4
      notified[2] = notified[2] || let2;
#endif
      d_step {                                 /* U: the last touch */
        writer = (letw != NOBODY);
        readers = share;
        queued = !nobody_waits
      };
      qunlock();
      notify_all()
    :: else
    fi
  :: had && !is_writer(me) ->
    reading++;
    assert(writing == 0 && !writer && readers > 0);
    reading--;
    /* unlock_shared */
    atomic {
      touch();
#ifdef MUTATION_2
      slow = false;
#else
      slow = (queued && readers == 1);
#endif
      if
      :: !slow -> readers--                    /* U */
      :: else
      fi
    };
    if
    :: slow ->
      qlock();
      atomic {
        touch();
        again = (queued && readers == 1);
        if
        :: !again -> readers--                 /* U: it is not the last any more, or nobody waits */
        :: else
        fi
      };
      if
      :: again ->
        admit_writer();
        if
        :: letw == NOBODY -> admit_readers()
        :: else
        fi;
        d_step {                               /* U: the last touch */
          writer = (letw != NOBODY);
          readers = share;
          queued = !nobody_waits
        }
      :: else
      fi;
      qunlock();
      notify_all()
    :: else
    fi
  fi;
  atomic {
    left--;
    if
    :: left == 0 -> assert(!writer && readers == 0 && nobody_waits && !queued); gone = 1
    :: else
    fi
  }
}

init { atomic { run task(0); run task(1); run task(2); run task(3) } }

active proctype observer() {
  timeout;
  assert(left == 0)
}
