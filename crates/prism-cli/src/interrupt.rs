//! Ctrl-C: the first interrupts a command, the second its clean-up.

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
    /// Catches the signals from now on. Must be called within a tokio runtime.
    pub(crate) fn take() -> Result<Self, Failure> {
        let take =
            |kind| signal(kind).map_err(|error| Failure::File(format!("cannot catch signals: {error}")));
        Ok(Self { interrupt: take(SignalKind::interrupt())?, terminate: take(SignalKind::terminate())? })
    }

    /// Waits for a signal.
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

/// The result of an interrupted command.
pub(crate) fn interrupted() -> Failure {
    Failure::Refused { exit: Exit::Failed, code: Code::Cancelled, message: "interrupted".to_owned() }
}
