//! One slot for a connection: connects when first needed, shares one attempt among all that wait, backs off after each
//! failure, and reconnects when the connection is lost.
//!
//! ```text
//!   Idle ──asked──▶ Connecting ──ok──▶ Ready ──lost, then asked──▶ Connecting
//!                     ▲    └──failed──▶ Failed ──asked before the back-off ends──▶ the same error
//!                     └──────asked after it──┘
//!   any ──close──▶ Closed
//! ```

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::dial::{ConnectError, Sender, Target};

/// The backoff after a first failure; it doubles with each further one.
const BACKOFF_MIN: Duration = Duration::from_millis(50);

/// The longest backoff: how late a server's return may be noticed.
const BACKOFF_MAX: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Slot {
    target: Arc<Target>,
    place: Mutex<Place>,
    /// Calls that currently use this slot.
    pub(super) load: AtomicUsize,
}

#[derive(Debug)]
struct Place {
    state: State,
    /// Connections made.
    made: u64,
    /// Consecutive failed connection attempts.
    failures: u32,
}

#[derive(Debug)]
enum State {
    Idle,
    Connecting(watch::Receiver<Option<Outcome>>),
    Ready(Sender),
    Failed { error: ConnectError, until: Instant },
    Closed,
}

type Outcome = Result<Sender, ConnectError>;

/// An attempt to connect, under way or past.
struct Attempt {
    outcome: watch::Receiver<Option<Outcome>>,
    is_past: bool,
}

/// Why a slot has no connection.
#[derive(Debug)]
pub(crate) enum NoConnection {
    /// Connecting failed; trying again is pointless before the delay has passed. `is_past`: it failed before it was asked
    /// for, and what was wrong may be mended by now.
    Failed { error: ConnectError, retry_delay: Duration, is_past: bool },
    /// The client is closed.
    Closed,
}

impl Slot {
    pub(super) fn new(target: Arc<Target>) -> Self {
        let place = Place { state: State::Idle, made: 0, failures: 0 };
        Self { target, place: Mutex::new(place), load: AtomicUsize::new(0) }
    }

    pub(super) fn load(&self) -> usize {
        self.load.load(Ordering::Relaxed)
    }

    pub(super) fn connections_made(&self) -> u64 {
        self.lock().made
    }

    pub(super) fn is_ready(&self) -> bool {
        matches!(&self.lock().state, State::Ready(sender) if !sender.is_closed())
    }

    /// The connection, opened if necessary. Dropping the future does not end the attempt: others may wait for it.
    pub(super) async fn connection(self: &Arc<Self>) -> Result<Sender, NoConnection> {
        let Attempt { outcome: mut attempt, is_past } = match self.connection_or_attempt() {
            Ok(sender) => return Ok(sender),
            Err(None) => return Err(NoConnection::Closed),
            Err(Some(attempt)) => attempt,
        };
        let outcome = match attempt.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone(),
            Err(_) => Some(Err(ConnectError::interrupted(&self.target.address))),
        };
        match outcome {
            Some(Ok(sender)) => Ok(sender),
            Some(Err(error)) => {
                Err(NoConnection::Failed { error, retry_delay: self.backoff_left(), is_past })
            }
            None => Err(NoConnection::Closed),
        }
    }

    /// Starts connecting, unless there is a connection or an attempt.
    pub(super) fn prepare(self: &Arc<Self>) {
        drop(self.connection_or_attempt());
    }

    pub(super) fn close(&self) {
        self.lock().state = State::Closed;
    }

    /// The live connection, or the attempt to wait for; `None` once closed. Never awaits.
    fn connection_or_attempt(self: &Arc<Self>) -> Result<Sender, Option<Attempt>> {
        let mut place = self.lock();
        match &place.state {
            State::Ready(sender) if !sender.is_closed() => return Ok(sender.clone()),
            State::Closed => return Err(None),
            // An attempt whose sender is gone without an outcome ended with its runtime.
            State::Connecting(attempt) if attempt.has_changed().is_ok() => {
                return Err(Some(Attempt { outcome: attempt.clone(), is_past: false }));
            }
            State::Failed { error, until } if Instant::now() < *until => {
                let outcome = watch::Sender::new(Some(Err(error.clone()))).subscribe();
                return Err(Some(Attempt { outcome, is_past: true }));
            }
            State::Idle | State::Connecting(_) | State::Ready(_) | State::Failed { .. } => {}
        }
        let outcome = self.attempt();
        place.state = State::Connecting(outcome.clone());
        Err(Some(Attempt { outcome, is_past: false }))
    }

    /// Spawns a connection attempt. It ends within the target's timeout, or when nobody waits any more.
    fn attempt(self: &Arc<Self>) -> watch::Receiver<Option<Outcome>> {
        let (report, attempt) = watch::channel(None);
        let slot = Arc::downgrade(self);
        let target = self.target.clone();
        tokio::spawn(async move {
            let outcome = tokio::select! {
                outcome = target.connect() => outcome,
                () = report.closed() => return,
            };
            if let Some(slot) = slot.upgrade() {
                slot.settle(&outcome);
            }
            report.send_replace(Some(outcome));
        });
        attempt
    }

    fn settle(&self, outcome: &Outcome) {
        let mut place = self.lock();
        if matches!(place.state, State::Closed) {
            return;
        }
        match outcome {
            Ok(sender) => {
                place.failures = 0;
                place.made += 1;
                place.state = State::Ready(sender.clone());
            }
            Err(error) => {
                let until = Instant::now() + backoff(place.failures);
                place.failures = place.failures.saturating_add(1);
                tracing::debug!(%error, failures = place.failures, "connecting failed");
                place.state = State::Failed { error: error.clone(), until };
            }
        }
    }

    fn backoff_left(&self) -> Duration {
        match &self.lock().state {
            State::Failed { until, .. } => until.saturating_duration_since(Instant::now()),
            _ => Duration::ZERO,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The wait after failure number `failures` (from 0): doubling up to a second, with its last half random, so that the
/// clients of a restarted server do not all return at once.
fn backoff(failures: u32) -> Duration {
    let full = BACKOFF_MIN.saturating_mul(1 << failures.min(10)).min(BACKOFF_MAX);
    full.mul_f64(0.5 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_backoff_doubles_up_to_its_limit() {
        for (failures, full) in [(0, 50), (1, 100), (3, 400), (5, 1000), (u32::MAX, 1000)] {
            for _ in 0..100 {
                let wait = backoff(failures);
                assert!(wait >= Duration::from_millis(full / 2) && wait <= Duration::from_millis(full));
            }
        }
    }
}
