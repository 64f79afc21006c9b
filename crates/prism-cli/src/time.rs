//! Times in their written form: `500ms`, `2s`, `1h 30m`.

use std::time::Duration;

/// Parses a time, zero included.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|error| format!("{error}; expected a number and a unit, such as 500ms, 10s or 5min"))
}

/// Parses a timeout, which must not be zero.
pub(crate) fn time_limit(text: &str) -> Result<Duration, String> {
    match time(text)? {
        Duration::ZERO => Err("expected more than 0s".to_owned()),
        limit => Ok(limit),
    }
}

/// A time to live in whole seconds. A fraction is rounded up: nothing expires early.
pub(crate) fn whole_seconds(ttl: Duration) -> i64 {
    let seconds = ttl.as_secs().saturating_add(u64::from(ttl.subsec_nanos() > 0));
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

/// The same in milliseconds.
pub(crate) fn millis(ttl: Duration) -> i64 {
    i64::try_from(ttl.as_micros().div_ceil(1000)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fraction_is_rounded_up() {
        assert_eq!(whole_seconds(Duration::from_millis(1999)), 2);
        assert_eq!(whole_seconds(Duration::from_secs(5)), 5);
        assert_eq!(millis(Duration::from_micros(1)), 1);
        assert_eq!(millis(Duration::from_micros(1_999)), 2);
        assert_eq!(millis(Duration::from_secs(5)), 5_000);
        assert_eq!(millis(Duration::ZERO), 0, "the server refuses it");
    }

    #[test]
    fn times_need_a_unit() {
        assert_eq!(time("1h 30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(time_limit("250ms"), Ok(Duration::from_millis(250)));
        for wrong in ["", "5", "soon", "-1s"] {
            assert!(time(wrong).unwrap_err().contains("such as"), "{wrong}");
        }
        assert!(time_limit("0s").unwrap_err().contains("more than 0s"));
    }
}
