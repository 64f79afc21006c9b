//! One call at a time with the same idempotency key: a repetition waits for the first.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex as Lock, MutexGuard, PoisonError};

use prism_grpc::attempt::Attempt;
use prism_grpc::identity::Identity;
use tokio::sync::{Mutex, OwnedMutexGuard};

/// A call by what its repetitions have in common: caller, namespace, client and sequence number.
#[derive(Clone)]
struct Call(Arc<Attempt>);

impl Call {
    fn name(&self) -> (&Option<Identity>, &str, u128, u64) {
        let Attempt { key, caller, namespace, .. } = &*self.0;
        (caller, namespace, key.client, key.seq)
    }
}

impl PartialEq for Call {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Call {}

impl Hash for Call {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

/// The calls that run, or wait to.
#[derive(Default)]
pub(super) struct Turns(Lock<HashMap<Call, Entrants>>);

/// Those who run or wait to run the same call.
#[derive(Default)]
struct Entrants {
    count: usize,
    one: Arc<Mutex<()>>,
}

/// A call's turn, until it is dropped.
pub(super) struct Turn {
    _running: OwnedMutexGuard<()>,
    _entered: Entered,
}

/// A call that waits or runs.
struct Entered {
    turns: Arc<Turns>,
    call: Call,
}

impl Turns {
    /// Waits until no other sending of a call runs.
    pub(super) async fn wait(self: &Arc<Self>, attempt: &Arc<Attempt>) -> Turn {
        let call = Call(Arc::clone(attempt));
        let one = {
            let mut calls = self.lock();
            let entrants = calls.entry(call.clone()).or_default();
            entrants.count += 1;
            Arc::clone(&entrants.one)
        };
        let entered = Entered { turns: Arc::clone(self), call };
        Turn { _running: one.lock_owned().await, _entered: entered }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Call, Entrants>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut calls = self.turns.lock();
        let Some(entrants) = calls.get_mut(&self.call) else { return };
        entrants.count -= 1;
        if entrants.count == 0 {
            calls.remove(&self.call);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::poll;
    use prism_proto::idempotency::IdempotencyKey;

    use super::*;

    fn attempt(namespace: &str, client: u128, seq: u64) -> Arc<Attempt> {
        let key = IdempotencyKey { client, seq, acked: 0 };
        Arc::new(Attempt::new(key, None, namespace.to_owned(), "/a.B/C", [0; 32]))
    }

    #[tokio::test]
    async fn the_same_call_runs_once_at_a_time_and_others_at_once() {
        let turns = Arc::new(Turns::default());
        let (call, another) = (attempt("a", 1, 1), attempt("a", 1, 2));
        let first = turns.wait(&call).await;
        for others in [&another, &attempt("b", 1, 1), &attempt("a", 2, 1)] {
            turns.wait(others).await;
        }
        let mut second = Box::pin(turns.wait(&call));
        let mut third = Box::pin(turns.wait(&call));
        assert!(poll!(second.as_mut()).is_pending() && poll!(third.as_mut()).is_pending());
        drop(first);
        let second = second.await;
        assert!(poll!(third.as_mut()).is_pending());
        drop(third);
        drop(second);
        assert!(turns.lock().is_empty(), "nothing is left of those who have gone");
    }

    #[tokio::test]
    async fn whoever_goes_while_waiting_leaves_nothing() {
        let turns = Arc::new(Turns::default());
        let call = attempt("a", 1, 1);
        let first = turns.wait(&call).await;
        let mut second = Box::pin(turns.wait(&call));
        assert!(poll!(second.as_mut()).is_pending());
        drop(first);
        drop(second);
        assert!(turns.lock().is_empty());
    }
}
