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
