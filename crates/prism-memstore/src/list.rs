//! The List half of the store: pushes and pops, and the other interfaces of lists, one file each.

mod batch;
mod blocking;
mod indexing;
mod range;
mod reserve;
mod scan;

use bytes::Bytes;
use prism_plugin::list::{End, List};
use prism_plugin::types::{Key, Namespace};
use prism_plugin::{Context, Error};

use crate::lists::to_bytes;
use crate::store::MemStore;

impl List for MemStore {
    async fn push(
        &self,
        _: &Context,
        namespace: Namespace,
        list_key: Key,
        end: End,
        value: Bytes,
    ) -> Result<u64, Error> {
        self.shared.settle(&namespace, &list_key);
        let shared = &*self.shared;
        let pushed = self.write(|| {
            shared
                .lists
                .write(&namespace, &shared.memory, |lists| lists.push(&list_key, end, &value, &shared.memory))
        });
        let new_length = pushed.await?;
        self.shared.serve(&namespace, &list_key);
        Ok(new_length)
    }

    async fn pop(
        &self,
        _: &Context,
        namespace: Namespace,
        list_key: Key,
        end: End,
    ) -> Result<Option<Bytes>, Error> {
        self.shared.settle(&namespace, &list_key);
        let shared = &*self.shared;
        let value = shared
            .lists
            .remove(&namespace, &shared.memory, |lists| lists.pop(list_key.as_bytes(), end, &shared.memory));
        Ok(value.flatten().map(to_bytes))
    }

    async fn length(&self, _: &Context, namespace: Namespace, list_key: Key) -> Result<u64, Error> {
        self.shared.settle(&namespace, &list_key);
        let length = self.shared.lists.read(&namespace, |lists| lists.length(list_key.as_bytes()));
        Ok(length.unwrap_or(0))
    }
}
