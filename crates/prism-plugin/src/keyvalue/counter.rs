//! Counters as a backend implements them, and the arithmetic that all of them share.

use prism_grpc::Context;

use crate::error::{Error, ErrorReason};
use crate::types::{Key, Namespace, Ttl};

/// A backend that adds to numbers in one atomic step.
pub trait KeyValueCounter: Send + Sync + 'static {
    /// Adds to the number that a key holds as decimal text, and returns the sum. A missing key becomes `initial + delta`, with
    /// `ttl` if that is given; an existing one keeps its time to live. See [`incremented`].
    ///
    /// # Errors
    /// NOT_A_NUMBER, COUNTER_OVERFLOW, or MEMORY_LIMIT if the backend is full: nothing has changed. Otherwise an error of the
    /// backend.
    fn increment(
        &self,
        context: &Context,
        namespace: Namespace,
        key: Key,
        delta: i64,
        initial: i64,
        ttl: Option<Ttl>,
    ) -> impl Future<Output = Result<i64, Error>> + Send;
}

/// The sum of a counter's value, `None` for a missing key, and `delta`.
///
/// # Errors
/// NOT_A_NUMBER or COUNTER_OVERFLOW.
pub fn incremented(current: Option<&[u8]>, delta: i64, initial: i64) -> Result<i64, Error> {
    let current = match current {
        None => initial,
        Some(text) => number(text).ok_or_else(not_a_number)?,
    };
    current.checked_add(delta).ok_or_else(counter_overflow)
}

/// A number as Redis writes it: no sign but a minus, no leading zeros, no blanks.
fn number(text: &[u8]) -> Option<i64> {
    let number: i64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    // What is not written in this one way, such as `+1`, `01` and `-0`, is no number.
    (number.to_string().as_bytes() == text).then_some(number)
}

/// NOT_A_NUMBER.
#[must_use]
pub fn not_a_number() -> Error {
    let why = "the value is not a number as Increment writes it; set the key to decimal text, such as 0, or use another key";
    Error::new(ErrorReason::NotANumber, why)
}

/// COUNTER_OVERFLOW.
#[must_use]
pub fn counter_overflow() -> Error {
    let why = "the sum does not fit into 64 bits; nothing has changed";
    Error::new(ErrorReason::CounterOverflow, why).with("field", "delta")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_redis_writes_is_a_number() {
        for (text, number) in [
            ("0", 0),
            ("17", 17),
            ("-3", -3),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
        ] {
            assert_eq!(incremented(Some(text.as_bytes()), 0, 0), Ok(number));
        }
        for text in ["", "+1", "01", "-0", " 1", "1 ", "1.0", "9223372036854775808", "x", "-", "\u{663}"] {
            let error = incremented(Some(text.as_bytes()), 0, 0).unwrap_err();
            assert_eq!(error.reason, ErrorReason::NotANumber, "{text:?}");
        }
    }

    #[test]
    fn a_sum_stays_within_64_bits() {
        assert_eq!(incremented(None, -3, 10), Ok(7));
        for (current, delta) in [(i64::MAX, 1), (i64::MIN, -1)] {
            let error = incremented(Some(current.to_string().as_bytes()), delta, 0).unwrap_err();
            assert_eq!(error.reason, ErrorReason::CounterOverflow);
            assert_eq!(incremented(None, delta, current).unwrap_err().reason, ErrorReason::CounterOverflow);
        }
    }
}
