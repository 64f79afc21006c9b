//! Whether the store accepts writes.
//!
//! ```text
//!            a full disk, an engine that stopped          opened again
//!   Ready ──────────────────────────────────▶ Healing ──────────────────▶ Ready
//!     │                                          │
//!     └───────── a failed sync or write ─────────┴──▶ Failed, until the process is started again
//! ```
//!
//! After a failed sync, nobody knows what is on disk: the system may have dropped the data, and a second sync may succeed
//! without it. So the store stops writing, and says so, instead of acknowledging what may be lost. Reads go on.

use std::time::SystemTime;

use tokio::sync::watch;

/// The state of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It reads and writes.
    Ready,
    /// It reads, and tries to open its engine again for writing.
    Healing {
        /// Why.
        error: String,
        /// Since when.
        since: SystemTime,
    },
    /// It reads, and writes only after the process was started again.
    Failed {
        /// Why.
        error: String,
        /// Since when.
        since: SystemTime,
    },
}

/// The state as the committer sets it.
#[derive(Debug)]
pub(crate) struct Known(watch::Sender<State>);

impl Known {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(State::Ready))
    }

    pub(crate) fn get(&self) -> State {
        self.0.borrow().clone()
    }

    pub(crate) fn watch(&self) -> watch::Receiver<State> {
        self.0.subscribe()
    }

    pub(crate) fn ready(&self) {
        if self.get() != State::Ready {
            tracing::info!("writes are accepted again");
            self.0.send_replace(State::Ready);
        }
    }

    pub(crate) fn healing(&self, error: &str) {
        if self.get() == State::Ready {
            tracing::error!(error, "writes are refused until the store was opened again");
            self.0.send_replace(State::Healing { error: error.to_owned(), since: SystemTime::now() });
        }
    }

    pub(crate) fn failed(&self, error: &str) {
        if !matches!(self.get(), State::Failed { .. }) {
            tracing::error!(error, "writes are refused until the process is started again; reads go on");
            self.0.send_replace(State::Failed { error: error.to_owned(), since: SystemTime::now() });
        }
    }
}
