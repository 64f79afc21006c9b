//! A namespace's limits on its calls: how many are in flight, and how many start per second. They count across all
//! workers of this proxy; another proxy counts its own.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How far calls may run ahead of their rate: a second's worth may arrive at once.
const BURST: Duration = Duration::from_secs(1);

static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The counters of a namespace. They survive a change of the namespace's settings.
#[derive(Debug, Default)]
pub struct Counts {
    in_flight: AtomicU32,
    /// Until when the calls so far have used up the rate, in nanoseconds since [`EPOCH`]: the "theoretical arrival
    /// time" of the generic cell rate algorithm, <https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm>.
    paid_until: AtomicU64,
}

/// A call that counts as in flight until this is dropped.
#[derive(Debug)]
pub struct InFlight(Arc<Counts>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Counts {
    /// Counts one more call in flight; `None` if there are already `max`.
    pub fn begin(self: &Arc<Self>, max: NonZeroU32) -> Option<InFlight> {
        if self.in_flight.fetch_add(1, Ordering::Relaxed) >= max.get() {
            self.in_flight.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(InFlight(Arc::clone(self)))
    }

    /// Takes one call from the rate.
    ///
    /// # Errors
    /// The time after which the rate allows another call.
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
        assert_eq!(passed(begun + Duration::from_secs(60)), 100, "idle time does not accumulate");
    }
}
