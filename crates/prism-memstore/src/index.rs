//! One namespace's keys in byte order, so that the cost of a scan depends on what it returns and not on what is stored.
//!
//! The lock is held for one change or for one chunk of at most [`CHUNK_KEYS`] keys, and no other lock is taken under
//! it: a writer arrives with its map shard locked, a reader with nothing.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;
use prism_plugin::keyvalue::{Range, Start};

use crate::clock::Time;
use crate::entry::Entry;

/// The maximum number of keys visited at a time: some ten microseconds, which other requests on the thread can wait.
pub(crate) const CHUNK_KEYS: usize = 256;

#[derive(Default)]
pub(crate) struct Index(RwLock<Sorted>);

#[derive(Default)]
struct Sorted {
    entries: BTreeSet<Entry>,
    /// How many of them have a deadline.
    expiring: usize,
}

impl Index {
    /// Inserts an entry, replacing the one with its key, if any. A scan sees one of the two, never neither.
    pub(crate) fn put(&self, entry: Entry) {
        let mut sorted = self.write();
        sorted.expiring += usize::from(entry.expires());
        let replaced = sorted.entries.replace(entry);
        sorted.expiring -= usize::from(replaced.is_some_and(|entry| entry.expires()));
    }

    pub(crate) fn remove(&self, key: &[u8]) {
        let mut sorted = self.write();
        let removed = sorted.entries.take(key);
        sorted.expiring -= usize::from(removed.is_some_and(|entry| entry.expires()));
    }

    /// The next entries of a scan, including expired ones: at most `entries_max`, and no more once their sizes exceed
    /// `bytes_max`. Empty at the end.
    pub(crate) fn chunk(
        &self,
        cursor: &Cursor,
        entries_max: usize,
        bytes_max: usize,
        bytes: fn(&Entry) -> usize,
    ) -> Vec<Entry> {
        let sorted = self.read();
        let mut sum = 0;
        let within_bytes = |entry: &&Entry| {
            let reached = sum >= bytes_max;
            sum += bytes(entry);
            !reached
        };
        sorted.range(cursor).take(entries_max.min(CHUNK_KEYS)).take_while(within_bytes).cloned().collect()
    }

    /// Counts live keys from the cursor on and moves it after them; `None` at the end.
    pub(crate) fn count_chunk(&self, cursor: &mut Cursor, now: Time) -> Option<u64> {
        let sorted = self.read();
        let mut live = 0;
        let chunk = sorted.range(cursor).take(CHUNK_KEYS);
        let last = chunk.inspect(|entry| live += u64::from(entry.is_live(now))).last()?;
        cursor.behind = Some(Bytes::copy_from_slice(last.key()));
        Some(live)
    }

    /// The number of live keys, if it is known without counting: while none of them expires.
    pub(crate) fn count_all(&self) -> Option<u64> {
        let sorted = self.read();
        (sorted.expiring == 0).then_some(sorted.entries.len() as u64)
    }

    /// A panic under the lock could only be one of `BTreeSet`'s own; the keys are still there.
    fn read(&self) -> RwLockReadGuard<'_, Sorted> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Sorted> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sorted {
    fn range<'a>(&'a self, cursor: &'a Cursor) -> impl Iterator<Item = &'a Entry> {
        let bounds = cursor.bounds();
        // A set panics if its bounds are crossed.
        let is_crossed = matches!(bounds, (Bound::Included(low) | Bound::Excluded(low), Bound::Excluded(high)) if low >= high);
        let upwards = (!is_crossed).then(|| self.entries.range::<[u8], _>(bounds));
        let (mut upwards, reverse) = (upwards.into_iter().flatten(), cursor.reverse);
        std::iter::from_fn(move || if reverse { upwards.next_back() } else { upwards.next() })
    }
}

/// The position of a walk over the keys with a prefix. It holds a copy of the last key, not its entry, so that a paused
/// reader keeps no value alive.
///
/// The position that is handed out and taken back is that key: keys are in one order for as long as the store lives, so
/// any key, even one that is gone, says where to continue.
pub(crate) struct Cursor {
    prefix: String,
    /// The least text that is greater than all with the prefix; `None` if all keys have it.
    prefix_end: Option<Vec<u8>>,
    /// The key behind which the walk continues, in its direction.
    behind: Option<Bytes>,
    /// The key in front of which it ends.
    end: Option<Bytes>,
    reverse: bool,
}

impl Cursor {
    /// A walk over all keys with a prefix.
    pub(crate) fn new(prefix: String) -> Self {
        // A text's last byte is no 0xFF.
        let prefix_end =
            prefix.as_bytes().split_last().map(|(last, rest)| [rest, &[last.saturating_add(1)]].concat());
        Self { prefix, prefix_end, behind: None, end: None, reverse: false }
    }

    pub(crate) fn of(range: Range) -> Self {
        let behind = match range.start {
            Start::Beginning => None,
            Start::After(key) => Some(key.into_string().into()),
            Start::Resume(position) => Some(position),
        };
        let end = range.end.map(|key| key.into_string().into());
        Self { behind, end, reverse: range.reverse, ..Self::new(range.prefix) }
    }

    /// What continues the walk here; `None` at the beginning.
    pub(crate) fn position(&self) -> Option<Bytes> {
        self.behind.clone()
    }

    pub(crate) fn is_everything(&self) -> bool {
        self.prefix.is_empty() && self.behind.is_none()
    }

    pub(crate) fn move_behind(&mut self, key: &[u8]) {
        self.behind = Some(Bytes::copy_from_slice(key));
    }

    /// The keys that are left.
    pub(crate) fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        let (low, high) = match self.reverse {
            false => (self.behind.as_deref(), self.end.as_deref()),
            true => (self.end.as_deref(), self.behind.as_deref()),
        };
        let low = match low {
            Some(key) if key >= self.prefix.as_bytes() => Bound::Excluded(key),
            _ => Bound::Included(self.prefix.as_bytes()),
        };
        let high = match (high, self.prefix_end.as_deref()) {
            (Some(key), Some(end)) => Some(key.min(end)),
            (key, end) => key.or(end),
        };
        (low, high.map_or(Bound::Unbounded, Bound::Excluded))
    }
}
