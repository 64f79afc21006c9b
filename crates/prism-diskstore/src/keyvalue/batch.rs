//! Batches of keys: each is one write, and so waits for the disk once, with a step per item.

use bytes::Bytes;
use prism_plugin::keyvalue::{KeyValueBatch, ValueAndTtl};
use prism_plugin::types::{Key, Namespace, Ttl};
use prism_plugin::{Context, Error};

use crate::clock;
use crate::fault::error;
use crate::layout::{self, Record};
use crate::shared::Shared;
use crate::store::DiskStore;

/// How many items are read at a time, so that others get their turn, and how much, with the last value on top.
const PART_ITEMS: usize = 256;
const PART_BYTES: usize = 1024 * 1024;

impl KeyValueBatch for DiskStore {
    async fn get_first(
        &self,
        _: &Context,
        namespace: &Namespace,
        keys: &[Key],
        _: bool,
    ) -> Vec<Result<Option<ValueAndTtl>, Error>> {
        let part = keys.iter().take(PART_ITEMS);
        let keys: Vec<_> = part.map(|key| layout::value(namespace, key.as_bytes())).collect();
        let cached: Option<Vec<_>> = keys.iter().map(|key| self.shared.cache.get(key).map(Ok)).collect();
        let read = match cached {
            Some(records) => Ok(records),
            None => self.blocking(move |shared| Ok(first_records(shared, &keys))).await,
        };
        let now = clock::now();
        let answer = |record: Record| record.is_live(now).then(|| (record.value.clone(), record.left(now)));
        match read {
            Ok(records) => {
                records.into_iter().map(|record| record.map(|found| found.and_then(answer))).collect()
            }
            Err(error) => vec![Err(error)],
        }
    }

    async fn set_each(
        &self,
        context: &Context,
        namespace: Namespace,
        items: Vec<(Key, Bytes, Option<Ttl>)>,
    ) -> Vec<Result<(), Error>> {
        let bytes = items.iter().map(|(key, value, _)| key.len() + value.len()).sum();
        let items = items.into_iter().map(|(key, value, ttl)| {
            (layout::value(&namespace, key.as_bytes()), Bytes::copy_from_slice(&value), ttl)
        });
        let items: Vec<_> = items.collect();
        let namespace = namespace.clone();
        self.write_each(context, true, bytes, items, move |txn, (key, value, ttl)| {
            let record = txn.record_of(value, ttl);
            txn.replace(&namespace, key, Some(&record)).map(drop)
        })
        .await
    }

    async fn delete_each(
        &self,
        context: &Context,
        namespace: Namespace,
        keys: Vec<Key>,
    ) -> Vec<Result<bool, Error>> {
        let keys: Vec<_> = keys.iter().map(|key| layout::value(&namespace, key.as_bytes())).collect();
        let bytes = keys.iter().map(Vec::len).sum();
        self.write_each(context, false, bytes, keys, move |txn, key| {
            let now = txn.now;
            let removed = txn.replace(&namespace, key, None)?;
            Ok(removed.is_some_and(|record| record.is_live(now)))
        })
        .await
    }
}

/// The records of the first of these keys.
fn first_records(shared: &Shared, keys: &[Vec<u8>]) -> Vec<Result<Option<Record>, Error>> {
    let (mut records, mut bytes) = (Vec::with_capacity(keys.len()), 0);
    for key in keys {
        let record = shared.record(key);
        bytes += record.as_ref().map_or(0, |found| found.as_ref().map_or(0, |found| found.value.len()));
        records.push(record.map_err(|fault| error(&fault)));
        if bytes >= PART_BYTES {
            break;
        }
    }
    records
}
