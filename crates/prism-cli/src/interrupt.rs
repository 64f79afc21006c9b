//! Ctrl-C: the first ends what a command does, the second its tidying up.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tonic::Code;

use crate::exit::Exit;
use crate::failure::Failure;

/// SIGINT and SIGTERM.
#[derive(Debug)]
pub(crate) struct Interrupt {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupt {
    /// Takes the signals from now on. Must be called within a tokio runtime.
    pub(crate) fn take() -> Result<Self, Failure> {
        let take = |kind| {
            signal(kind).map_err(|error| Failure::File(format!("the system gives no signals: {error}")))
        };
        Ok(Self { interrupt: take(SignalKind::interrupt())?, terminate: take(SignalKind::terminate())? })
    }

    /// Waits for one.
    ///
    /// # Cancel safety
    /// No signal is lost.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// What a command that was interrupted ends with.
pub(crate) fn interrupted() -> Failure {
    Failure::Refused { exit: Exit::Failed, code: Code::Cancelled, message: "interrupted".to_owned() }
}
