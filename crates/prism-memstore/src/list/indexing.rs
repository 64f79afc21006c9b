//! Single values within lists.

use bytes::Bytes;
use prism_plugin::list::{End, ListIndexing};
use prism_plugin::types::{Key, Namespace};
use prism_plugin::{Context, Error};

use crate::items::Items;
use crate::lists::index_from_left;
use crate::store::MemStore;

impl ListIndexing for MemStore {
    async fn get_at(
        &self,
        _: &Context,
        namespace: Namespace,
        list_key: Key,
        index: i64,
    ) -> Result<Option<Bytes>, Error> {
        self.shared.settle(&namespace, &list_key);
        let read = |items: &Items| {
            let value = index_from_left(index, items.len()).and_then(|index| items.get(index));
            value.map(|value| Bytes::copy_from_slice(value))
        };
        let lists = &self.shared.lists;
        Ok(lists.read(&namespace, |lists| lists.read(list_key.as_bytes(), read)).flatten().flatten())
    }

    async fn set_at(
        &self,
        _: &Context,
        namespace: Namespace,
        list_key: Key,
        index: i64,
        value: Bytes,
    ) -> Result<bool, Error> {
        self.shared.settle(&namespace, &list_key);
        let shared = &*self.shared;
        let set = || {
            let set = shared
                .lists
                .read(&namespace, |lists| lists.set_at(list_key.as_bytes(), index, &value, &shared.memory));
            set.unwrap_or(Ok(false))
        };
        self.write(set).await
    }

    async fn remove(
        &self,
        _: &Context,
        namespace: Namespace,
        list_key: Key,
        value: Bytes,
        count: i64,
    ) -> Result<u64, Error> {
        self.shared.settle(&namespace, &list_key);
        let shared = &*self.shared;
        let from = if count < 0 { End::Right } else { End::Left };
        let max = if count == 0 { u64::MAX } else { count.unsigned_abs() };
        let removed = shared.lists.remove(&namespace, &shared.memory, |lists| {
            lists.shrink(list_key.as_bytes(), &shared.memory, |items| {
                items.remove(&value, from, max, &shared.memory)
            })
        });
        Ok(removed.flatten().unwrap_or_default())
    }
}
