//! Counters.

use bytes::Bytes;
use prism_plugin::keyvalue::{KeyValueCounter, incremented};
use prism_plugin::types::{Key, Namespace, Ttl};
use prism_plugin::{Context, Error};

use crate::layout::{self, Record};
use crate::store::DiskStore;

impl KeyValueCounter for DiskStore {
    async fn increment(
        &self,
        context: &Context,
        namespace: Namespace,
        key: Key,
        delta: i64,
        initial: i64,
        ttl: Option<Ttl>,
    ) -> Result<i64, Error> {
        let key = layout::value(&namespace, key.as_bytes());
        self.write(context, true, key.len(), move |txn| {
            let current = txn.live(&key)?;
            let sum = incremented(current.as_ref().map(|record| &record.value[..]), delta, initial)?;
            let value = Bytes::from(sum.to_string());
            let record = match current {
                Some(Record { deadline, .. }) => Record { deadline, value },
                None => txn.record_of(value, ttl),
            };
            txn.replace(&namespace, key, Some(&record))?;
            Ok(sum)
        })
        .await
    }
}
