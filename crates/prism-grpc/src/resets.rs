//! How many calls a client has reset recently.

use std::time::Duration;

use tokio::time::Instant;

/// The period over which resets are counted: see [`resets_max`](crate::limits::Limits::resets_max).
const RESETS_WINDOW: Duration = Duration::from_secs(10);

/// The resets of the current and the previous [`RESETS_WINDOW`].
#[derive(Debug, Default)]
pub(crate) struct Resets {
    since: Option<Instant>,
    count: usize,
}

impl Resets {
    /// Counts `resets` more and returns the total.
    pub(crate) fn add(&mut self, resets: u32) -> usize {
        if resets > 0 {
            let now = Instant::now();
            if self.since.is_none_or(|since| now.duration_since(since) >= RESETS_WINDOW) {
                *self = Self { since: Some(now), count: 0 };
            }
            self.count += resets as usize;
        }
        self.count
    }
}
