//! Monotonic time as one number: nanoseconds since the store was made. The wall clock plays no part, so a step of
//! it expires nothing.

use std::time::Duration;

use tokio::time::Instant;

/// A moment, in nanoseconds since the store was made. 64 bits hold 584 years; the longest time to live is 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Time(u64);

impl Time {
    /// Later than every moment: the deadline of a key that does not expire.
    pub(crate) const NEVER: Self = Self(u64::MAX);

    /// The last moment at which something may expire.
    #[cfg(test)]
    pub(crate) fn before(self) -> Self {
        Self(self.0 - 1)
    }

    pub(crate) fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanoseconds(duration)))
    }
}

pub(crate) struct Clock {
    epoch: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { epoch: Instant::now() }
    }

    pub(crate) fn now(&self) -> Time {
        Time(nanoseconds(self.epoch.elapsed()))
    }

    pub(crate) fn instant(&self, time: Time) -> Instant {
        self.epoch + Duration::from_nanos(time.0)
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
