//! Parts of lists as a backend implements them.

use std::ops::Range;
use std::pin::Pin;

use bytes::Bytes;
use futures_core::Stream;
use prism_grpc::Context;

use crate::error::Error;
use crate::types::{Key, Namespace};

/// Values of a list from left to right, in pages of bounded size.
pub type Values = Pin<Box<dyn Stream<Item = Result<Vec<Bytes>, Error>> + Send>>;

/// A backend that reads and removes parts of lists. Ranges are as Redis has them: see [`indices`].
pub trait ListRange: Send + Sync + 'static {
    /// Returns the values of a range. Each page is read at one moment. Dropping the stream ends the call.
    fn range(&self, context: &Context, namespace: Namespace, list_key: Key, start: i64, stop: i64) -> Values;

    /// Removes all values outside of a range, atomically, and returns how many are left.
    ///
    /// # Errors
    /// An error of the backend.
    fn trim(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        start: i64,
        stop: i64,
    ) -> impl Future<Output = Result<u64, Error>> + Send;

    /// Removes a list, atomically, ends the leases of its reserved values, and returns how many values it had.
    ///
    /// # Errors
    /// An error of the backend.
    fn clear(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
    ) -> impl Future<Output = Result<u64, Error>> + Send;
}

/// The indices of a range of a list with `len` values: both ends are included, negative ones count from the right end, and what
/// lies outside of the list is left out.
///
/// ```
/// use prism_plugin::list::indices;
/// assert_eq!(indices(0, -1, 5), 0..5);
/// assert_eq!(indices(-2, 9, 5), 3..5);
/// assert!(indices(3, 1, 5).is_empty() && indices(5, 9, 5).is_empty());
/// ```
#[must_use]
pub fn indices(start: i64, stop: i64, len: u64) -> Range<u64> {
    let from_left = |index: i64| match u64::try_from(index) {
        Ok(index) => Some(index),
        Err(_) => len.checked_sub(index.unsigned_abs()),
    };
    let start = from_left(start).unwrap_or(0);
    let end = from_left(stop).map_or(0, |stop| stop.saturating_add(1)).min(len);
    start.min(end)..end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_redis() {
        for (start, stop, expected) in [
            (0, -1, 0..5),
            (0, 0, 0..1),
            (-1, -1, 4..5),
            (1, 3, 1..4),
            (-100, 100, 0..5),
            (-100, -5, 0..1),
            (i64::MIN, i64::MAX, 0..5),
        ] {
            assert_eq!(indices(start, stop, 5), expected, "{start} to {stop}");
        }
        for (start, stop) in [(5, 9), (3, 2), (-1, -2), (0, -6), (i64::MAX, i64::MAX), (0, i64::MIN)] {
            assert!(indices(start, stop, 5).is_empty(), "{start} to {stop}");
        }
        assert!(indices(0, -1, 0).is_empty());
    }
}
