//! A namespace's limits on its calls: how many are under way, and how many begin in a second. They are counted over all
//! workers of this proxy; another proxy counts its own.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How far calls may run ahead of their rate: a second's worth of them may come at once.
const BURST: Duration = Duration::from_secs(1);

static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

/// What is counted of a namespace. It outlives a change of the namespace's settings.
#[derive(Debug, Default)]
pub struct Counts {
    in_flight: AtomicU32,
    /// When the calls so far are paid for at the rate, in nanoseconds since [`EPOCH`]: the "theoretical arrival time" of
    /// the generic cell rate algorithm, <https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm>.
    paid_until: AtomicU64,
}

/// A call that is counted while it is under way.
#[derive(Debug)]
pub struct InFlight(Arc<Counts>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Counts {
    /// Counts one more call under way; `None` if there are `max` already.
    pub fn begin(self: &Arc<Self>, max: NonZeroU32) -> Option<InFlight> {
        if self.in_flight.fetch_add(1, Ordering::Relaxed) >= max.get() {
            self.in_flight.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(InFlight(Arc::clone(self)))
    }

    /// Takes the call's share of the rate.
    ///
    /// # Errors
    /// There is none left now; after this time there is one.
    pub fn pass(&self, per_second: NonZeroU32, now: Instant) -> Result<(), Duration> {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let now = nanos(now.saturating_duration_since(*EPOCH));
        let cost = nanos(Duration::from_secs(1)) / u64::from(per_second.get());
        let latest = now + nanos(BURST);
        let pay = |paid_until: u64| {
            let paid_until = paid_until.max(now) + cost;
            (paid_until <= latest).then_some(paid_until)
        };
        match self.paid_until.fetch_update(Ordering::Relaxed, Ordering::Relaxed, pay) {
            Ok(_) => Ok(()),
            Err(paid_until) => Err(Duration::from_nanos((paid_until + cost).saturating_sub(latest))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(value: u32) -> NonZeroU32 {
        NonZeroU32::new(value).unwrap()
    }

    #[test]
    fn calls_under_way_are_counted_until_they_end() {
        let counts = Arc::new(Counts::default());
        let first = counts.begin(count(2)).unwrap();
        let _second = counts.begin(count(2)).unwrap();
        assert!(counts.begin(count(2)).is_none());
        drop(first);
        assert!(counts.begin(count(2)).is_some());
    }

    #[test]
    fn a_second_is_worth_its_calls_and_no_more() {
        let counts = Counts::default();
        let begun = *EPOCH + Duration::from_secs(60);
        let passed = |now| (0..1000).filter(|_| counts.pass(count(100), now).is_ok()).count();
        assert_eq!(passed(begun), 100, "the burst");
        assert_eq!(counts.pass(count(100), begun), Err(Duration::from_millis(10)));
        assert_eq!(passed(begun + Duration::from_millis(500)), 50);
        assert_eq!(passed(begun + Duration::from_secs(60)), 100, "idle time is not saved up");
    }
}
