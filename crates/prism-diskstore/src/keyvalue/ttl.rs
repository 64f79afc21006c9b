//! Times to live. A record has its deadline in front of its value, so a new deadline writes both.

use std::time::Duration;

use prism_plugin::keyvalue::KeyValueTtl;
use prism_plugin::types::{Key, Namespace, Ttl};
use prism_plugin::{Context, Error};

use crate::clock;
use crate::layout::{self, Record};
use crate::store::DiskStore;

impl KeyValueTtl for DiskStore {
    async fn ttl_left(
        &self,
        _: &Context,
        namespace: Namespace,
        key: Key,
    ) -> Result<Option<Option<Duration>>, Error> {
        let record = self.live(layout::value(&namespace, key.as_bytes())).await?;
        Ok(record.map(|record| record.left(clock::now())))
    }

    async fn expire(
        &self,
        context: &Context,
        namespace: Namespace,
        key: Key,
        ttl: Ttl,
    ) -> Result<bool, Error> {
        let key = layout::value(&namespace, key.as_bytes());
        self.write(context, true, key.len(), move |txn| {
            let Some(record) = txn.live(&key)? else { return Ok(false) };
            let record = txn.record_of(record.value, Some(ttl));
            txn.replace(&namespace, key, Some(&record))?;
            Ok(true)
        })
        .await
    }

    async fn persist(
        &self,
        context: &Context,
        namespace: Namespace,
        key: Key,
    ) -> Result<Option<bool>, Error> {
        let key = layout::value(&namespace, key.as_bytes());
        self.write(context, true, key.len(), move |txn| {
            let Some(record) = txn.live(&key)? else { return Ok(None) };
            if record.deadline.is_none() {
                return Ok(Some(false));
            }
            txn.replace(&namespace, key, Some(&Record { deadline: None, ..record }))?;
            Ok(Some(true))
        })
        .await
    }
}
