//! Conditional writes.

use bytes::Bytes;
use prism_plugin::keyvalue::{Condition, Conditional, KeyValueCas};
use prism_plugin::types::{Key, Namespace, Ttl};
use prism_plugin::{Context, Error};

use super::change::Change;
use crate::entry::Entry;
use crate::store::MemStore;

impl KeyValueCas for MemStore {
    async fn set_if(
        &self,
        context: &Context,
        namespace: Namespace,
        key: Key,
        (value, ttl): (Bytes, Option<Ttl>),
        condition: Condition,
        return_current: bool,
    ) -> Result<Conditional, Error> {
        let entry = Entry::new(&key, &value, self.deadline(ttl));
        let change = || Change::Put(entry.clone());
        self.change(context, &namespace, &key, |live| Ok(decide(live, &condition, return_current, change)))
            .await
    }

    async fn delete_if(
        &self,
        context: &Context,
        namespace: Namespace,
        key: Key,
        condition: Condition,
        return_current: bool,
    ) -> Result<Conditional, Error> {
        let change = || Change::Remove;
        self.change(context, &namespace, &key, |live| Ok(decide(live, &condition, return_current, change)))
            .await
    }

    async fn get_and_set(
        &self,
        context: &Context,
        namespace: Namespace,
        key: Key,
        value: Bytes,
        ttl: Option<Ttl>,
    ) -> Result<Option<Bytes>, Error> {
        let entry = Entry::new(&key, &value, self.deadline(ttl));
        let decide = |live: Option<&Entry>| Ok((Change::Put(entry.clone()), live.map(Entry::to_value)));
        self.change(context, &namespace, &key, decide).await
    }

    async fn get_and_delete(
        &self,
        context: &Context,
        namespace: Namespace,
        key: Key,
    ) -> Result<Option<Bytes>, Error> {
        let decide = |live: Option<&Entry>| {
            Ok((live.map_or(Change::Keep, |_| Change::Remove), live.map(Entry::to_value)))
        };
        self.change(context, &namespace, &key, decide).await
    }
}

fn decide(
    live: Option<&Entry>,
    condition: &Condition,
    return_current: bool,
    change: impl FnOnce() -> Change,
) -> (Change, Conditional) {
    let applied = condition.holds(live.map(Entry::value));
    let current = live.filter(|_| return_current).map(Entry::to_value);
    (if applied { change() } else { Change::Keep }, Conditional { applied, current })
}
