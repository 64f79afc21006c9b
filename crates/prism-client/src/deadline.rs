//! The one outer time limit of a call, and the timers that enforce it.
//!
//! Nearly every call ends long before its deadline, so its timer is kept, still armed, and pushed back for a later
//! call: that is one atomic store, where a fresh timer that is the earliest one makes tokio wake its own thread. A kept
//! timer that nobody needs fires once and is quiet from then on.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::{Handle, Id};
use tokio::time::{Instant, Sleep};

/// The longest time limit: a year. Longer ones are cut to it; gRPC's header holds 8 digits and tokio's timer 2 years.
const TIMEOUT_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The most timers that are kept: what a busy loop has under way at once. They take 100 bytes each.
const KEPT_MAX: usize = 64;

/// A moment after which nobody waits for the call any more.
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

/// Armed timers without a call.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// The runtime that the timers belong to: they are of no use to another.
    runtime: Option<Id>,
    timers: Vec<Pin<Box<Sleep>>>,
}

impl Timers {
    /// The result of `work`, or `None` when its time is up.
    pub(crate) async fn run<T>(&self, deadline: Deadline, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
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
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_kept_timer_keeps_the_next_deadline_and_no_earlier_one() {
        let timers = Timers::default();
        let second = Duration::from_secs(1);
        assert_eq!(timers.run(Deadline::after(second), async { 1 }).await, Some(1));
        for timeout in [3 * second, second, 2 * second] {
            let begun = Instant::now();
            let late = timers.run(Deadline::after(timeout), std::future::pending::<()>()).await;
            assert_eq!((late, begun.elapsed()), (None, timeout));
            let in_time = tokio::time::sleep(timeout / 2);
            assert_eq!(timers.run(Deadline::after(timeout), in_time).await, Some(()));
        }
        tokio::time::sleep(10 * second).await;
        assert_eq!(timers.run(Deadline::after(second), tokio::time::sleep(second / 2)).await, Some(()));
    }

    #[test]
    fn a_timer_is_not_used_on_another_runtime() {
        let timers = Timers::default();
        for _ in 0..2 {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            runtime.block_on(async {
                let deadline = Deadline::after(Duration::from_secs(9));
                assert!(timers.run(deadline, tokio::task::yield_now()).await.is_some());
            });
        }
    }
}
