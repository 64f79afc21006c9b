//! Calls that wait for values, to pop or to reserve them: who waits for which list, in the order in which they came.
//!
//! What they are given, and when, is up to `serving`.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prism_plugin::list::{End, Reservation, Reserved};
use prism_plugin::types::{Key, Namespace};
use tokio::sync::oneshot;

use crate::leases::Place;
use crate::value::Value;

/// Who waits for values.
#[derive(Default)]
pub(crate) struct Waiters {
    /// How many there are, so that a push costs nothing more while there are none.
    pub(crate) count: AtomicUsize,
    queues: Mutex<Queues>,
}

#[derive(Default)]
pub(crate) struct Queues {
    /// Boxed, because a node of the tree has room for eleven, and most lists have one.
    pub(crate) by_list: HashMap<Arc<Place>, BTreeMap<u64, Box<Waiter>>>,
    pub(crate) entered: u64,
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
    Value(End, Value),
    Reserved(Reserved),
    /// A refusal: there is no room for the lease.
    Full,
}

/// Values on their way to their waiter. They return to their list unless they are taken.
pub(crate) trait Handed: Send {
    fn take(self: Box<Self>) -> Option<Given>;
}

pub(crate) struct Waiter {
    pub(crate) wish: Wish,
    pub(crate) hand_over: oneshot::Sender<Box<dyn Handed>>,
}

impl Waiters {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether somebody may wait, as of what was written before.
    pub(crate) fn are_there(&self) -> bool {
        fence(SeqCst);
        self.count.load(SeqCst) > 0
    }

    /// Whether somebody waits for this list.
    pub(crate) fn wait_for(&self, namespace: &Namespace, list_key: &Key) -> bool {
        self.are_there() && self.lock().by_list.contains_key(&(namespace.clone(), list_key.clone()))
    }
}
