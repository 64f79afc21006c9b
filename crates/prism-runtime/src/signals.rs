//! The signals that tell a process to stop.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

use crate::exit::ServerError;

const INTERRUPT: &str = "SIGINT";

/// Within so long after the first signal, SIGTERM is the same wish.
const SAME_MOMENT: Duration = Duration::from_secs(1);

/// The signals that tell a process to stop: SIGTERM and SIGINT. Taken before anything says that the server is ready, so
/// that none is lost.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Takes the signals of this process from now on. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The system refuses.
    pub fn take() -> Result<Self, ServerError> {
        let take = |kind| signal(kind).map_err(ServerError::failed);
        Ok(Self { terminate: take(SignalKind::terminate())?, interrupt: take(SignalKind::interrupt())? })
    }

    /// Waits for one that is a wish of its own, after the first: SIGINT at any time, for somebody presses a key, and SIGTERM a
    /// second later, for who ends a group of processes may send each of them two at once.
    pub(crate) async fn next_of_its_own(&mut self) -> &'static str {
        let first = Instant::now();
        loop {
            let name = self.next().await;
            if name == INTERRUPT || first.elapsed() >= SAME_MOMENT {
                return name;
            }
        }
    }

    /// Waits for the next of them; its name.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => INTERRUPT,
        }
    }
}
