//! Lines in the log whose causes come from outside, and may come often.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

/// How long after a line the next one may follow, in milliseconds.
const PAUSE_MILLIS: u64 = 10_000;

/// Lets a cause be logged once in ten seconds, and counts what is left out.
#[derive(Debug, Default)]
pub struct Seldom {
    /// When the next line may follow, by [`now`].
    next: AtomicU64,
    left_out: AtomicU64,
}

impl Seldom {
    /// Nothing was logged yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { next: AtomicU64::new(0), left_out: AtomicU64::new(0) }
    }

    /// Whether to log the cause that has just come up: how many lines were left out before it, or `None`.
    pub fn turn(&self) -> Option<u64> {
        self.turn_at(now())
    }

    fn turn_at(&self, now: u64) -> Option<u64> {
        let next = self.next.load(Relaxed);
        if now >= next && self.next.compare_exchange(next, now + PAUSE_MILLIS, Relaxed, Relaxed).is_ok() {
            return Some(self.left_out.swap(0, Relaxed));
        }
        self.left_out.fetch_add(1, Relaxed);
        None
    }
}

/// Milliseconds of a clock of this process.
fn now() -> u64 {
    static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(EPOCH.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_logged_once_in_ten_seconds_and_the_rest_is_counted() {
        let seldom = Seldom::new();
        assert_eq!(
            [5, 6, 10_004, 10_005, 10_006].map(|now| seldom.turn_at(now)),
            [Some(0), None, None, Some(2), None]
        );
    }
}
