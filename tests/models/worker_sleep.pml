/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the downhaul authors
 *
 * Protocol [idle] of src/sched/runtime_core.hpp: two workers that look for work, sleep and are woken
 * (src/sched/idle.cpp), a thread outside that pushes ITEMS goroutines to the common queue (inject), and one
 * goroutine that a worker comes by otherwise: made ready by the clock into the worker's own slot, or stolen from
 * the ring of a third worker. That one does not give its thread back until all pushed ones have run: it stands for
 * whatever computes or blocks. So each pushed goroutine has to be run by the other worker, who must be awake.
 *
 * One step each: a section under mu_ (its inner accesses outside mu_, searching_ and size_, are steps of their
 * own); each access to searching_ and size_ outside mu_; the sleep on doze_.
 *
 * Proved: every pushed goroutine is run, without the lookout and the monitor, which only bound what a lost hint
 * about a ring costs; searching_ returns to zero; no sleeper is taken twice.
 * Weak memory: P1 P2 and F1 F2 are store-then-load on two words by two threads (Dekker). MUTATION_4 and _5 let the
 * load pass the store, as a processor may where they are not seq_cst: that is the store buffer, spelled out.
 *
 *  MUTATION_1  deadlock: who finds work of its own after it was woken goes on being counted as a searcher
 *  MUTATION_2  deadlock: only the last searcher looks, where it has found something, whether the queue has more
 *  MUTATION_3  deadlock: a worker looks at the queue, and puts itself to sleep without looking again under mu_
 *  MUTATION_4  deadlock: P2 passes P1
 *  MUTATION_5  deadlock: F2 passes F1
 */

#define ITEMS 2
#define WORKERS 2

bit mu;
byte size;                 /* size_, the length of queue_ */
byte searching;            /* searching_ */
bit searches[WORKERS];     /* pool_worker::searching_ */
bit listed[WORKERS];       /* asleep_: on sleepers_ */
bit awake[WORKERS] = 1;    /* doze_ == awake */
byte done;                 /* pushed goroutines that have run */

bit due;                   /* the clock has one for whoever serves it */
bit stealable;             /* a ring has one for whoever steals */

inline lock() { atomic { !mu -> mu = 1 } }
inline unlock() { mu = 0 }

/* pop_sleeper, under mu_. seen: what P2 read. */
inline pop_sleeper(seen, taken) {
  taken = WORKERS;
#ifndef MUTATION_4
  seen = searching;        /* P2 */
#endif
  if
  :: seen == 0 && listed[0] -> taken = 0
  :: seen == 0 && listed[1] -> taken = 1
  :: else
  fi;
  if
  :: taken < WORKERS ->
    d_step {
      assert(!searches[taken]);
      listed[taken] = 0;
      searches[taken] = 1;
      searching++
    }
  :: else
  fi
}

/* rouse, outside mu_ */
inline rouse(taken) {
  if
  :: taken < WORKERS -> awake[taken] = 1
  :: else
  fi
}

inline stop_searching() {
  if
  :: searches[me] ->
    searches[me] = 0;
    d_step { assert(searching > 0); searching--; last = (searching == 0) }  /* F1 */
  :: else -> last = false
  fi
}

/* F2: before it runs what it found. The hint sleeping_ only spares the lock. */
inline look_whether_more_waits() {
#ifndef MUTATION_5
  more = (size != 0);
#endif
  if
#ifdef MUTATION_2
  :: more && last ->
#else
  :: more ->
#endif
    lock();
#ifdef MUTATION_4
    seen = searching;
#endif
    pop_sleeper(seen, taken);
    unlock();
    rouse(taken)
  :: else
  fi
}

#define QUEUED 1  /* one of the pushed */
#define OTHER 2   /* the one that keeps its thread */

inline take_common(g) {
  if
  :: size == 0           /* a hint */
  :: size != 0 ->
    lock();
    if
    :: size > 0 -> size--; g = QUEUED
    :: else
    fi;
    unlock()
  fi
}

active [WORKERS] proctype worker() {
  byte me = _pid;
  byte g;
  byte seen;
  byte taken;
  bool last;
  bool more;
again:
  g = 0;
  /* serve_clock, then take_slot and ring_.pop */
  if
  :: atomic { due -> due = 0; g = OTHER }
  :: !due
  fi;
#ifdef MUTATION_1
  if
  :: g == OTHER -> goto work
  :: else
  fi;
#endif
  if
  :: g == 0 -> take_common(g)
  :: else
  fi;
  /* search, unless enough do */
  if
  :: g == 0 ->
    if
    :: searches[me]
    :: !searches[me] -> d_step { searches[me] = 1; searching++ }
    :: !searches[me] && searching > 0
    fi;
    if
    :: searches[me] ->
      if
      :: atomic { stealable -> stealable = 0; g = OTHER }
      :: !stealable
      fi;
      if
      :: g == 0 -> take_common(g)
      :: else
      fi
    :: else
    fi
  :: else
  fi;
#ifdef MUTATION_5
  more = (size != 0);
#endif
  stop_searching();
  if
  :: g != 0 -> look_whether_more_waits()
  :: else ->
    /* may_sleep */
#ifdef MUTATION_3
    if
    :: size != 0 -> goto again
    :: else
    fi;
    lock();
    d_step { awake[me] = 0; listed[me] = 1 };
    unlock();
#else
    lock();
    if
    :: size != 0 -> unlock(); goto again
    :: else -> d_step { awake[me] = 0; listed[me] = 1 }; unlock()
    fi;
#endif
end:
    if
    :: awake[me]
    :: due           /* the clock's keeper, by itself */
    fi;
    /* woke_up */
    lock();
    d_step { awake[me] = 1; listed[me] = 0 };
    unlock();
    goto again
  fi;
work:
  if
  :: g == QUEUED -> done++
  :: g == OTHER -> done == ITEMS
  fi;
  goto again
} /* unreached: a worker serves for ever */

/* inject(), from a thread that is no worker */
active proctype pusher() {
  byte seen;
  byte taken;
  byte n = 0;
  do
  :: n == ITEMS -> break
  :: n < ITEMS ->
    n++;
    lock();
#ifdef MUTATION_4
    seen = searching;      /* P2 */
#endif
    size++;                /* P1 */
    pop_sleeper(seen, taken);
    unlock();
    rouse(taken)
  od;
  done == ITEMS
}

active proctype other() {
  if
  :: due = 1
  :: stealable = 1
  :: true
  fi
}
