//! Pops that wait: each looks every few milliseconds whether it is its turn.

use std::time::{Duration, Instant};

use bytes::Bytes;
use prism_plugin::list::{End, List, ListBlocking};
use prism_plugin::types::{Key, Namespace};
use prism_plugin::{Context, Error};

use super::{Memory, Place};

pub(super) const LOOK_EVERY: Duration = Duration::from_millis(3);

/// A waiter's place in the queue of its list, which it leaves when dropped.
pub(super) struct Ticket<'a> {
    memory: &'a Memory,
    pub(super) place: Place,
    number: u64,
    pub(super) ended: bool,
}

impl<'a> Ticket<'a> {
    /// Enters the queue of a list, at its end or in front.
    pub(super) fn enter(memory: &'a Memory, place: Place, in_front: bool) -> Self {
        let mut store = memory.store();
        store.writes += 1;
        let number = store.writes;
        let queue = store.waiting.entry(place.clone()).or_default();
        if in_front {
            queue.push_front(number)
        } else {
            queue.push_back(number)
        }
        drop(store);
        Self { memory, place, number, ended: false }
    }

    pub(super) fn is_first(&self) -> bool {
        let store = self.memory.store();
        store.waiting.get(&self.place).and_then(|queue| queue.front()) == Some(&self.number)
    }

    /// Whether what comes next is lost if it has not ended.
    fn is_greedy(&self) -> bool {
        let memory = self.memory;
        memory.breaks_at("list-blocking/gone-waiter-takes-nothing", &self.place.1)
            || memory.breaks_at("list-reserve/gone-waiter-reserves-nothing", &self.place.1)
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let is_greedy = self.is_greedy() && !self.ended;
        let mut store = self.memory.store();
        if is_greedy {
            store.losing.insert(self.place.clone());
        }
        let queue = store.waiting.entry(self.place.clone()).or_default();
        queue.retain(|number| *number != self.number);
    }
}

impl ListBlocking for Memory {
    async fn blocking_pop(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        mut end: End,
        mut wait: Duration,
    ) -> Result<Option<Bytes>, Error> {
        if self.breaks("list-blocking/takes-what-is-there") && list_key.ends_with("is-there/l") {
            end = End::Left;
        }
        if self.breaks("list-blocking/waits-for-a-value") && wait > Duration::from_secs(10) {
            wait = if list_key.contains("list-blocking/waits-for") { Duration::ZERO } else { wait };
        }
        if self.breaks("list-blocking/wait-ends") {
            wait /= 10;
        }
        let in_front = self.breaks("list-blocking/waiters-are-served-in-order");
        let mut ticket = Ticket::enter(self, self.place(&namespace, &list_key), in_front);
        let until = Instant::now() + wait;
        loop {
            if ticket.is_first()
                && let Some(value) = self.pop(context, namespace.clone(), list_key.clone(), end).await?
            {
                ticket.ended = true;
                return Ok(Some(value));
            }
            if Instant::now() >= until {
                ticket.ended = true;
                return Ok(None);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}
