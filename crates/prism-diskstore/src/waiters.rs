//! Calls that wait for values, to pop or to reserve them: who waits for which list, in the order in which they came.
//!
//! ```text
//!            enter             serve                commit               take
//!  (caller) ───────▶ waiting ─────────▶ in a batch ────────▶ handed over ──────▶ answered
//!                       │                   │                     │
//!                       │ leave             │ not committed       │ leave
//!                       ▼                   ▼                     ▼
//!                      gone              an error        back at its end of the list, in the next batch
//! ```
//!
//! Waiters enter within a write, so that a push is either before them, and they find its value, or behind, and finds them. The
//! value is taken out of the list in the batch of the write that added it.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use prism_plugin::list::{End, Reservation, Reserved};
use prism_plugin::types::{Key, Namespace};
use prism_plugin::{Context, Error};
use tokio::sync::oneshot;

use crate::layout::retries::Call;

/// A list by its namespace and name.
pub(crate) type Place = (Namespace, Key);

/// Who waits for values.
#[derive(Default)]
pub(crate) struct Waiters {
    /// How many there are, so that a push costs nothing more while there are none.
    count: AtomicUsize,
    /// How many have ever been.
    pub(crate) entered: AtomicU64,
    queues: Mutex<HashMap<Place, BTreeMap<u64, Waiter>>>,
    /// Values whose waiters were gone.
    returned: Mutex<Vec<Returned>>,
}

/// One who waits. Its number is its place in the queue.
pub(crate) struct Waiter {
    pub(crate) number: u64,
    pub(crate) wish: Wish,
    /// Of the call that waits.
    pub(crate) context: Context,
    pub(crate) answer: oneshot::Sender<Result<Given, Error>>,
}

impl Waiter {
    /// The call that waits, if its answer is recorded.
    pub(crate) fn call(&self) -> Option<Call> {
        self.context.attempt().map(Call::of)
    }
}

/// What somebody waits for.
pub(crate) enum Wish {
    /// A value from one end.
    Pop(End),
    /// Values under a lease.
    Reserve(Reservation),
}

/// What somebody is given.
pub(crate) enum Given {
    /// A value from an end.
    Value(End, Bytes),
    /// Values under a lease.
    Reserved(Reserved),
}

/// What leaves its list for a waiter.
pub(crate) struct Handed {
    pub(crate) place: Place,
    pub(crate) waiter: Waiter,
    pub(crate) given: Given,
}

/// What goes back to where it came from.
pub(crate) struct Returned {
    pub(crate) place: Place,
    pub(crate) given: Given,
    /// The call that has waited, if its answer is recorded.
    pub(crate) call: Option<Call>,
    pub(crate) number: u64,
}

impl Waiters {
    fn queues(&self) -> MutexGuard<'_, HashMap<Place, BTreeMap<u64, Waiter>>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether anybody waits.
    pub(crate) fn are_there(&self) -> bool {
        self.count.load(Relaxed) > 0
    }

    /// Lets a waiter wait behind those who do already, unless it is gone.
    pub(crate) fn enter(&self, place: Place, waiter: Waiter) {
        let mut queues = self.queues();
        // It leaves its queue once its end of the channel is closed, and needs the lock for that.
        if !waiter.answer.is_closed() {
            self.count.fetch_add(1, Relaxed);
            queues.entry(place).or_default().insert(waiter.number, waiter);
        }
    }

    pub(crate) fn leave(&self, place: &Place, number: u64) {
        let mut queues = self.queues();
        let Some(queue) = queues.get_mut(place) else { return };
        if queue.remove(&number).is_some() {
            self.count.fetch_sub(1, Relaxed);
        }
        if queue.is_empty() {
            queues.remove(place);
        }
    }

    /// Takes the next of those who wait for a list and have not gone.
    pub(crate) fn next(&self, place: &Place) -> Option<Waiter> {
        let mut queues = self.queues();
        let queue = queues.get_mut(place)?;
        let mut next = None;
        while let Some((_, waiter)) = queue.pop_first() {
            self.count.fetch_sub(1, Relaxed);
            if !waiter.answer.is_closed() {
                next = Some(waiter);
                break;
            }
        }
        if queue.is_empty() {
            queues.remove(place);
        }
        next
    }

    /// The step that took values for these waiters was undone: they wait on.
    pub(crate) fn return_to_their_place(&self, handed: impl Iterator<Item = Handed>) {
        for Handed { place, waiter, .. } in handed {
            self.enter(place, waiter);
        }
    }

    /// The batch was committed, or not: hands the values over.
    pub(crate) fn hand_over(&self, handed: Vec<Handed>, committed: &Result<(), Error>) {
        for Handed { place, waiter, given } in handed {
            let call = waiter.call();
            let Waiter { number, answer, .. } = waiter;
            match committed {
                // Nobody may wait any more.
                Err(error) => drop(answer.send(Err(error.clone()))),
                Ok(()) => {
                    if let Err(Ok(given)) = answer.send(Ok(given)) {
                        self.give_back([Returned { place, given, call, number }]);
                    }
                }
            }
        }
    }

    /// Keeps values until the next batch puts them back.
    pub(crate) fn give_back(&self, returned: impl IntoIterator<Item = Returned>) {
        self.returned.lock().unwrap_or_else(PoisonError::into_inner).extend(returned);
    }

    /// Whether values wait to go back.
    pub(crate) fn have_returned(&self) -> bool {
        !self.returned.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// The values that go back, in the order in which they must: the last one that was taken first.
    pub(crate) fn returned(&self) -> Vec<Returned> {
        let mut returned = std::mem::take(&mut *self.returned.lock().unwrap_or_else(PoisonError::into_inner));
        returned.sort_unstable_by_key(|returned| std::cmp::Reverse(returned.number));
        returned
    }
}
