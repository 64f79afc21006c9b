//! The signals that stop a process.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

use crate::exit::ServerError;

const INTERRUPT: &str = "SIGINT";

/// A SIGTERM within this time after the first signal is the same request.
const SAME_MOMENT: Duration = Duration::from_secs(1);

/// The signals that stop a process: SIGTERM and SIGINT. Caught before the server reports that it is ready, so that none
/// is lost.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Catches this process's signals from now on. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The system's error.
    pub fn take() -> Result<Self, ServerError> {
        let take = |kind| signal(kind).map_err(ServerError::failed);
        Ok(Self { terminate: take(SignalKind::terminate())?, interrupt: take(SignalKind::interrupt())? })
    }

    /// Waits for a signal that is a new request after the first: SIGINT at any time, because somebody pressed a key,
    /// but SIGTERM only a second later, because ending a group of processes may send each of them two at once.
    pub(crate) async fn next_of_its_own(&mut self) -> &'static str {
        let first = Instant::now();
        loop {
            let name = self.next().await;
            if name == INTERRUPT || first.elapsed() >= SAME_MOMENT {
                return name;
            }
        }
    }

    /// Waits for the next signal and returns its name.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => INTERRUPT,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::{Pin, pin};
    use std::task::Poll;

    use rustix::process::{Signal, getpid, kill_process};

    use super::*;

    async fn is_pending(mut future: Pin<&mut impl Future>) -> bool {
        poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await
    }

    #[tokio::test(start_paused = true)]
    async fn sigterm_twice_at_once_is_one_wish_and_sigint_is_always_another() {
        let (mut signals, mut seen) = (Signals::take().unwrap(), Signals::take().unwrap());
        let send = |signal| kill_process(getpid(), signal).unwrap();
        for (after, signal, wish) in [
            (Duration::ZERO, Signal::TERM, None),
            (SAME_MOMENT - Duration::from_millis(1), Signal::TERM, None),
            (SAME_MOMENT, Signal::TERM, Some("SIGTERM")),
            (Duration::ZERO, Signal::INT, Some(INTERRUPT)),
        ] {
            let mut next = pin!(signals.next_of_its_own());
            assert!(is_pending(next.as_mut()).await);
            tokio::time::advance(after).await;
            send(signal);
            seen.next().await;
            match wish {
                None => assert!(is_pending(next.as_mut()).await, "{signal:?} after {after:?}"),
                Some(name) => assert_eq!(next.await, name),
            }
        }
    }
}
