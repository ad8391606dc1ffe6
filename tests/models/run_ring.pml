/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the downhaul authors
 *
 * Protocol [ring] of src/sched/run_ring.hpp: a worker pushes ITEMS goroutines into its ring and pops some, two
 * thieves take half of it each time. The ring has two places and grows once, to four; then it is full. A thief may take
 * as long as it likes between its loads and its CAS. head and tail do not wrap here; places do.
 *
 * Proved: each goroutine is handed out exactly once, and none that was not pushed yet; the owner overwrites no
 * place that somebody will still be given.
 *
 *  MUTATION_1  assertion: S2 before S1: the tail is stored before the place
 *  MUTATION_2  assertion: T3 is a load and a store
 *  MUTATION_3  assertion: a thief reads the places after its CAS
 *  MUTATION_4  assertion: a thief reads the buffer before the tail
 *  MUTATION_5  assertion: growing copies after it has published the new buffer and the next tail
 *  MUTATION_6  assertion: the owner pops without a CAS where it believes to be alone: more than one is left
 *  MUTATION_7  assertion: the owner judges by the head that it saw at the last push whether there is room
 *              (the wrong way round: it takes two places more to be free)
 */

#define ITEMS 4
#define TURNS 1

byte head;
byte tail;
bit grown;               /* which buffer: 0: two places, 1: four */
byte small[2];           /* 0: empty, else the number of a goroutine */
byte large[4];
byte taken[5];

inline place_of(b, i, g) {
  if
  :: b == 0 -> g = small[(i) % 2]
  :: else -> g = large[(i) % 4]
  fi
}

inline hand_out(g) { d_step { assert(g != 0); taken[g]++; assert(taken[g] == 1) } }

inline store_place(i, g) {
  if
  :: grown == 0 -> small[(i) % 2] = g
  :: else -> large[(i) % 4] = g
  fi
}

inline pop() {
  h = head;                                  /* T1 */
  t = tail;
  do
  :: h == t -> break
  :: else ->
    place_of(grown, h, g);                   /* T2 */
#ifdef MUTATION_6
    if
    :: t - h > 1 -> head = h + 1; hand_out(g); break
    :: else
    fi;
#endif
    atomic {                                 /* T3 */
      if
      :: head == h -> head = h + 1; hand_out(g); break
      :: else -> h = head
      fi
    }
  od
}

active proctype owner() {
  byte n = 0;
  byte h;
  byte t;
  byte g;
  do
  :: n < ITEMS ->
    /* push */
    t = tail;
    h = head;
#ifdef MUTATION_7
    h = h + 2;
#endif
    if
    :: t - h >= 4 && grown && t >= h -> skip       /* full: to the common queue */
    :: t - h >= 2 && !grown && t >= h ->           /* grow */
#ifdef MUTATION_5
      grown = 1;
      tail = t + 1;
      large[t % 4] = n + 1;
      large[h % 4] = small[h % 2];
      large[(h + 1) % 4] = small[(h + 1) % 2];
      n++
#else
      large[h % 4] = small[h % 2];                 /* G1 */
      large[(h + 1) % 4] = small[(h + 1) % 2];
      grown = 1                                    /* G2; then the push, in the next turn */
#endif
    :: else ->
      n++;
#ifdef MUTATION_1
      tail = t + 1;
      store_place(t, n)
#else
      store_place(t, n);                           /* S1 */
      tail = t + 1                                 /* S2 */
#endif
    fi;
    atomic { h = 0; t = 0 }
  :: true -> pop(); atomic { h = 0; t = 0; g = 0 }
  :: n == ITEMS -> break
  od;
  /* what is left */
  do
  :: head == tail -> break
  :: else -> pop()
  od
}

active [2] proctype thief() {
  byte turns = 0;
  byte h;
  byte t;
  byte b;
  byte n;
  byte g;
  byte second;
  bool won;
  do
  :: turns == TURNS -> break
  :: turns < TURNS ->
    turns++;
    h = head;                                      /* T1 */
#ifdef MUTATION_4
    b = grown;
#endif
    t = tail;
#ifndef MUTATION_4
    b = grown;
#endif
    n = t - h;
    n = n - n / 2;
    if
    :: n == 0 -> n = 0
    :: n > 2 -> n = 2                              /* at most half of a ring */
    :: else
    fi;
    if
    :: n > 0 ->
#ifndef MUTATION_3
      place_of(b, h, g);                           /* T2 */
      if
      :: n == 2 -> place_of(b, h + 1, second)
      :: else -> second = 0
      fi;
#endif
#ifdef MUTATION_2
      won = (head == h);
      if
      :: won -> head = h + n
      :: else
      fi;
#else
      atomic {                                     /* T3 */
        won = (head == h);
        if
        :: won -> head = h + n
        :: else
        fi
      };
#endif
      if
      :: won ->
#ifdef MUTATION_3
        place_of(b, h, g);
        if
        :: n == 2 -> place_of(b, h + 1, second)
        :: else -> second = 0
        fi;
#endif
        hand_out(g);
        if
        :: n == 2 -> hand_out(second)
        :: else
        fi
      :: else
      fi
    :: else
    fi;
    atomic { h = 0; t = 0; b = 0; n = 0; g = 0; second = 0; won = 0 }
  od
}

active proctype observer() {
  timeout;
  assert(taken[1] && taken[2] && taken[3] && taken[4])
}
