//! The signals that tell a process to stop.

use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::ServerError;

/// Within so long after the first, a signal is the same wish.
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

    /// Waits for one that is not of the same moment as the last: who ends a group of processes may send each of them two.
    pub(crate) async fn next_of_its_own(&mut self) -> &'static str {
        tokio::time::sleep(SAME_MOMENT).await;
        while self.next().now_or_never().is_some() {}
        self.next().await
    }

    /// Waits for the next of them; its name.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
