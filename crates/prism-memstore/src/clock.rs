//! Monotonic time as one number: nanoseconds since the store was created. A step of the wall clock expires nothing.

use std::time::Duration;

use tokio::time::Instant;

/// A moment, in nanoseconds since the store was created. 64 bits hold 584 years; the longest time to live is 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Time(u64);

impl Time {
    /// After every moment: the deadline of a key that does not expire.
    pub(crate) const NEVER: Self = Self(u64::MAX);

    /// When the store was created.
    pub(crate) const START: Self = Self(0);

    /// The last moment at which something may expire.
    #[cfg(test)]
    pub(crate) fn before(self) -> Self {
        Self(self.0 - 1)
    }

    pub(crate) fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanoseconds(duration)))
    }

    /// The nanoseconds from `earlier` until this moment; 0 if it is not earlier.
    pub(crate) fn nanos_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// This moment, or the next one that is a multiple of `nanos`.
    pub(crate) fn rounded_up(self, nanos: u64) -> Self {
        Self(self.0.div_ceil(nanos).saturating_mul(nanos))
    }
}

#[derive(Clone, Copy)]
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
