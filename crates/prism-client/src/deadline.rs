//! A call's overall deadline, and the timers that enforce it.
//!
//! Nearly every call ends long before its deadline, so its timer is kept, still armed, and postponed for a later call:
//! that is one atomic store, whereas a new timer that is the earliest makes tokio wake its own thread. A kept timer
//! that nobody needs fires once and is silent from then on.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::{Handle, Id};
use tokio::time::{Instant, Sleep};

/// The maximum timeout: a year. Longer ones are reduced to it; gRPC's header holds 8 digits, and tokio's timer 2 years.
const TIMEOUT_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The maximum number of timers kept: what a busy loop has in flight. They take 100 bytes each.
const KEPT_MAX: usize = 64;

/// The moment after which nobody waits for the call any more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    pub(crate) fn after(timeout: Duration) -> Self {
        Self(Instant::now() + timeout.min(TIMEOUT_MAX))
    }

    pub(crate) fn instant(self) -> Instant {
        self.0
    }

    pub(crate) fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }
}

/// Armed timers that no call uses.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// The runtime to which the timers belong: another runtime cannot use them.
    runtime: Option<Id>,
    timers: Vec<Pin<Box<Sleep>>>,
}

impl Timers {
    /// The result of `work`, or `None` once the deadline has passed.
    pub(crate) async fn run<T>(
        &self,
        deadline: Deadline,
        mut work: Pin<&mut impl Future<Output = T>>,
    ) -> Option<T> {
        let mut timer = self.take(deadline);
        let result = poll_fn(|cx| match work.as_mut().poll(cx) {
            Poll::Ready(result) => Poll::Ready(Some(result)),
            Poll::Pending => timer.as_mut().poll(cx).map(|()| None),
        })
        .await;
        if result.is_some() {
            self.keep(timer);
        }
        result
    }

    fn take(&self, deadline: Deadline) -> Pin<Box<Sleep>> {
        let kept = self.kept(Handle::current().id()).timers.pop();
        match kept {
            Some(mut timer) => {
                timer.as_mut().reset(deadline.instant());
                timer
            }
            None => Box::pin(tokio::time::sleep_until(deadline.instant())),
        }
    }

    fn keep(&self, timer: Pin<Box<Sleep>>) {
        let mut kept = self.kept(Handle::current().id());
        if kept.timers.len() < KEPT_MAX {
            kept.timers.push(timer);
        }
    }

    fn kept(&self, runtime: Id) -> MutexGuard<'_, Kept> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.runtime != Some(runtime) {
            *kept = Kept { runtime: Some(runtime), timers: Vec::new() };
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_kept_timer_keeps_the_next_deadline_and_no_earlier_one() {
        let timers = Timers::default();
        let second = Duration::from_secs(1);
        assert_eq!(timers.run(Deadline::after(second), pin!(async { 1 })).await, Some(1));
        for timeout in [3 * second, second, 2 * second] {
            let begun = Instant::now();
            let late = timers.run(Deadline::after(timeout), pin!(std::future::pending::<()>())).await;
            assert_eq!((late, begun.elapsed()), (None, timeout));
            let in_time = tokio::time::sleep(timeout / 2);
            assert_eq!(timers.run(Deadline::after(timeout), pin!(in_time)).await, Some(()));
        }
        tokio::time::sleep(10 * second).await;
        assert_eq!(timers.run(Deadline::after(second), pin!(tokio::time::sleep(second / 2))).await, Some(()));
    }

    #[test]
    fn a_timer_is_not_used_on_another_runtime() {
        let timers = Timers::default();
        for _ in 0..2 {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            runtime.block_on(async {
                let deadline = Deadline::after(Duration::from_secs(9));
                assert!(timers.run(deadline, pin!(tokio::task::yield_now())).await.is_some());
            });
        }
    }
}
