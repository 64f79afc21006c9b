//! Batches of values.

use bytes::Bytes;
use prism_plugin::list::{End, Filling, ListBatch, Pushed};
use prism_plugin::types::{Key, Namespace};
use prism_plugin::{Context, Error};

use crate::lists::{Opened, serve};
use crate::store::DiskStore;

impl ListBatch for DiskStore {
    async fn push_many(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        end: End,
        values: Vec<Bytes>,
        max_len: Option<u64>,
    ) -> Result<Pushed, Error> {
        let bytes = list_key.len() + values.iter().map(Bytes::len).sum::<usize>();
        let values: Vec<_> = values.iter().map(|value| Bytes::copy_from_slice(value)).collect();
        let place = (namespace, list_key);
        self.write(context, true, bytes, move |txn| {
            let mut list = Opened::new(txn, &place)?;
            if values.is_empty() {
                return Ok(Pushed { new_length: list.ends.len(), trimmed: 0 });
            }
            values.into_iter().for_each(|value| list.add(end, value));
            let trimmed = max_len.map_or(0, |max| list.ends.len().saturating_sub(max));
            let other = match end {
                End::Left => End::Right,
                End::Right => End::Left,
            };
            (0..trimmed).try_for_each(|_| list.cut(other))?;
            let new_length = list.close()?;
            serve(txn, &place)?;
            Ok(Pushed { new_length, trimmed })
        })
        .await
    }

    async fn pop_many(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        end: End,
        count: usize,
    ) -> Result<Vec<Bytes>, Error> {
        let place = (namespace, list_key);
        self.write(context, false, place.1.len(), move |txn| {
            let mut list = Opened::new(txn, &place)?;
            let (mut values, mut filling) = (Vec::new(), Filling::default());
            while values.len() < count && list.ends.len() > 0 {
                let value = list.value(list.last(end))?;
                if !filling.takes(value.len()) {
                    break;
                }
                values.push(value);
                list.cut(end)?;
            }
            list.close()?;
            Ok(values)
        })
        .await
    }
}
