//! Wall-clock time, in which deadlines are kept: they outlive the process and the machine's uptime.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How far the clock may go back before that is worth a line in the log.
const BACK_MAX: Duration = Duration::from_secs(1);

/// Milliseconds since 1970.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The deadline of what lives this long from `now` on.
pub(crate) fn deadline(now: u64, ttl: Duration) -> u64 {
    now.saturating_add(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX))
}

/// Notices that the wall clock was set back. What expires then lives longer by as much: never shorter than was promised.
#[derive(Debug)]
pub(crate) struct Watch {
    wall: u64,
    monotonic: Instant,
}

impl Watch {
    pub(crate) fn start() -> Self {
        Self { wall: now(), monotonic: Instant::now() }
    }

    /// Compares the two clocks, and logs if the wall clock went back.
    pub(crate) fn check(&mut self) {
        let expected = deadline(self.wall, self.monotonic.elapsed());
        if let Some(back) = went_back(expected, now()) {
            tracing::warn!(
                seconds = back.as_secs(),
                "the system's clock was set back; keys with a time to live expire later by as much"
            );
        }
        *self = Self::start();
    }
}

fn went_back(expected: u64, now: u64) -> Option<Duration> {
    let back = Duration::from_millis(expected.saturating_sub(now));
    (back > BACK_MAX).then_some(back)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clock_that_went_back_is_told() {
        assert_eq!(went_back(10_000, 5_000), Some(Duration::from_secs(5)));
        for now in [9_500, 10_000, 1_000_000] {
            assert_eq!(went_back(10_000, now), None);
        }
    }
}
