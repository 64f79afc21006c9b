//! Records that were read or written lately, in memory, so that a Get of one of them waits for nothing.
//!
//! A reader that misses takes a placeholder before it reads the engine, and the committer replaces or removes records after
//! a commit. A placeholder that was replaced or removed meanwhile takes no record, so that no reader puts back what a later
//! commit has changed.

use std::hash::RandomState;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use quick_cache::Weighter;
use quick_cache::sync::{Cache as Records, DefaultLifecycle, GuardResult};

use crate::engine::Fault;
use crate::layout::Record;

/// What an entry takes besides its key and value.
const ENTRY_BYTES: u64 = 128;

/// The size of an entry that sets how many the cache makes room for at first.
const TYPICAL_BYTES: u64 = 512;

type Key = Vec<u8>;

/// The cache. A key that is known to be missing is `None`.
pub(crate) struct Cache {
    records: Records<Key, Option<Record>, Weight>,
    hits: AtomicU64,
    misses: AtomicU64,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Key, Option<Record>> for Weight {
    fn weight(&self, key: &Key, record: &Option<Record>) -> u64 {
        ENTRY_BYTES + key.len() as u64 + record.as_ref().map_or(0, |record| record.value.len() as u64)
    }
}

impl Cache {
    pub(crate) fn new(bytes: u64) -> Self {
        let entries = usize::try_from(bytes / TYPICAL_BYTES).unwrap_or(usize::MAX);
        let lifecycle = DefaultLifecycle::default();
        let records = Records::with(entries, bytes, Weight, RandomState::default(), lifecycle);
        Self { records, hits: AtomicU64::new(0), misses: AtomicU64::new(0) }
    }

    pub(crate) fn set_bytes(&self, bytes: u64) {
        self.records.set_capacity(bytes);
    }

    /// The record, if it is here.
    pub(crate) fn get(&self, key: &[u8]) -> Option<Option<Record>> {
        let found = self.records.get(key);
        let counter = if found.is_some() { &self.hits } else { &self.misses };
        counter.fetch_add(1, Relaxed);
        found
    }

    /// The record, if it is here; not counted.
    pub(crate) fn peek(&self, key: &[u8]) -> Option<Option<Record>> {
        self.records.peek(key)
    }

    /// The record, read by `read` unless it is here by now.
    pub(crate) fn get_or_read(
        &self,
        key: &[u8],
        read: impl FnOnce() -> Result<Option<Record>, Fault>,
    ) -> Result<Option<Record>, Fault> {
        match self.records.get_value_or_guard(key, None) {
            GuardResult::Value(record) => Ok(record),
            GuardResult::Guard(place) => {
                let record = read()?;
                // Refused if a commit has changed the record since.
                drop(place.insert(record.clone()));
                Ok(record)
            }
            GuardResult::Timeout => read(),
        }
    }

    /// A commit has changed the record.
    pub(crate) fn put(&self, key: Vec<u8>, record: Option<Record>) {
        // Removed first: inserting a record that is too large for the cache would leave a reader's placeholder in place.
        self.records.remove(key.as_slice());
        self.records.insert(key, record);
    }

    pub(crate) fn hits(&self) -> u64 {
        self.hits.load(Relaxed)
    }

    pub(crate) fn misses(&self) -> u64 {
        self.misses.load(Relaxed)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.records.weight()
    }
}
