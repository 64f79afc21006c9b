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
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prism_plugin::Error;
use tokio::sync::{Notify, Semaphore, oneshot};

use crate::command::Command;
use crate::progress::Progress;
use crate::record::Record;
use crate::resp::Value;

/// Who waits, by list.
pub(crate) struct Waiters {
    queues: Mutex<HashMap<String, Queue>>,
    /// How many have ever been.
    entered: AtomicU64,
    /// A permit for each connection that watches a list.
    pub(crate) connections: Arc<Semaphore>,
}

#[derive(Default)]
struct Queue {
    waiting: BTreeMap<u64, Waiter>,
    /// Whether one is being served.
    is_serving: bool,
    /// Told when somebody enters while nobody waits.
    arrival: Arc<Notify>,
}

/// What a waiter gets: values or none, or why neither is known.
type Answer = Result<Option<Handed>, Error>;

/// What somebody waits for.
pub(crate) struct Wish {
    /// What takes it from the list.
    pub(crate) command: Command,
    /// What returns it to its end of the list.
    pub(crate) push: &'static str,
    /// The record of a call under an idempotency key.
    pub(crate) record: Option<Record>,
    /// Whether it stays if the list is empty.
    pub(crate) stays: bool,
}

/// One waiter as the task sees it that serves its list.
pub(crate) struct Waiter {
    number: u64,
    pub(crate) wish: Wish,
    /// Whether it does not want to wait any longer. Under the lock of the queues.
    is_leaving: Arc<AtomicBool>,
    answer: oneshot::Sender<Answer>,
    /// How far what is taken for it has come.
    pub(crate) progress: Arc<Progress>,
}

/// What was taken for a waiter. Either the waiter takes it, or whoever serves the list takes it back.
#[derive(Clone, Debug)]
pub(crate) struct InHand(Arc<Mutex<Option<Value>>>);

impl InHand {
    pub(crate) fn new(value: Value) -> Self {
        Self(Arc::new(Mutex::new(Some(value))))
    }

    pub(crate) fn take(&self) -> Option<Value> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The same on its way to the waiter. When it is dropped, whoever serves the list learns that the waiter has it or has gone.
#[derive(Debug)]
struct Handed {
    in_hand: InHand,
    _done: oneshot::Sender<()>,
}

impl Waiter {
    /// Hands over what was taken, and returns when the waiter has it or has gone.
    pub(crate) async fn hand_over(self, in_hand: InHand) {
        let (done, is_done) = oneshot::channel();
        // What cannot be sent is dropped here.
        drop(self.answer.send(Ok(Some(Handed { in_hand, _done: done }))));
        let _ = is_done.await;
    }

    /// Whether nobody would hear an answer.
    pub(crate) fn is_gone(&self) -> bool {
        self.answer.is_closed()
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
    pub(crate) fn enter(self: &Arc<Self>, list: &str, wish: Wish) -> (Waiting, Option<Arc<Notify>>) {
        let (answer, answered) = oneshot::channel();
        let mut queues = self.queues();
        let is_served = queues.contains_key(list);
        let queue = queues.entry(list.to_owned()).or_default();
        // Unique among all queues: one that left late must not take another with it.
        let number = self.entered.fetch_add(1, Relaxed);
        if is_served && queue.waiting.is_empty() {
            queue.arrival.notify_one();
        }
        let is_leaving = Arc::new(AtomicBool::new(false));
        let progress = Arc::<Progress>::default();
        let (leaving, told) = (Arc::clone(&is_leaving), Arc::clone(&progress));
        queue.waiting.insert(number, Waiter { number, wish, is_leaving: leaving, answer, progress: told });
        let unserved = (!is_served).then(|| Arc::clone(&queue.arrival));
        drop(queues);
        let (waiters, list) = (Arc::clone(self), list.to_owned());
        (Waiting { waiters, list, number, is_leaving, answered, progress }, unserved)
    }

    /// The next waiter, which is being served from now on.
    pub(crate) fn next(&self, list: &str) -> Option<Waiter> {
        let mut queues = self.queues();
        let queue = queues.get_mut(list)?;
        queue.is_serving = false;
        let (_, waiter) = queue.waiting.pop_first()?;
        queue.is_serving = true;
        Some(waiter)
    }

    /// Lets a waiter wait on in its place, unless it has gone or would leave.
    pub(crate) fn put_back(&self, list: &str, waiter: Waiter) {
        let mut queues = self.queues();
        let Some(queue) = queues.get_mut(list) else { return };
        queue.is_serving = false;
        if waiter.is_leaving.load(Relaxed) {
            drop(queues);
            waiter.end(Ok(()));
        } else if !waiter.answer.is_closed() {
            queue.waiting.insert(waiter.number, waiter);
        }
    }

    /// Takes out those who do not stay, or all.
    pub(crate) fn take_out(&self, list: &str, all: bool) -> Vec<Waiter> {
        let mut queues = self.queues();
        let Some(queue) = queues.get_mut(list) else { return Vec::new() };
        let waiting = std::mem::take(&mut queue.waiting).into_iter();
        let (out, staying): (BTreeMap<_, _>, _) = waiting.partition(|(_, waiter)| all || !waiter.wish.stays);
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
pub(crate) struct Waiting {
    waiters: Arc<Waiters>,
    list: String,
    number: u64,
    is_leaving: Arc<AtomicBool>,
    answered: oneshot::Receiver<Answer>,
    /// How far what is taken for it has come.
    pub(crate) progress: Arc<Progress>,
}

impl Waiting {
    /// Waits for the answer; `None` if whoever served the list has ended early.
    pub(crate) async fn answer(&mut self) -> Option<Result<Option<Value>, Error>> {
        let answer = (&mut self.answered).await.ok()?;
        Some(answer.map(|handed| handed.and_then(|handed| handed.in_hand.take())))
    }

    /// Leaves the queue; false if an answer is on its way: values, or that there are none.
    pub(crate) fn leave(&mut self) -> bool {
        let mut queues = self.waiters.queues();
        self.is_leaving.store(true, Relaxed);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Effect;

    #[tokio::test]
    async fn whoever_would_leave_while_being_served_is_not_put_back() {
        let waiters = Waiters::new(1);
        let command = Command::new("LPOP", "l".to_owned(), Effect::Write);
        let wish = Wish { command, push: "LPUSH", record: None, stays: true };
        let (mut waiting, _) = waiters.enter("l", wish);
        let waiter = waiters.next("l").unwrap();
        assert!(!waiting.leave(), "it is being served");
        waiters.put_back("l", waiter);
        assert!(matches!(waiting.answer().await, Some(Ok(None))));
        assert!(waiters.close_if_empty("l"));
    }
}
