/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the downhaul authors
 *
 * Protocols [caught] of src/signal/handler.hpp and [bell], [request] of src/signal/relay.cpp: a signal comes on two
 * threads while its last subscriber leaves (relay::remove: release_signal, then a request to the relay), and perhaps
 * comes back. The handler runs at any time; kernel calls are one step.
 *
 * Proved: each signal is delivered to the subscriber or meets the action that was in force before, never neither;
 * the relay sleeps only when it has nothing to do; the subscriber returns.
 * Weak memory: H1 H2 and S2 S3 are store-then-load on two words by two threads. MUTATION_1 and _2 let the load pass
 * the store, as a processor may where they are not seq_cst.
 *
 *  MUTATION_1  assertion: H2 passes H1
 *  MUTATION_2  assertion: S3 passes S2
 *  MUTATION_3  assertion: the one who leaves does not wait for handlers that are under way (S3)
 *  MUTATION_4  assertion: the relay looks for signals before it looks for requests
 *  MUTATION_5  deadlock: the relay reads the bell after it has looked
 *  MUTATION_6  deadlock: the handler rings before it sets the bit
 */

#define SIGNALS 2

bit ours = 1;            /* the kernel's action: our handler, or the former one */
bit wanted = 1;
byte inside;
bit pending;
byte bell;
bit asked;               /* parity of the request's number */
bit served;
bit request;             /* what is asked: 0 leave, 1 join */
bit linked = 1;          /* the subscriber, on the relay's list */
byte unheard;            /* signals whose bit was set and that were not delivered yet */
byte met_former;
byte heard;
bit subscribed = 1;
byte done;

active [SIGNALS] proctype signal() {
  bool mine;
  bool again = true;
  do
  :: !again -> break
  :: again ->
    again = false;
    if
    :: !ours -> d_step { met_former++; done++ }
    :: ours ->
#ifdef MUTATION_1
      mine = wanted;
      inside++;
#else
      inside++;                                  /* H1 */
      mine = wanted;                             /* H2 */
#endif
      if
      :: mine ->                                 /* H3 */
#ifdef MUTATION_6
        bell++;
        d_step { pending = 1; unheard++ };
#else
        d_step { pending = 1; unheard++ };
        bell++;
#endif
        done++
      :: else
      fi;
      inside--;                                  /* H4 */
      if
      :: !mine -> again = true                   /* do_without_us: raised anew, it meets what is in force now */
      :: else
      fi
    fi
  od
}

inline hand_over(what) {
  request = what;                                /* R1 */
  asked = 1 - asked;                             /* R2 */
  bell++;
  served == asked
}

active proctype subscriber() {
  byte seen;
  /* remove */
  ours = 0;                                      /* S1 */
#ifdef MUTATION_2
  seen = inside;
#endif
  wanted = 0;                                    /* S2 */
#ifndef MUTATION_3
#ifdef MUTATION_2
  if
  :: seen == 0
  :: seen > 0 -> inside == 0
  fi;
#else
  inside == 0;                                   /* S3 */
#endif
#endif
  hand_over(0);
  subscribed = 0;
  assert(unheard == 0);                          /* what was caught for it has been delivered */
  if
  :: true ->
    /* add */
    wanted = 1;
    ours = 1;
    subscribed = 1;
    hand_over(1)
  :: true
  fi
}

inline deliver_pending() {
  if
  :: pending && linked -> d_step { assert(subscribed); pending = 0; heard = heard + unheard; unheard = 0 }
  :: else
  fi
}

active proctype relay() {
  byte seen;
  bit number;
  do
  :: true ->
#ifndef MUTATION_5
    seen = bell;
#endif
#ifdef MUTATION_4
    deliver_pending();
    number = asked;                              /* R3 */
#else
    number = asked;                              /* R3 */
    deliver_pending();
#endif
    if
    :: number != served ->
      if
      :: request == 0 -> linked = 0
      :: else -> linked = 1; deliver_pending()
      fi;
      served = number                            /* R4 */
    :: else
    fi;
#ifdef MUTATION_5
    seen = bell;
#endif
end:
    bell != seen                                 /* the kernel compares */
  od
} /* unreached: it never ends */

active proctype observer() {
  timeout;
  done == SIGNALS && served == asked && (!subscribed || unheard == 0);
  assert(unheard == 0 && heard + met_former == SIGNALS)
}
