//! Batches of values.

use bytes::Bytes;
use prism_plugin::list::{End, ListBatch, Pushed};
use prism_plugin::types::{Key, Namespace};
use prism_plugin::{Context, Error, List as _};

use crate::store::MemStore;

impl ListBatch for MemStore {
    async fn push_many(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        end: End,
        values: Vec<Bytes>,
        max_len: Option<u64>,
    ) -> Result<Pushed, Error> {
        if values.is_empty() {
            let new_length = self.length(context, namespace, list_key).await?;
            return Ok(Pushed { new_length, trimmed: 0 });
        }
        self.shared.settle(&namespace, &list_key);
        let shared = &*self.shared;
        let pushed = self.write(|| {
            shared.lists.write(&namespace, &shared.memory, |lists| {
                lists.push_many(&list_key, end, &values, max_len, &shared.memory)
            })
        });
        let pushed = pushed.await?;
        self.shared.serve(&namespace, &list_key);
        Ok(pushed)
    }

    async fn pop_many(
        &self,
        _: &Context,
        namespace: Namespace,
        list_key: Key,
        end: End,
        count: usize,
    ) -> Result<Vec<Bytes>, Error> {
        self.shared.settle(&namespace, &list_key);
        let shared = &*self.shared;
        let values = shared.lists.remove(&namespace, &shared.memory, |lists| {
            lists.pop_many(list_key.as_bytes(), end, count, &shared.memory)
        });
        Ok(values.unwrap_or_default())
    }
}
