/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the downhaul authors
 *
 * Protocols [deadline] of src/time/clock_state.hpp and [watch] of src/time/watch.hpp: who looks at the clock. Two threads
 * arm a timer each, while another comes due (attend), an idle worker becomes the clock's keeper and may leave again (try_keep,
 * stop_keeping), the watch stands in (cover, run). How the keeper takes its kick: worker_doze.pml. Time stands still:
 * the question is only whether somebody sleeps to the first deadline at the latest. The watch's grace is left out.
 *
 * Proved: when all rest, the keeper or the watch wakes by the first deadline.
 * Weak memory: both protocols are store-then-load on two words by two threads. MUTATION_1 and _3 let the load
 * pass the store, as a processor may where they are not seq_cst.
 *
 *  MUTATION_1  assertion: A2 [deadline] passes A1: when it looks is read before the deadline is stored
 *  MUTATION_2  assertion: a keeper that leaves does not tell the watch
 *  MUTATION_3  assertion: L2 [watch] passes L1: the watch does not look again before it sleeps
 *  MUTATION_4  assertion: the watch reads its bell only before it sleeps, not before it looks
 *  MUTATION_5  assertion: attend looks for the keeper, and sets its time, without keep_mu
 *  MUTATION_6  assertion: cover stores its time without an exchange, and rings only if it brought it forward
 */

#define NEVER 9
#define ALWAYS 0

bit smu;                 /* the shard's */
byte next = 1;           /* timer_shard::next [deadline]; at first one timer is armed, for 1 */
byte armed = NEVER;      /* the first of the others */
byte look_at = NEVER;    /* clock_state::look_at [deadline] */
bit keep_mu;
bit keeper;              /* current_keeper */
byte wake_at = NEVER;    /* keeper::wake_at */
bit kicked;
byte until = NEVER;      /* to when the keeper sleeps, while it does */

byte watch_at = NEVER;   /* watch_state::look_at [watch] */
byte bell;
byte watch_until = NEVER;/* to when the watch sleeps, while it does */

inline slock() { atomic { !smu -> smu = 1 } }
inline sunlock() { smu = 0 }
inline klock() { atomic { !keep_mu -> keep_mu = 1 } }
inline kunlock() { keep_mu = 0 }

/* watch::cover */
inline cover(when) {
  at = watch_at;                                      /* A2 [watch] */
  do
  :: at <= when -> break
  :: at > when ->
#ifdef MUTATION_6
    watch_at = when;
    if
    :: at == NEVER -> bell++
    :: else
    fi;
    break
#else
    atomic {
      if
      :: watch_at == at -> watch_at = when; rings = true
      :: else -> at = watch_at; rings = false
      fi
    };
    if
    :: rings -> bell++; break                         /* and the futex */
    :: else
    fi
#endif
  od
}

proctype armer(byte when) {
  byte at;
  bool rings;
  bool look;
  bool kick = false;
#ifdef MUTATION_1
  byte seen = look_at;
#endif
  slock();
  armed = (when < armed -> when : armed);
  if
  :: when < next -> next = when; look = true          /* A1 [deadline] */
  :: else -> look = false
  fi;
  sunlock();
  if
  :: look ->
    /* attend */
#ifdef MUTATION_1
    if
    :: seen <= when -> look = false
    :: else
    fi
#else
    if
    :: look_at <= when -> look = false                /* A2 [deadline] */
    :: else
    fi
#endif
  :: else
  fi;
  if
  :: look ->
#ifndef MUTATION_5
    klock();
#endif
    if
    :: keeper ->
      if
      :: wake_at <= when
      :: else -> wake_at = when; look_at = when; kick = true
      fi;
      look = false
    :: else
    fi;
#ifndef MUTATION_5
    kunlock();
#endif
    if
    :: kick -> kicked = 1
    :: else
    fi;
    if
    :: look -> cover(when)
    :: else
    fi
  :: else
  fi
}

active proctype idle_worker() {
  byte turns = 0;
  byte mine;
  byte again;
  byte at;
  bool rings;
  do
  :: turns == 2 -> break
  :: turns < 2 ->
    turns++;
    /* try_keep */
    klock();
    kicked = 0;
    keeper = 1;
    mine = next;
    do
    :: true ->
      wake_at = mine;
      look_at = mine;                                 /* L1 */
      again = next;                                   /* L2 */
      if
      :: again >= mine -> break
      :: else -> mine = again
      fi
    od;
    kunlock();
    /* it sleeps, until it is kicked, roused, or times out: then it reads wake_at again, or leaves */
    do
    :: true ->
      until = wake_at;
endasleep:
      if
      :: atomic { kicked -> kicked = 0; until = NEVER }
      :: until = NEVER; break
      fi
    od;
    /* stop_keeping */
    klock();
    keeper = 0;
    wake_at = NEVER;
    look_at = NEVER;                                  /* L1 */
    kunlock();
#ifndef MUTATION_2
    again = next;                                     /* L2, on behalf of whoever looks next */
    if
    :: again != NEVER -> cover(again)
    :: else
    fi;
    atomic { again = 0; at = 0; rings = 0; mine = 0 };
#endif
    /* serve_clock: the one for 1 is due */
    slock();
    next = armed;
    sunlock()
  od
}

inline wanted_look(w) {
  w = next;                                           /* L2 */
  if
  :: w != NEVER && look_at <= w -> w = NEVER
  :: else
  fi
}

active proctype watch() {
  byte heard;
  byte want;
  byte again;
  do
  :: true ->
    heard = bell;
    watch_at = ALWAYS;                                /* L1 [watch] awake */
    wanted_look(want);
    watch_at = want;                                  /* L1 [watch] */
#ifndef MUTATION_3
    wanted_look(again);                               /* L2 [watch] */
    if
    :: again < want -> skip
    :: else ->
#endif
#ifdef MUTATION_4
      heard = bell;
#endif
      watch_until = want;
end:
      bell != heard;                                  /* the kernel compares */
      watch_until = NEVER
#ifndef MUTATION_3
    fi;
    atomic { again = 0; want = 0; heard = 0 }
#endif
  od
} /* unreached: it never ends */

init { atomic { run armer(3); run armer(2) } }

active proctype observer() {
  timeout;
  assert(until <= next || watch_until <= next)
}
