//! Counters.

use prism_plugin::keyvalue::{KeyValueCounter, incremented};
use prism_plugin::types::{Key, Namespace, Ttl};
use prism_plugin::{Context, Error};

use super::change::Change;
use crate::entry::Entry;
use crate::store::MemStore;

impl KeyValueCounter for MemStore {
    async fn increment(
        &self,
        context: &Context,
        namespace: Namespace,
        key: Key,
        delta: i64,
        initial: i64,
        ttl: Option<Ttl>,
    ) -> Result<i64, Error> {
        let created = self.deadline(ttl);
        let decide = |live: Option<&Entry>| {
            let sum = incremented(live.map(Entry::value), delta, initial)?;
            let deadline = live.map_or(created, Entry::deadline);
            Ok((Change::Put(Entry::new(&key, sum.to_string().as_bytes(), deadline)), sum))
        };
        self.change(context, &namespace, &key, decide).await
    }
}
