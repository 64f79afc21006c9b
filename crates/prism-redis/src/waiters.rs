//! Who waits for values of which list, in the order in which they came.
//!
//! ```text
//!            enter             next                hand over                take
//!  (caller) ───────▶ waiting ────────▶ being served ─────────▶ handed over ──────▶ answered
//!                       │  ▲                │                        │
//!                       │  └────────────────┘ put back: no value     │ leave
//!                       ▼ leave                                      ▼
//!                      gone                     back to whoever serves the list
//! ```
//!
//! Each list that somebody waits for is served by one task: see `dispatch`. It exists for as long as the list's queue.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use prism_plugin::Error;
use prism_plugin::list::End;
use tokio::sync::{Notify, Semaphore, oneshot};

/// Who waits, by list.
#[derive(Debug)]
pub(crate) struct Waiters {
    queues: Mutex<HashMap<String, Queue>>,
    /// How many have ever been.
    entered: AtomicU64,
    /// A permit for each connection that watches a list.
    pub(crate) connections: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: BTreeMap<u64, Waiter>,
    /// Whether one is being served.
    is_serving: bool,
    /// Told when somebody enters while nobody waits.
    arrival: Arc<Notify>,
}

/// What a waiter gets: a value or none, or why neither is known.
type Answer = Result<Option<Handed>, Error>;

/// One waiter as the task sees it that serves its list.
#[derive(Debug)]
pub(crate) struct Waiter {
    number: u64,
    pub(crate) end: End,
    /// Whether it stays if the list is empty.
    pub(crate) stays: bool,
    answer: oneshot::Sender<Answer>,
}

/// A value on its way to its waiter. It returns to whoever handed it over unless it is taken.
#[derive(Debug)]
struct Handed {
    value: Option<Bytes>,
    returned: Option<oneshot::Sender<Bytes>>,
}

impl Handed {
    fn take(mut self) -> Option<Bytes> {
        self.value.take()
    }
}

impl Drop for Handed {
    fn drop(&mut self) {
        if let (Some(value), Some(returned)) = (self.value.take(), self.returned.take()) {
            let _ = returned.send(value);
        }
    }
}

impl Waiter {
    /// Hands a value over; the value if it is not taken.
    pub(crate) async fn hand_over(self, value: Bytes) -> Option<Bytes> {
        let (returned, back) = oneshot::channel();
        let handed = Handed { value: Some(value), returned: Some(returned) };
        // What cannot be sent is dropped here, and returns.
        drop(self.answer.send(Ok(Some(handed))));
        back.await.ok()
    }

    /// Tells it that there is no value, or why that is not known.
    pub(crate) fn end(self, outcome: Result<(), Error>) {
        let _ = self.answer.send(outcome.map(|()| None));
    }
}

impl Waiters {
    /// So many lists may be watched at once.
    pub(crate) fn new(connections_max: usize) -> Arc<Self> {
        let connections = Arc::new(Semaphore::new(connections_max));
        Arc::new(Self { queues: Mutex::default(), entered: AtomicU64::new(0), connections })
    }

    fn queues(&self) -> MutexGuard<'_, HashMap<String, Queue>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether somebody waits for a list.
    pub(crate) fn wait_for(&self, list: &str) -> bool {
        let queues = self.queues();
        queues.get(list).is_some_and(|queue| queue.is_serving || !queue.waiting.is_empty())
    }

    /// Lets a caller wait behind those who do already. If nobody serves the list, the caller must see to it, and is told how
    /// arrivals are announced.
    pub(crate) fn enter(
        self: &Arc<Self>,
        list: &str,
        end: End,
        stays: bool,
    ) -> (Waiting, Option<Arc<Notify>>) {
        let (answer, answered) = oneshot::channel();
        let mut queues = self.queues();
        let is_served = queues.contains_key(list);
        let queue = queues.entry(list.to_owned()).or_default();
        // Unique among all queues: one that left late must not take another with it.
        let number = self.entered.fetch_add(1, Relaxed);
        if is_served && queue.waiting.is_empty() {
            queue.arrival.notify_one();
        }
        queue.waiting.insert(number, Waiter { number, end, stays, answer });
        let unserved = (!is_served).then(|| Arc::clone(&queue.arrival));
        drop(queues);
        (Waiting { waiters: Arc::clone(self), list: list.to_owned(), number, answered }, unserved)
    }

    /// The next waiter, which is being served from now on; only one at that end, if an end is given.
    pub(crate) fn next(&self, list: &str, end: Option<End>) -> Option<Waiter> {
        let mut queues = self.queues();
        let queue = queues.get_mut(list)?;
        queue.is_serving = false;
        let is_right = |waiter: &Waiter| end.is_none_or(|end| waiter.end == end);
        let (_, waiter) = queue.waiting.first_entry().filter(|first| is_right(first.get()))?.remove_entry();
        queue.is_serving = true;
        Some(waiter)
    }

    /// Lets a waiter wait on in its place, unless it has gone.
    pub(crate) fn put_back(&self, list: &str, waiter: Waiter) {
        if let Some(queue) = self.queues().get_mut(list) {
            queue.is_serving = false;
            if !waiter.answer.is_closed() {
                queue.waiting.insert(waiter.number, waiter);
            }
        }
    }

    /// Takes out those who do not stay, or all.
    pub(crate) fn take_out(&self, list: &str, all: bool) -> Vec<Waiter> {
        let mut queues = self.queues();
        let Some(queue) = queues.get_mut(list) else { return Vec::new() };
        let waiting = std::mem::take(&mut queue.waiting).into_iter();
        let (out, staying): (BTreeMap<_, _>, _) = waiting.partition(|(_, waiter)| all || !waiter.stays);
        queue.waiting = staying;
        out.into_values().collect()
    }

    /// Ends the queue of a list if nobody is in it.
    pub(crate) fn close_if_empty(&self, list: &str) -> bool {
        let mut queues = self.queues();
        let is_empty = queues.get(list).is_none_or(|queue| queue.waiting.is_empty());
        if is_empty {
            queues.remove(list);
        }
        is_empty
    }

    /// Ends the queue of a list, and with it everybody's wait.
    pub(crate) fn close(&self, list: &str) {
        let closed = self.queues().remove(list);
        drop(closed);
    }
}

/// One waiter as its caller sees it. It leaves its queue when dropped.
#[derive(Debug)]
pub(crate) struct Waiting {
    waiters: Arc<Waiters>,
    list: String,
    number: u64,
    answered: oneshot::Receiver<Answer>,
}

impl Waiting {
    /// Waits for the answer; `None` if whoever served the list has ended early.
    pub(crate) async fn answer(&mut self) -> Option<Result<Option<Bytes>, Error>> {
        let answer = (&mut self.answered).await.ok()?;
        Some(answer.map(|handed| handed.and_then(Handed::take)))
    }

    /// Leaves the queue; false if an answer is on its way.
    pub(crate) fn leave(&mut self) -> bool {
        let mut queues = self.waiters.queues();
        let left = queues.get_mut(&self.list).and_then(|queue| queue.waiting.remove(&self.number));
        left.is_some()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // First, so that it is not put back after it has left.
        self.answered.close();
        self.leave();
    }
}
