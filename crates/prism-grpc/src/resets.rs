//! How many calls a client has reset of late.

use std::time::Duration;

use tokio::time::Instant;

/// Over so long resets are counted: see [`resets_max`](crate::limits::Limits::resets_max).
const RESETS_WINDOW: Duration = Duration::from_secs(10);

/// The resets of the last and this [`RESETS_WINDOW`].
#[derive(Debug, Default)]
pub(crate) struct Resets {
    since: Option<Instant>,
    count: usize,
}

impl Resets {
    /// Counts so many more, and returns how many it comes to.
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
