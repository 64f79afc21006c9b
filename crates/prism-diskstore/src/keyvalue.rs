//! The KeyValue half of the store. Each write is a step of a batch.

mod batch;
mod cas;
mod counter;
mod ttl;

use bytes::Bytes;
use prism_plugin::keyvalue::{KeyValue, Pages, Range, ValueAndTtl};
use prism_plugin::types::{Key, Namespace, Ttl};
use prism_plugin::{Capabilities, Context, Durability as Promised, Error};

use crate::clock;
use crate::config::{Durability, SYNC_EVERY};
use crate::layout::{self, Record};
use crate::scan::Scan;
use crate::store::DiskStore;

/// What a store with this durability promises.
pub(crate) fn promises(durability: Durability) -> Capabilities {
    Capabilities {
        ordered: true,
        scan_exactly_once: true,
        exact_count: true,
        linearizable: true,
        in_memory: false,
        resumable: true,
        evicts: false,
        durability: match durability {
            Durability::EveryWrite => Some(Promised::EveryWrite),
            Durability::Periodic => Some(Promised::Periodic { period: SYNC_EVERY }),
            // When the system writes is not known.
            Durability::Never => None,
        },
        idempotent_retries: true,
    }
}

impl KeyValue for DiskStore {
    fn capabilities(&self) -> Capabilities {
        promises(self.shared.settings().durability)
    }

    fn identity(&self) -> &str {
        "diskstore"
    }

    async fn set(
        &self,
        context: &Context,
        namespace: Namespace,
        key: Key,
        value: Bytes,
        ttl: Option<Ttl>,
    ) -> Result<(), Error> {
        let key = layout::value(&namespace, key.as_bytes());
        let bytes = key.len() + value.len();
        // A copy: the value is a slice of what was received, which it would keep in memory.
        let value = Bytes::copy_from_slice(&value);
        self.write(context, true, bytes, move |txn| {
            let record = txn.record_of(value, ttl);
            txn.replace(&namespace, key, Some(&record)).map(drop)
        })
        .await
    }

    async fn get(&self, _: &Context, namespace: Namespace, key: Key) -> Result<Option<Bytes>, Error> {
        let record = self.live(layout::value(&namespace, key.as_bytes())).await?;
        Ok(record.map(|record| record.value))
    }

    fn reads_ttl(&self) -> bool {
        true
    }

    async fn get_with_ttl(
        &self,
        _: &Context,
        namespace: Namespace,
        key: Key,
    ) -> Result<Option<ValueAndTtl>, Error> {
        let record = self.live(layout::value(&namespace, key.as_bytes())).await?;
        Ok(record.map(|record| {
            let left = record.left(clock::now());
            (record.value, left)
        }))
    }

    async fn delete(&self, context: &Context, namespace: Namespace, key: Key) -> Result<bool, Error> {
        let key = layout::value(&namespace, key.as_bytes());
        self.write(context, false, key.len(), move |txn| {
            let now = txn.now;
            let removed = txn.replace(&namespace, key, None)?;
            Ok(removed.is_some_and(|record| record.is_live(now)))
        })
        .await
    }

    async fn exists(&self, _: &Context, namespace: Namespace, key: Key) -> Result<bool, Error> {
        let record = self.live(layout::value(&namespace, key.as_bytes())).await?;
        Ok(record.is_some())
    }

    fn scan(&self, _: &Context, range: Range) -> Pages<(Key, Bytes)> {
        let bytes = |key: &Key, record: &Record| key.len() + record.value.len();
        Scan::new(self, range, bytes).pages(|key, record| (key, record.value))
    }

    fn scan_keys(&self, _: &Context, range: Range) -> Pages<Key> {
        Scan::<Record>::new(self, range, |key, _| key.len()).pages(|key, _| key)
    }

    async fn count(&self, _: &Context, namespace: Namespace, prefix: String) -> Result<u64, Error> {
        self.count_stored::<Record>(&namespace, &prefix).await
    }
}
