//! The one outer time limit of a call.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

/// The longest time limit: a year. Longer ones are cut to it; gRPC's header holds 8 digits and tokio's timer 2 years.
const TIMEOUT_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

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

    /// The result of `work`, or `None` when the time is up.
    pub(crate) async fn run<T>(self, work: impl Future<Output = T>) -> Option<T> {
        tokio::time::timeout_at(self.0, work).await.ok()
    }
}
