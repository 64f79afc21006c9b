//! The KeyValue half of the store.

use std::ops::ControlFlow;

use bytes::Bytes;
use prism_plugin::keyvalue::{KeyValue, Pages, Range};
use prism_plugin::types::{Key, Namespace, Ttl};
use prism_plugin::{Capabilities, Context, Error};

use crate::clock;
use crate::layout::{self, Record};
use crate::scan::{Cursor, Scan};
use crate::store::DiskStore;

/// What the store promises.
pub(crate) const CAPABILITIES: Capabilities = Capabilities {
    ordered: true,
    scan_exactly_once: true,
    exact_count: true,
    linearizable: true,
    in_memory: false,
    resumable: true,
    evicts: false,
    durability: None,
    idempotent_retries: false,
};

/// How many keys are counted before other blocking work may have its turn.
const COUNT_KEYS: usize = 4096;

impl KeyValue for DiskStore {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
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
            let deadline = ttl.map(|ttl| clock::deadline(txn.now, ttl.as_duration()));
            txn.replace(&namespace, key, Some(&Record { deadline, value })).map(drop)
        })
        .await
    }

    async fn get(&self, _: &Context, namespace: Namespace, key: Key) -> Result<Option<Bytes>, Error> {
        let record = self.live(layout::value(&namespace, key.as_bytes())).await?;
        Ok(record.map(|record| record.value))
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
        Scan::new(self, range, |key, _| key.len()).pages(|key, _| key)
    }

    async fn count(&self, _: &Context, namespace: Namespace, prefix: String) -> Result<u64, Error> {
        let mut cursor = Cursor::new(&namespace, &prefix);
        let mut count = 0;
        loop {
            let from = cursor.clone();
            let (live, next) = self
                .read(move |view| {
                    let now = clock::now();
                    let (mut seen, mut live, mut next) = (0, 0, None);
                    view.scan(&from.from, &from.to, &mut |key, encoded| {
                        seen += 1;
                        live += u64::from(layout::is_live(encoded, now));
                        if seen < COUNT_KEYS {
                            return ControlFlow::Continue(());
                        }
                        next = Some(key.to_vec());
                        ControlFlow::Break(())
                    })?;
                    Ok((live, next))
                })
                .await?;
            count += live;
            match next {
                Some(key) => cursor.move_behind(key),
                None => return Ok(count),
            }
        }
    }
}
