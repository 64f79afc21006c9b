//! Pops that wait for a value: who waits for which list, in the order in which they came.
//!
//! ```text
//!            enter             serve                 take
//!  (caller) ───────▶ waiting ─────────▶ handed over ──────▶ answered
//!                       │                    │
//!                       │ leave              │ leave
//!                       ▼                    ▼
//!                      gone         back at its end of the list, for the next waiter
//! ```
//!
//! A waiter enters before it looks at the list for the last time, and a push looks for waiters after it has added its value; so one of
//! the two sees the other. The lock of the waiters is taken before those of lists, never under one.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use prism_plugin::list::End;
use prism_plugin::types::{Key, Namespace};
use tokio::sync::oneshot;

use crate::store::Shared;

/// A list by its namespace and name.
type Place = (Namespace, Key);

/// Who waits for values.
#[derive(Default)]
pub(crate) struct Waiters {
    /// How many there are, so that a push costs nothing more while there are none.
    count: AtomicUsize,
    queues: Mutex<Queues>,
}

#[derive(Default)]
struct Queues {
    by_list: HashMap<Place, BTreeMap<u64, Waiter>>,
    entered: u64,
}

struct Waiter {
    end: End,
    hand_over: oneshot::Sender<Handed>,
}

impl Waiters {
    fn lock(&self) -> MutexGuard<'_, Queues> {
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

/// A value on its way to its waiter. It returns to its list unless it is taken.
struct Handed {
    shared: Arc<Shared>,
    place: Place,
    end: End,
    value: Option<Bytes>,
}

impl Handed {
    fn take(mut self) -> Option<Bytes> {
        self.value.take()
    }
}

impl Drop for Handed {
    fn drop(&mut self) {
        if let Some(value) = self.value.take() {
            self.shared.put_back(&self.place, self.end, &value);
            self.shared.serve(&self.place.0, &self.place.1);
        }
    }
}

/// One waiter, which leaves its queue when dropped.
pub(crate) struct Waiting {
    shared: Arc<Shared>,
    place: Place,
    number: u64,
    handed_over: oneshot::Receiver<Handed>,
}

impl Waiting {
    /// Waits for a value.
    pub(crate) async fn value(&mut self) -> Option<Bytes> {
        (&mut self.handed_over).await.ok().and_then(Handed::take)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let left = {
            let mut queues = self.shared.waiters.lock();
            let Some(queue) = queues.by_list.get_mut(&self.place) else { return };
            let left = queue.remove(&self.number);
            if queue.is_empty() {
                queues.by_list.remove(&self.place);
            }
            left
        };
        if left.is_some() {
            self.shared.waiters.count.fetch_sub(1, SeqCst);
        }
    }
}

impl Shared {
    /// Lets a caller wait behind those who do already, and serves them all as far as there are values.
    pub(crate) fn enter(self: &Arc<Self>, namespace: Namespace, list_key: Key, end: End) -> Waiting {
        let (hand_over, handed_over) = oneshot::channel();
        let place = (namespace, list_key);
        let number = {
            let mut queues = self.waiters.lock();
            queues.entered += 1;
            let number = queues.entered;
            queues.by_list.entry(place.clone()).or_default().insert(number, Waiter { end, hand_over });
            self.waiters.count.fetch_add(1, SeqCst);
            number
        };
        fence(SeqCst);
        self.serve(&place.0, &place.1);
        Waiting { shared: Arc::clone(self), place, number, handed_over }
    }

    /// Hands the values of a list to those who wait for it.
    pub(crate) fn serve(self: &Arc<Self>, namespace: &Namespace, list_key: &Key) {
        if !self.waiters.are_there() {
            return;
        }
        let place = (namespace.clone(), list_key.clone());
        let mut queues = self.waiters.lock();
        while let Some(queue) = queues.by_list.get_mut(&place) {
            let Some((number, waiter)) = queue.pop_first() else { break };
            let popped = self.lists.remove(namespace, &self.memory, |lists| {
                lists.pop(list_key.as_bytes(), waiter.end, &self.memory)
            });
            let Some(value) = popped.flatten() else {
                queue.insert(number, waiter);
                break;
            };
            if queue.is_empty() {
                queues.by_list.remove(&place);
            }
            self.waiters.count.fetch_sub(1, SeqCst);
            let end = waiter.end;
            let handed = Handed { shared: Arc::clone(self), place: place.clone(), end, value: Some(value) };
            if let Err(Some(value)) = waiter.hand_over.send(handed).map_err(Handed::take) {
                // It has just gone; the next one is served.
                self.put_back(&place, end, &value);
            }
        }
    }

    /// Returns a value to the end of the list that it came from, even if the store is full: it was there before.
    fn put_back(&self, (namespace, list_key): &Place, end: End, value: &[u8]) {
        let memory = self.memory.beyond_limit();
        let put = self.lists.write(namespace, &memory, |lists| lists.push(list_key, end, value, &memory));
        debug_assert!(put.is_ok(), "there is no limit");
    }
}
