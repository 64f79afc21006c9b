//! What the writes of one batch see and change: what is committed, and above it the changes of the writes before.

use std::collections::HashMap;
use std::ops::ControlFlow;

use bytes::Bytes;
use prism_plugin::Error;
use prism_plugin::types::Ttl;

use crate::cache::Cache;
use crate::clock;
use crate::engine::{Engine, Fault, View};
use crate::fault::error;
use crate::layout::{self, Counts, Kind, Record};
use crate::waiters::{Handed, Waiters};

/// The changes of the writes of one batch. A write sees those before it.
pub(crate) struct Txn<'a> {
    engine: &'a dyn Engine,
    cache: &'a Cache,
    pub(crate) waiters: &'a Waiters,
    /// Values that are taken out of their lists for those who wait for them, once the batch is committed.
    pub(crate) handed: Vec<Handed>,
    /// Made by the first read that needs it.
    view: Option<Box<dyn View>>,
    changes: HashMap<Vec<u8>, Option<Bytes>>,
    /// What the current write has replaced in `changes`, oldest first.
    undo: Vec<(Vec<u8>, Option<Option<Bytes>>)>,
    /// Milliseconds since 1970, the same for the whole batch.
    pub(crate) now: u64,
}

impl<'a> Txn<'a> {
    pub(crate) fn new(engine: &'a dyn Engine, cache: &'a Cache, waiters: &'a Waiters, now: u64) -> Self {
        let (changes, undo, handed) = (HashMap::new(), Vec::new(), Vec::new());
        Self { engine, cache, waiters, handed, view: None, changes, undo, now }
    }

    /// Runs one write. If it fails, it has changed nothing.
    pub(crate) fn step<R>(&mut self, write: impl FnOnce(&mut Self) -> Result<R, Error>) -> Result<R, Error> {
        self.undo.clear();
        let handed = self.handed.len();
        let result = write(self);
        if result.is_err() {
            self.waiters.return_to_their_place(self.handed.drain(handed..));
            while let Some((key, before)) = self.undo.pop() {
                match before {
                    Some(change) => self.changes.insert(key, change),
                    None => self.changes.remove(&key),
                };
            }
        }
        result
    }

    /// All changes, in the order of their keys.
    pub(crate) fn into_changes(self) -> Vec<(Vec<u8>, Option<Bytes>)> {
        let mut changes: Vec<_> = self.changes.into_iter().collect();
        changes.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        changes
    }

    pub(crate) fn get(&mut self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        match self.changes.get(key) {
            Some(change) => Ok(change.clone()),
            None => self.view().get(key).map_err(|fault| error(&fault)),
        }
    }

    pub(crate) fn put(&mut self, key: Vec<u8>, value: Bytes) {
        self.change(key, Some(value));
    }

    pub(crate) fn remove(&mut self, key: Vec<u8>) {
        self.change(key, None);
    }

    /// The record of a key, even if it has expired.
    pub(crate) fn record(&mut self, key: &[u8]) -> Result<Option<Record>, Error> {
        if !self.changes.contains_key(key)
            && let Some(cached) = self.cache.peek(key)
        {
            return Ok(cached);
        }
        let encoded = self.get(key)?;
        encoded.map(|encoded| decoded(Record::decode(encoded), "a record")).transpose()
    }

    /// The record of a key, unless it has expired.
    pub(crate) fn live(&mut self, key: &[u8]) -> Result<Option<Record>, Error> {
        let record = self.record(key)?;
        Ok(record.filter(|record| record.is_live(self.now)))
    }

    /// A record with a time to live from now on.
    pub(crate) fn record_of(&self, value: Bytes, ttl: Option<Ttl>) -> Record {
        Record { deadline: ttl.map(|ttl| clock::deadline(self.now, ttl.as_duration())), value }
    }

    /// Replaces the record of a key, keeps the index of what expires, and counts; returns the record that was there, even if
    /// it had expired.
    pub(crate) fn replace(
        &mut self,
        namespace: &str,
        key: Vec<u8>,
        record: Option<&Record>,
    ) -> Result<Option<Record>, Error> {
        let before = self.record(&key)?;
        let (was_due, is_due) =
            (before.as_ref().and_then(|record| record.deadline), record.and_then(|record| record.deadline));
        if was_due != is_due {
            if let Some(deadline) = was_due {
                self.remove(layout::expiry(deadline, &key));
            }
            if let Some(deadline) = is_due {
                self.put(layout::expiry(deadline, &key), Bytes::new());
            }
        }
        match (before.is_some(), record.is_some()) {
            (false, true) => self.count(namespace, |counts| counts.keys += 1)?,
            (true, false) => self.count(namespace, |counts| counts.keys = counts.keys.saturating_sub(1))?,
            _ => {}
        }
        match record {
            Some(record) => self.put(key, record.encode()),
            None if before.is_some() => self.remove(key),
            None => {}
        }
        Ok(before)
    }

    /// Changes what a namespace holds.
    pub(crate) fn count(&mut self, namespace: &str, change: impl FnOnce(&mut Counts)) -> Result<(), Error> {
        let key = layout::counts(namespace);
        let mut counts = match self.get(&key)? {
            Some(encoded) => decoded(Counts::decode(&encoded), "the counts of a namespace")?,
            None => Counts::default(),
        };
        change(&mut counts);
        match counts {
            Counts { keys: 0, lists: 0 } => self.remove(key),
            _ => self.put(key, counts.encode()),
        }
        Ok(())
    }

    /// Keys of the engine that have expired, as they were before this batch.
    pub(crate) fn expired(&mut self, max: usize) -> Result<Vec<(u64, Vec<u8>)>, Error> {
        let (first, _) = Kind::Expiry.bounds();
        let behind = layout::expiry(self.now + 1, &[]);
        let mut expired = Vec::new();
        let scanned = self.view().scan(&first, &behind, &mut |key, _| {
            expired.extend(layout::expiring(key).map(|(deadline, of)| (deadline, of.to_vec())));
            if expired.len() < max { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        scanned.map_err(|fault| error(&fault))?;
        Ok(expired)
    }

    /// Keys of the engine from `from` on that are less than `to`, as they were before this batch.
    pub(crate) fn committed(&mut self, from: &[u8], to: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
        let mut keys = Vec::new();
        let scanned = self.view().scan(from, to, &mut |key, _| {
            keys.push(key.to_vec());
            ControlFlow::Continue(())
        });
        scanned.map_err(|fault| error(&fault))?;
        Ok(keys)
    }

    /// Keys from `from` on that are less than `to`, as they are now.
    pub(crate) fn keys(&mut self, from: &[u8], to: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
        let mut keys = self.committed(from, to)?;
        keys.retain(|key| !self.changes.contains_key(key));
        let is_within = |key: &[u8]| from <= key && key < to;
        let changed = self.changes.iter().filter(|(key, value)| value.is_some() && is_within(key));
        keys.extend(changed.map(|(key, _)| key.clone()));
        Ok(keys)
    }

    fn change(&mut self, key: Vec<u8>, value: Option<Bytes>) {
        let before = self.changes.insert(key.clone(), value);
        self.undo.push((key, before));
    }

    fn view(&mut self) -> &dyn View {
        let engine = self.engine;
        &**self.view.get_or_insert_with(|| engine.view())
    }
}

/// What was decoded, or that it is damaged.
pub(crate) fn decoded<T>(decoded: Option<T>, what: &str) -> Result<T, Error> {
    decoded.ok_or_else(|| error(&Fault::Damaged(format!("{what} is not of format {}", layout::FORMAT))))
}
