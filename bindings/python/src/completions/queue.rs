//! The results waiting for an event loop, as the background thread sees them.

use std::sync::{Arc, Mutex, PoisonError};

use crate::outcome::Outcome;
use crate::wake::{self, Waker, Watched};

/// What the background thread sees.
pub(super) struct Queue {
    results: Mutex<Vec<(u64, Outcome)>>,
    waker: Waker,
    pub(super) watched: Watched,
}

impl Queue {
    pub(super) fn new() -> std::io::Result<Self> {
        let (waker, watched) = wake::pair()?;
        Ok(Self { results: Mutex::default(), waker, watched })
    }

    fn push(&self, ticket: u64, outcome: Outcome) {
        let mut results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        results.push((ticket, outcome));
        let is_first = results.len() == 1;
        drop(results);
        if is_first {
            self.waker.wake();
        }
    }

    pub(super) fn take(&self) -> Vec<(u64, Outcome)> {
        std::mem::take(&mut *self.results.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Pushes a result exactly once, even if the work panics.
pub(super) struct Report {
    queue: Arc<Queue>,
    ticket: u64,
    outcome: Option<Outcome>,
}

impl Report {
    pub(super) fn to(queue: Arc<Queue>, ticket: u64) -> Self {
        Self { queue, ticket, outcome: Some(Outcome::Lost) }
    }

    pub(super) async fn of(mut self, work: impl Future<Output = Outcome>) {
        self.outcome = Some(work.await);
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        if let Some(outcome) = self.outcome.take() {
            self.queue.push(self.ticket, outcome);
        }
    }
}
