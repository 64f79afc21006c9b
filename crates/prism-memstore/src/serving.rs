//! Giving values to calls that wait for them.
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

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{Ordering::SeqCst, fence};

use prism_plugin::types::{Key, Namespace};
use tokio::sync::oneshot;

use crate::leases::Place;
use crate::memory::Full;
use crate::queues::Attempt;
use crate::store::Shared;
use crate::waiters::{Given, Handed, Waiter, Wish};

/// Values on their way to their waiter.
struct OnTheirWay {
    shared: Arc<Shared>,
    place: Arc<Place>,
    given: Option<Given>,
}

impl Handed for OnTheirWay {
    fn take(mut self: Box<Self>) -> Option<Given> {
        self.given.take()
    }
}

impl Drop for OnTheirWay {
    fn drop(&mut self) {
        if let Some(given) = self.given.take() {
            self.shared.take_back(&self.place, given);
            self.shared.serve(&self.place.0, &self.place.1);
        }
    }
}

/// One waiter, which leaves its queue when dropped.
pub(crate) struct Waiting {
    shared: Arc<Shared>,
    place: Arc<Place>,
    number: u64,
    handed_over: oneshot::Receiver<Box<dyn Handed>>,
}

impl Waiting {
    /// Waits for values.
    pub(crate) async fn given(&mut self) -> Option<Given> {
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
    pub(crate) fn enter(self: &Arc<Self>, namespace: Namespace, list_key: Key, wish: Wish) -> Waiting {
        let (hand_over, handed_over) = oneshot::channel();
        let place = Arc::new((namespace, list_key));
        let number = {
            let mut queues = self.waiters.lock();
            queues.entered += 1;
            let number = queues.entered;
            let queue = queues.by_list.entry(Arc::clone(&place)).or_default();
            queue.insert(number, Box::new(Waiter { wish, hand_over }));
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
        let place = Arc::new((namespace.clone(), list_key.clone()));
        let mut dead_letters = BTreeSet::new();
        let mut queues = self.waiters.lock();
        while let Some(queue) = queues.by_list.get_mut(&place) {
            let Some((_, waiter)) = queue.first_key_value() else { break };
            let Some(given) = self.grant(&place, &waiter.wish, &mut dead_letters) else { break };
            let Some((_, waiter)) = queue.pop_first() else { break };
            if queue.is_empty() {
                queues.by_list.remove(&place);
            }
            self.waiters.count.fetch_sub(1, SeqCst);
            let shared = Arc::clone(self);
            let handed = Box::new(OnTheirWay { shared, place: Arc::clone(&place), given: Some(given) });
            if let Err(Some(given)) = waiter.hand_over.send(handed).map_err(Handed::take) {
                // It has just gone; the next one is served.
                self.take_back(&place, given);
            }
        }
        drop(queues);
        for dead_letter in &dead_letters {
            self.settle(namespace, dead_letter);
        }
    }

    /// Returns what a waiter was given to where it came from, even if the store is full: it was there before.
    fn take_back(&self, place: &Place, given: Given) {
        match given {
            Given::Value(end, value) => {
                let memory = self.memory.beyond_limit();
                let put = self.lists.write(&place.0, &memory, |lists| {
                    lists.grow(place.1.as_bytes(), &memory, |items| items.push(end, value, &memory))
                });
                debug_assert!(put.is_ok(), "there is no limit");
            }
            Given::Reserved(reserved) => self.undo(place, &reserved.lease),
            Given::Full => {}
        }
    }

    /// What a waiter is given; `None` if there is nothing.
    fn grant(&self, place: &Place, wish: &Wish, dead_letters: &mut BTreeSet<Key>) -> Option<Given> {
        match wish {
            Wish::Pop(end) => {
                let popped = self.lists.remove(&place.0, &self.memory, |lists| {
                    lists.pop(place.1.as_bytes(), *end, &self.memory)
                });
                popped.flatten().map(|value| Given::Value(*end, value))
            }
            Wish::Reserve(wanted) => {
                let Attempt { reserved, moved } = self.try_reserve(place, wanted);
                if let Some(limit) = wanted.deliveries.as_ref().filter(|_| moved) {
                    dead_letters.insert(limit.dead_letter.clone());
                }
                match reserved {
                    Ok(reserved) => reserved.map(Given::Reserved),
                    Err(Full) => Some(Given::Full),
                }
            }
        }
    }
}
