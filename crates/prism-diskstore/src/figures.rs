//! Counters of the committer, for metrics.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Counters since the store was opened.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) batches: AtomicU64,
    pub(crate) writes: AtomicU64,
    pub(crate) commit_micros: AtomicU64,
    pub(crate) syncs: AtomicU64,
    pub(crate) sync_micros: AtomicU64,
    pub(crate) expired: AtomicU64,
}

impl Figures {
    pub(crate) fn batch(&self, writes: u64, took: Duration) {
        self.batches.fetch_add(1, Relaxed);
        self.writes.fetch_add(writes, Relaxed);
        self.commit_micros.fetch_add(micros(took), Relaxed);
    }

    pub(crate) fn sync(&self, took: Duration) {
        self.syncs.fetch_add(1, Relaxed);
        self.sync_micros.fetch_add(micros(took), Relaxed);
    }
}

fn micros(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}
