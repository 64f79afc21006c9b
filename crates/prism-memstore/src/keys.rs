//! One namespace's keys: a hash map for lookups, and the index that keeps them in order.
//!
//! Both point to the same entries and change together under the key's map shard: locks are taken in the order
//! namespace, map shard, then index or timers, one at a time, and never in reverse. The index changes first and the
//! map, still locked, last; so a reader that saw a new value in a scan also finds it by its key.

use std::hash::RandomState;
use std::sync::Arc;

use bytes::Bytes;
use dashmap::{DashMap, Entry as Place};
use prism_plugin::types::Key;

use crate::clock::Time;
use crate::entry::Entry;
use crate::index::Index;
use crate::memory::{Full, Memory, Slots};
use crate::namespaces::{MAP_SHARDS, Space};
use crate::timers::Timers;

pub(crate) struct Keys {
    namespace: Arc<str>,
    map: DashMap<Entry, (), RandomState>,
    index: Index,
    slots: Slots,
}

impl Space for Keys {
    fn new(namespace: Arc<str>, hasher: RandomState) -> Self {
        let map = DashMap::with_hasher_and_shard_amount(hasher, MAP_SHARDS);
        Self { namespace, map, index: Index::default(), slots: Slots::new(size_of::<Entry>()) }
    }

    fn slots(&self) -> &Slots {
        &self.slots
    }
}

impl Keys {
    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    pub(crate) fn index(&self) -> &Index {
        &self.index
    }

    /// Stores an entry. If the store is full, the key keeps its previous value.
    pub(crate) fn put(
        self: &Arc<Self>,
        entry: Entry,
        memory: &Memory,
        timers: &Timers<Self>,
    ) -> Result<(), Full> {
        self.put_if(entry, |_| true, memory, timers).map(drop)
    }

    /// Stores an entry if `condition` holds for the one that it replaces, even an expired one, and returns whether it did. If
    /// the store is full, the key keeps its previous value.
    pub(crate) fn put_if(
        self: &Arc<Self>,
        entry: Entry,
        condition: impl FnOnce(Option<&Entry>) -> bool,
        memory: &Memory,
        timers: &Timers<Self>,
    ) -> Result<bool, Full> {
        match self.map.entry(entry.clone()) {
            Place::Vacant(place) => {
                if !condition(None) {
                    return Ok(false);
                }
                let room = memory.reserve(entry.charged_bytes())?;
                self.slots.occupy(memory)?;
                timers.follow(self, None, &entry, memory).inspect_err(|_| self.slots.vacate())?;
                self.index.put(entry);
                place.insert(());
                room.keep();
            }
            Place::Occupied(place) => {
                if !condition(Some(place.key())) {
                    return Ok(false);
                }
                let (before, after) = (place.key().charged_bytes(), entry.charged_bytes());
                let room = memory.reserve(after.saturating_sub(before))?;
                timers.follow(self, Some(place.key()), &entry, memory)?;
                self.index.put(entry);
                place.replace_entry(());
                room.keep();
                memory.release(before.saturating_sub(after));
            }
        }
        Ok(true)
    }

    /// The result of `read` on an entry, even an expired one. Runs under the shard's lock: no waiting, no other key.
    pub(crate) fn read<R>(&self, key: &Key, read: impl FnOnce(&Entry) -> R) -> Option<R> {
        self.map.get(key.as_bytes()).map(|place| read(place.key()))
    }

    /// Removes the entry with this key if `condition` holds.
    pub(crate) fn remove_if(
        &self,
        key: &[u8],
        condition: impl FnOnce(&Entry) -> bool,
        memory: &Memory,
        timers: &Timers<Self>,
    ) -> Option<Entry> {
        let (entry, ()) = self.map.remove_if(key, |entry, ()| {
            let remove = condition(entry);
            if remove {
                timers.release(entry, memory);
                self.index.remove(key);
            }
            remove
        })?;
        memory.release(entry.charged_bytes());
        self.slots.vacate();
        self.slots.tidy(memory, || self.map.shrink_to_fit());
        Some(entry)
    }

    /// Frees the entry with this key if it has expired; the key may have been set again in the meantime.
    pub(crate) fn expire(&self, key: &[u8], now: Time, memory: &Memory, timers: &Timers<Self>) {
        self.remove_if(key, |entry| !entry.is_live(now), memory, timers);
    }
}

/// The value, if the entry is live.
pub(crate) fn live_value(entry: &Entry, now: impl FnOnce() -> Time) -> Option<Bytes> {
    is_live(entry, now).then(|| entry.to_value())
}

/// Reads the time only if the entry has a deadline: reading the clock costs as much as the rest of a lookup.
pub(crate) fn is_live(entry: &Entry, now: impl FnOnce() -> Time) -> bool {
    !entry.expires() || entry.is_live(now())
}
