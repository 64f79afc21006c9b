//! Calls that may be repeated although they may have been applied: their numbers, and which backends take them.
//!
//! A call under an idempotency key is applied once, however often it is sent. Each client counts its calls, and says with each of them below
//! which number it has all answers. Each call that waits for values has a count of its own while it runs, because it would keep all others from
//! being acknowledged meanwhile.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher as _, RandomState};
use std::pin::pin;
use std::process;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use prism_proto::idempotency::IdempotencyKey;
use prism_proto::limits::IDEMPOTENCY_RECORDS_MAX;
use tokio::sync::{Mutex as AsyncMutex, Notify};

/// The calls that wait for values.
const WAITING: [&str; 2] = ["BlockingPop", "Reserve"];

/// What a client knows about its own repeatable calls.
#[derive(Default)]
pub(crate) struct Idempotency {
    prompt: Arc<Calls>,
    /// Counts that no call uses now, of which each has no call outstanding.
    idle: Arc<Mutex<Vec<Arc<Calls>>>>,
    backends: Mutex<HashMap<String, Arc<AsyncMutex<Option<Known>>>>>,
}

/// What a backend has answered.
pub(crate) struct Known {
    pub(crate) keeps_answers: bool,
    pub(crate) asked: Instant,
    /// How many connections the client had made.
    pub(crate) connections: u64,
}

impl Idempotency {
    /// Numbers a call of the method called `name`, as soon as few enough are outstanding.
    pub(crate) async fn number(&self, name: &str) -> Numbered {
        if !WAITING.contains(&name) {
            return self.prompt.number().await;
        }
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut numbered = idle.unwrap_or_default().number().await;
        numbered.home = Some(Arc::clone(&self.idle));
        numbered
    }

    /// What is known about a namespace's backend. Locked while it is asked.
    pub(crate) fn known(&self, namespace: &str) -> Arc<AsyncMutex<Option<Known>>> {
        let mut backends = self.backends.lock().unwrap_or_else(PoisonError::into_inner);
        match backends.get(namespace) {
            Some(known) => Arc::clone(known),
            None => Arc::clone(backends.entry(namespace.to_owned()).or_default()),
        }
    }
}

/// The calls of one count.
#[derive(Default)]
struct Calls {
    state: Mutex<State>,
    freed: Notify,
}

#[derive(Default)]
struct State {
    /// The client's number, and the process that chose it: a fork must not use it.
    client: Option<(u32, u128)>,
    next: u64,
    /// The calls whose answers are outstanding.
    open: BTreeSet<u64>,
}

/// A call's number, until it is dropped: the call has its answer then, or will not be repeated.
pub(crate) struct Numbered {
    calls: Arc<Calls>,
    client: u128,
    seq: u64,
    /// Where a count returns that it has for itself.
    home: Option<Arc<Mutex<Vec<Arc<Calls>>>>>,
}

impl Numbered {
    /// The key with which to send it now.
    pub(crate) fn key(&self) -> IdempotencyKey {
        let acked = self.calls.lock().open.first().copied().unwrap_or(self.seq).min(self.seq);
        IdempotencyKey { client: self.client, seq: self.seq, acked }
    }
}

impl Drop for Numbered {
    fn drop(&mut self) {
        self.calls.lock().open.remove(&self.seq);
        self.calls.freed.notify_waiters();
        if let Some(home) = self.home.take() {
            home.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&self.calls));
        }
    }
}

impl Calls {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Numbers a call, as soon as few enough are outstanding.
    async fn number(self: &Arc<Self>) -> Numbered {
        loop {
            let mut freed = pin!(self.freed.notified());
            freed.as_mut().enable();
            if let Some((client, seq)) = self.lock().number() {
                return Numbered { calls: Arc::clone(self), client, seq, home: None };
            }
            freed.await;
        }
    }
}

impl State {
    /// The next number; `None` while too many calls are outstanding.
    fn number(&mut self) -> Option<(u128, u64)> {
        let process = process::id();
        let client = match self.client {
            Some((of, client)) if of == process => client,
            _ => {
                let client = random(process);
                *self = Self { client: Some((process, client)), ..Self::default() };
                client
            }
        };
        let first = self.open.first().copied().unwrap_or(self.next);
        if self.next - first >= IDEMPOTENCY_RECORDS_MAX as u64 {
            return None;
        }
        let seq = self.next;
        self.next += 1;
        self.open.insert(seq);
        Some((client, seq))
    }
}

/// A random number that no fork of this process has, from the system's randomness.
fn random(process: u32) -> u128 {
    let (now, random) = (SystemTime::now(), RandomState::new());
    let half = |which: u8| u128::from(random.hash_one((process, now, which)));
    half(0) << 64 | half(1)
}

#[cfg(test)]
mod tests {
    use futures_util::poll;

    use super::*;

    #[tokio::test]
    async fn what_is_acknowledged_is_what_lies_below_the_first_outstanding_call() {
        let calls = Arc::new(Calls::default());
        let (first, second, third) = (calls.number().await, calls.number().await, calls.number().await);
        let key = |call: &Numbered| (call.key().seq, call.key().acked);
        assert_eq!((key(&first), key(&second), key(&third)), ((0, 0), (1, 0), (2, 0)));
        drop(second);
        assert_eq!(key(&third), (2, 0));
        drop(first);
        assert_eq!(key(&third), (2, 2));
        assert_eq!(key(&calls.number().await), (3, 2));
        assert_eq!(third.key().client, calls.number().await.key().client);
    }

    #[tokio::test]
    async fn calls_are_held_back_while_too_many_are_outstanding() {
        let calls = Arc::new(Calls::default());
        let mut open = Vec::new();
        for _ in 0..IDEMPOTENCY_RECORDS_MAX {
            open.push(calls.number().await);
        }
        let mut next = Box::pin(calls.number());
        assert!(poll!(next.as_mut()).is_pending());
        // The first of them counts, however few others there are.
        open.truncate(1);
        assert!(poll!(next.as_mut()).is_pending());
        open.clear();
        let next = next.await;
        assert_eq!((next.key().seq, next.key().acked), (4096, 4096));
    }

    #[tokio::test]
    async fn a_call_that_waits_keeps_no_other_from_being_acknowledged() {
        let calls = Idempotency::default();
        let long = calls.number("BlockingPop").await;
        for seq in 0..2 * IDEMPOTENCY_RECORDS_MAX as u64 {
            let call = calls.number("Reserve").await;
            let key = call.key();
            assert_eq!((key.seq, key.acked), (seq, seq));
            assert_ne!(key.client, long.key().client);
        }
        drop(long);
        assert_eq!(calls.idle.lock().unwrap().len(), 2);
    }

    #[test]
    fn clients_have_different_numbers() {
        let numbers: BTreeSet<_> = (0..100).map(|_| random(1)).collect();
        assert_eq!(numbers.len(), 100);
    }
}
