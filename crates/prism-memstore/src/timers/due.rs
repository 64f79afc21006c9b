//! When a key is checked: its deadline, rounded up so that many keys share a timer.

use std::time::Duration;

use crate::clock::Time;

/// A key is freed late by at most this fraction of its time to live,
const LATE_PART: u64 = 256;

/// or this much, whichever is more: 2^27 ns, about an eighth of a second.
const LATE_NANOS: u64 = 1 << 27;

/// The farthest ahead that a timer is armed; a key with a later deadline is checked again then. `DelayQueue` panics
/// beyond 2^36 ms (795 days) after it last fired, which can itself lie this far back.
const AHEAD_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// When to check a key with this deadline: a multiple of a power of two of at most 1/256 of the time until then.
///
/// That bounds the timers: at most 512 of each step lie ahead, because each step covers what is 256 to 512 steps away,
/// or less, and there are 20 steps from 2^27 ns to 2^46 ns (365 days / 256): 10,240 timers, of some 280 bytes each with
/// their lists. Too little to be charged.
pub(super) fn due(deadline: Time, now: Time) -> Time {
    let ahead = deadline.nanos_since(now).min(AHEAD_MAX.as_nanos() as u64);
    let step = 1 << (ahead / LATE_PART).max(LATE_NANOS).ilog2();
    now.plus(Duration::from_nanos(ahead)).rounded_up(step)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const YEAR: u64 = 365 * 24 * 60 * 60 * SECOND;

    fn at(nanos: u64) -> Time {
        Time::START.plus(Duration::from_nanos(nanos))
    }

    #[test]
    fn a_key_is_due_soon_after_its_deadline_and_never_before() {
        for _ in 0..100_000 {
            let now = fastrand::u64(..10 * YEAR);
            let ttl = SECOND << fastrand::u64(..25);
            let ttl = (ttl + fastrand::u64(..ttl)).min(YEAR);
            let due = due(at(now + ttl), at(now)).nanos_since(at(now));
            let late = due - ttl;
            assert!(late <= (ttl / LATE_PART).max(LATE_NANOS), "{ttl} ns to live, {late} ns late");
        }
    }

    #[test]
    fn a_deadline_of_now_or_before_is_due_at_once() {
        for deadline in [at(0), at(5 * SECOND)] {
            assert!(due(deadline, at(5 * SECOND)).nanos_since(at(5 * SECOND)) <= LATE_NANOS);
        }
    }

    #[test]
    fn a_deadline_far_away_is_looked_at_within_the_range_of_the_queue() {
        let ahead = due(at(100 * YEAR), at(YEAR)).nanos_since(at(YEAR));
        assert!((YEAR..=YEAR + YEAR / LATE_PART).contains(&ahead));
    }

    #[test]
    fn timers_are_no_more_than_counted_whatever_the_times_to_live() {
        let mut timers = HashSet::new();
        let mut now = at(0);
        for _ in 0..1_000_000 {
            now = now.plus(Duration::from_nanos(fastrand::u64(..SECOND / 100)));
            let ttl = (SECOND as f64 * (100.0 * YEAR as f64 / SECOND as f64).powf(fastrand::f64())) as u64;
            timers.insert(due(now.plus(Duration::from_nanos(ttl)), now));
        }
        timers.retain(|due| *due > now);
        assert!((2000..=10_240).contains(&timers.len()), "{} timers", timers.len());
    }
}
