//! The results of calls that have more than one part, and numbers and durations as they arrive.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

/// How a conditional write ended.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Changed {
    /// Whether the condition held and the write was applied.
    pub applied: bool,
    /// If it was asked for: the value that stood before the call. `None` also if the key did not exist.
    pub current: Option<Bytes>,
}

/// Does not show the value.
impl fmt::Debug for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changed").field("applied", &self.applied).finish_non_exhaustive()
    }
}

/// How a push of many values ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// The number of values after it.
    pub new_length: u64,
    /// The number of values removed at the other end, for [`max_len`](crate::Call::max_len).
    pub trimmed: u64,
}

/// A number that no server has reason to make negative.
pub(crate) fn unsigned(number: i64) -> u64 {
    number.max(0).unsigned_abs()
}

/// A duration in milliseconds.
pub(crate) fn millis(number: i64) -> Duration {
    Duration::from_millis(unsigned(number))
}
