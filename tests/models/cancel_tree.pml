/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the downhaul authors
 *
 * Protocols [child-cancel] and [child-drop] of src/context/cancel.hpp, invariants K1 to K5: the walk of a parent
 * that has been cancelled meets a child that is, at the same time, given an observer of its own, cancelled by its
 * scope, and dropped by its last owners.
 *
 * The child has two references: of the scope, which cancels before it lets go, and of a handle, whose owner may
 * hang an observer (and take it back) before he lets go. Neither handle may cancel at all where the scope was moved
 * away: then an open child dies (relay nodes do).
 * The parent has been closed (cancel_and_register.pml); here is its walk, C2, and take_child (cancel.cpp).
 *
 * Proved: the child's memory goes once, after the last touch of the walk, and never while it is on the parent's
 * list; an observer of the child is told exactly once; the child is closed once; a live child is closed when the walk
 * has returned.
 *
 *  MUTATION_1  assertion: the walk takes its reference by a plain increment, not by try_ref
 *  MUTATION_2  assertion: an open child that dies does not take the parent's lock to unlink itself
 *  MUTATION_3  assertion: a child frees its memory first and unlinks afterwards
 *  MUTATION_4  deadlock: the walk closes the child by its quick CAS though somebody observes it
 *  MUTATION_5  assertion: the walk looks at the child again after its quick CAS
 *  MUTATION_6  assertion: whoever cancels the child lets go before he has unlinked it
 *  MUTATION_7  assertion: the walk lets go of the lock between taking the child off and try_ref
 *  MUTATION_8  assertion: the last owner spares the RMW (unref_settled) though the child is open
 */

bit pmu;              /* the parent's lock */
bit nmu;              /* the child's */
bit closed;           /* the child's word */
bit observed;
bit linked = 1;       /* the child on the parent's list */
byte refs = 2;
bit freed;
bit hung;             /* an observer on the child's list */
byte told;
bit taken_back;
bit hung_once;
byte closes;
bit walked;           /* the parent's walk has returned */

inline plock() { atomic { !pmu -> pmu = 1 } }
inline punlock() { pmu = 0 }
inline nlock() { atomic { !nmu -> assert(!freed); nmu = 1 } }
inline nunlock() { nmu = 0 }
inline touch() { assert(!freed) }

/* C1 of the child: whoever it is holds a reference */
inline close(won, saw) {
  atomic {
    touch();
    won = !closed;
    saw = observed;
    if
    :: won -> closed = 1; closes++
    :: else
    fi
  }
}

inline walk_child() {
  nlock();
  if
  :: hung -> hung = 0; told++
  :: else
  fi;
  nunlock()
}

inline unlink_child() {
  plock();
  touch();
  linked = 0;
  punlock()
}

inline dispose() {
#ifdef MUTATION_3
  freed = 1;
#endif
  if
  :: closed                       /* K3: off the list */
  :: !closed ->
#ifndef MUTATION_2
    plock();
#ifdef MUTATION_3
    assert(!linked);
#endif
    linked = 0;
    punlock()
#endif
  fi;
  assert(!linked && !freed);
  assert(!hung);
  freed = 1
}

inline free_settled() {
  assert(closed && !linked && !freed && !hung);   /* K3: off the list */
  freed = 1
}

/* unref() by someone who knows it closed, and by someone who does not */
inline unref_closed() {
  d_step { touch(); assert(refs > 0); refs--; last = (refs == 0) };
  if
  :: last -> free_settled()
  :: else
  fi
}
inline unref() {
  d_step { touch(); assert(refs > 0); refs--; last = (refs == 0) };
  if
  :: last -> dispose()
  :: else
  fi
}

/* drop() of cancel_node.cpp: closed and owned means that nobody will take a new reference */
inline drop() {
  touch();
  if
  :: closed ->
    if
    :: refs == 1 -> refs = 0; free_settled()       /* unref_settled: no RMW */
    :: else -> unref_closed()
    fi
  :: !closed ->
#ifdef MUTATION_8
    if
    :: refs == 1 -> refs = 0; dispose()
    :: else -> unref()
    fi
#else
    unref()
#endif
  fi
}

active proctype scope() {
  bool won;
  bool saw;
  bool last;
  if
  :: true ->
    /* cancel_tree */
    close(won, saw);
#ifdef MUTATION_6
    drop();
#endif
    if
    :: won ->
      unlink_child();
      if
      :: saw -> walk_child()
      :: else
      fi
    :: else
    fi
  :: true
  fi;
#ifdef MUTATION_6
  if
  :: closes == 0 -> drop()
  :: else
  fi
#else
  drop()
#endif
}

active proctype handle() {
  bool last;
  bool refused;
  if
  :: true ->
    /* done_source::add: A1 to A3 */
    nlock();
    atomic {
      refused = closed;
      if
      :: !refused -> observed = 1
      :: else
      fi
    };
    if
    :: !refused -> hung = 1; hung_once = 1
    :: else
    fi;
    nunlock();
    if
    :: refused
    :: else ->
      if
      :: true -> told == 1        /* waits for it */
      :: true ->                  /* or ends otherwise: takes the node back */
        nlock();
        taken_back = hung;
        hung = 0;
        nunlock();
        assert(taken_back + told == 1)
      fi
    fi
  :: true
  fi;
  drop()
}

/* C2 of the parent: pop, take_child; then, outside, end_child */
active proctype parent() {
  bool got = false;
  bool won = false;
  bool saw;
  bool last;
  plock();
  if
  :: !linked -> punlock()
  :: linked ->
    touch();
    linked = 0;                                   /* popped */
#ifdef MUTATION_7
    punlock();
#endif
    /* take_child */
    touch();
    if
    :: closed
    :: !closed ->
      saw = observed;                             /* a hint */
      if
#ifdef MUTATION_4
      :: true ->
#else
      :: !saw ->
#endif
        atomic {                                  /* the quick CAS, its last touch of the child */
          touch();
#ifdef MUTATION_4
          won = !closed;
#else
          won = !closed && !observed;
#endif
          if
          :: won -> closed = 1; closes++
          :: else
          fi
        }
#ifndef MUTATION_4
      :: else
#endif
      fi;
      if
      :: won
#ifdef MUTATION_5
         -> touch()
#endif
      :: else ->
#ifdef MUTATION_1
        refs++; got = true
#else
        atomic {                                  /* try_ref */
          touch();
          if
          :: refs > 0 -> refs++; got = true
          :: else
          fi
        }
#endif
      fi
    fi;
#ifndef MUTATION_7
    punlock();
#endif
    if
    :: got ->
      /* end_child */
      close(won, saw);
      if
      :: won && saw -> walk_child()
      :: else
      fi;
      unref_closed()
    :: else
    fi
  fi;
  assert(closed || refs == 0);
  walked = 1
}

active proctype observer() {
  timeout;
  assert(freed && !linked && closes <= 1);
  assert(!hung_once || told + taken_back == 1)
}
