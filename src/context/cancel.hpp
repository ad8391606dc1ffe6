// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// context/cancel.hpp — ending a context and everything linked below it.
//
// Idea       Set the word; then take the observers off the list in batches under this node's lock;
//            then, outside, wake the waiters, end the children that need more than their word set,
//            and last start the callbacks. A work list replaces recursion.
// Cost       A child without observers: a list removal and one CAS. No allocation, nothing throws.
//
// Invariants (of a node n below parent p; "p's lock" is the lock of the done that n hangs on)
//   K1  n's word changes from open to closed once; the record is there before it.
//   K2  n's link is touched under p's lock only. Once off p's list it never comes back.
//   K3  whoever closes n holds a reference to it until n is off p's list and has settled. The only
//       exception is p's own walk: it takes n off first, and the CAS that closes n is its last touch.
//   K4  n's memory goes only after n, if its word was still open, has been unlinked under p's lock.
//   K5  nobody holds two nodes' locks.
//
// [cancel]   child is made:  R1 link, under p's lock, unless p's word is closed
//            p is cancelled: C1 close the word; C2 under p's lock take the list, until it is empty
//   done_source::add looks at p's word under p's lock: R1 is refused after C1 (then the maker ends
//   the child with p's record itself), or the link is there before C2 gets the lock. No child is
//   missed, none is linked to a closed list after it was found empty.
//
// [child-cancel]  n's own cancel during p's walk
//   n: close, walk, unlink under p's lock.  p: pop n under p's lock, then CAS or try_ref.
//   One of the two CASes wins (K1). n's unlink waits for p's lock at most for one batch, holding no
//   lock (K5): no deadlock. It finds n off the list, or takes it off. p touches n after popping it
//   only while it holds p's lock, which n's unlink needs before its canceller lets go (K3), or with
//   a reference.
//
// [child-drop]  n's last reference goes during p's walk
//   n's dispose: word open → take p's lock, unlink, free (K4). It blocks while p is at n. If p popped n
//   first: p's quick CAS makes the word closed and touches n no more, so whether dispose then sees
//   closed (frees at once) or waited for the lock (finds itself unlinked), the memory outlives p's
//   last touch. If p needs a reference, try_ref fails on a count of zero, under p's lock, and p lets
//   go of n. A word that is closed at dispose means off the list, by K3.
//
// [arm-then-look]  a timer is armed, or an arm of a merge hung, on a node that may close meanwhile
//   maker: T1 arm; T2 load the word, take back if closed.   closer: U1 close; U2 settle takes back.
//   Both T1 and U2 take the same lock. U2 before T1: then U1 is before T2 and T2 sees it. Else U2
//   finds the arm. Taking back twice is harmless.
//
// Models  [cancel]: tests/models/cancel_and_register.pml. [child-cancel], [child-drop] and K1 to K4:
//   cancel_tree.pml. [arm-then-look]: arm_then_look.pml.
#pragma once

#include <cstdint>

#include "context/cancel_node.hpp"

namespace downhaul::impl {

enum class canceller : std::uint8_t {
  user,   // user code, which may run callbacks here
  clock,  // a timer: user code goes to a goroutine
  stop,  // a goroutine in a callback of a std::stop_source, where it must not wait: user code goes to
         // another, but what the user has hung on a std::stop_token
};

/// Tells everything on the list of `n`, which is closed, and ends what is linked below.
void walk_from(cancel_node& n, canceller from) noexcept;

/// Ends `n` and everything linked below it. The caller holds a reference. False: it had ended.
inline bool cancel_tree(cancel_node& n, const end_record& why, canceller from) noexcept {
  bool observed = false;
  if (!n.close(why, 0, observed)) return false;
  n.unlink();
  if (!n.plain()) n.settle();
  if (observed) walk_from(n, from);
  return true;
}

/// Gives up a reference where no user code may run: if it is the last one, a goroutine does it.
void unref_elsewhere(cancel_node& n) noexcept;
/// The same, wherever this is.
void unref_on_goroutine(cancel_node& n) noexcept;

}  // namespace downhaul::impl
