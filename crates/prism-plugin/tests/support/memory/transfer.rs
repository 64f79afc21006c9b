//! How the reference is copied, out and in.

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use prism_plugin::keyvalue::KeyValue as _;
use prism_plugin::list::{End, List as _, ListBatch as _, ListRange as _, Values};
use prism_plugin::transfer::{IfExists, Transfer};
use prism_plugin::types::{Key, Namespace, Ttl};
use prism_plugin::{Context, Error};

use super::Memory;

impl Transfer for Memory {
    fn list_values(&self, context: &Context, namespace: Namespace, list_key: Key) -> Values {
        let stop = if self.breaks_at("transfer/export-returns-lists", &list_key) { -2 } else { -1 };
        let pages_max =
            if self.breaks_at("transfer/large-lists-come-in-parts", &list_key) { 1 } else { usize::MAX };
        let place = self.place(&namespace, &list_key);
        let values = self.range(context, namespace, list_key.clone(), 0, stop).take(pages_max);
        if self.breaks_at("transfer/reserved-values-are-left-out", &list_key) {
            let store = self.store();
            let leases = store.leases.values().filter(|lease| lease.place == place);
            let reserved: Vec<Bytes> =
                leases.flat_map(|lease| lease.values.iter().map(|(value, _)| value.clone())).collect();
            return stream::iter([Ok(reserved)]).chain(values).boxed();
        }
        values.boxed()
    }

    async fn put_keys(
        &self,
        context: &Context,
        namespace: Namespace,
        items: Vec<(Key, Bytes, Option<Ttl>)>,
        if_exists: IfExists,
    ) -> Vec<Result<bool, Error>> {
        let mut results = Vec::new();
        for (key, mut value, mut ttl) in items {
            if self.breaks_at("transfer/import-stores-keys", &key) && value.is_empty() {
                value = "empty".into();
            }
            if self.breaks_at("transfer/import-restores-ttls", &key) {
                ttl = None;
            }
            let exists = self.exists(context, namespace.clone(), key.clone()).await;
            let keeps = if_exists == IfExists::Keep
                && !self.breaks_at("transfer/if-absent-keeps-what-is-there", &key);
            if keeps && exists == Ok(true) {
                results.push(Ok(false));
                continue;
            }
            results.push(self.set(context, namespace.clone(), key, value, ttl).await.map(|()| true));
        }
        results
    }

    async fn put_list(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        values: Vec<Bytes>,
        if_exists: IfExists,
    ) -> Result<bool, Error> {
        let exists = self.length(context, namespace.clone(), list_key.clone()).await? > 0;
        if exists && if_exists == IfExists::Keep {
            return Ok(false);
        }
        if !self.breaks_at("transfer/import-replaces-lists", &list_key) {
            self.clear(context, namespace.clone(), list_key.clone()).await?;
        }
        self.push_many(context, namespace, list_key, End::Right, values, None).await.map(|_| true)
    }
}
