//! The signals that tell a process to stop.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::ServerError;

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

    /// Waits for the next of them; its name.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
