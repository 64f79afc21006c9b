//! Whether and when to retry a failed call.
//!
//! A call is retried if it certainly was not applied, or if it may be repeated: it has no side effects, or an idempotency key. The wait grows fourfold with each
//! attempt and is never shorter than what the server asked for; if it would pass the deadline, the call fails at once.

use std::time::Duration;

use crate::deadline::Deadline;
use crate::error::Error;

/// The wait before the second attempt, unless the server asks for another.
const WAIT_MIN: Duration = Duration::from_millis(10);

/// The longest wait that this client chooses itself.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// The attempts of one call so far.
#[derive(Debug)]
pub(crate) struct Retry {
    repeats: bool,
    deadline: Option<Deadline>,
    attempts_left: u32,
    wait: Duration,
}

impl Retry {
    /// `attempts_max` includes the first attempt.
    pub(crate) fn new(attempts_max: u32, repeats: bool, deadline: Option<Deadline>) -> Self {
        Self { repeats, deadline, attempts_left: attempts_max.saturating_sub(1), wait: WAIT_MIN }
    }

    /// Sets whether the call may be repeated although it may have been applied.
    pub(crate) fn repeating(&mut self, repeats: bool) -> &mut Self {
        self.repeats = repeats;
        self
    }

    /// How long to wait before the next attempt; `None` if `error` is final.
    pub(crate) fn wait_after(&mut self, error: &Error) -> Option<Duration> {
        if self.attempts_left == 0 || !error.repeats_safely(self.repeats) {
            return None;
        }
        self.attempts_left -= 1;
        let wait = jittered(error.retry_delay().unwrap_or_default().max(self.wait));
        self.wait = self.wait.saturating_mul(4).min(WAIT_MAX);
        match self.deadline {
            Some(deadline) if deadline.left() <= wait => None,
            _ => Some(wait),
        }
    }
}

/// Adds up to a half, so that clients that failed together do not return together.
fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(1.0 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use prism_proto::{Applied, ErrorReason};
    use tonic::Status;

    use super::*;

    fn lost(applied: Applied) -> Error {
        let told = prism_proto::Error::unavailable(ErrorReason::BackendLost, applied, "lost");
        Error::from_status("keyvalue.set", &Status::from(told))
    }

    #[test]
    fn a_write_that_may_have_been_applied_is_never_repeated() {
        assert_eq!(Retry::new(5, false, None).wait_after(&lost(Applied::Maybe)), None);
        assert!(Retry::new(5, true, None).wait_after(&lost(Applied::Maybe)).is_some());
        assert!(Retry::new(5, false, None).wait_after(&lost(Applied::No)).is_some());
    }

    #[test]
    fn an_answer_is_final() {
        let missing = Error::from_status("keyvalue.get", &Status::not_found("no such key"));
        assert_eq!(Retry::new(5, true, None).wait_after(&missing), None);
    }

    #[test]
    fn attempts_are_counted_and_the_servers_wish_is_kept() {
        let mut retry = Retry::new(3, false, None);
        for _ in 0..2 {
            let wait = retry.wait_after(&lost(Applied::No)).unwrap();
            assert!(wait >= Duration::from_millis(100) && wait <= Duration::from_millis(150), "{wait:?}");
        }
        assert_eq!(retry.wait_after(&lost(Applied::No)), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_past_the_deadline_is_not_begun() {
        let deadline = Some(Deadline::after(Duration::from_millis(99)));
        assert_eq!(Retry::new(5, false, deadline).wait_after(&lost(Applied::No)), None);
    }
}
