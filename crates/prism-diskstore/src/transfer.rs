//! Copies of keys and lists: keys are stored in one write, which waits for the disk once; a list is replaced in one write, and read in pages as
//! large as a message.

use bytes::Bytes;
use prism_plugin::keyvalue::KeyValueBatch as _;
use prism_plugin::list::{End, Values};
use prism_plugin::transfer::{IfExists, Transfer};
use prism_plugin::types::{Key, Namespace, Ttl};
use prism_plugin::{Context, Error};

use crate::layout;
use crate::list::range::PageMax;
use crate::lists::{Opened, clear_leases, serve};
use crate::store::DiskStore;

/// A page is what a message takes, so that a list which fits into one is read at one moment.
const PAGE_MAX: PageMax = (16 * 1024, 3 * 1024 * 1024);

impl Transfer for DiskStore {
    fn list_values(&self, _: &Context, namespace: Namespace, list_key: Key) -> Values {
        self.pages(namespace, list_key, (0, -1), PAGE_MAX)
    }

    async fn put_keys(
        &self,
        context: &Context,
        namespace: Namespace,
        items: Vec<(Key, Bytes, Option<Ttl>)>,
        if_exists: IfExists,
    ) -> Vec<Result<bool, Error>> {
        if if_exists == IfExists::Overwrite {
            let stored = self.set_each(context, namespace, items).await;
            return stored.into_iter().map(|stored| stored.map(|()| true)).collect();
        }
        let bytes = items.iter().map(|(key, value, _)| key.len() + value.len()).sum();
        let items: Vec<_> = items
            .into_iter()
            .map(|(key, value, ttl)| {
                (layout::value(&namespace, key.as_bytes()), Bytes::copy_from_slice(&value), ttl)
            })
            .collect();
        self.write_each(context, true, bytes, items, move |txn, (key, value, ttl)| {
            let now = txn.now;
            if txn.record(&key)?.is_some_and(|record| record.is_live(now)) {
                return Ok(false);
            }
            let record = txn.record_of(value, ttl);
            txn.replace(&namespace, key, Some(&record)).map(|_| true)
        })
        .await
    }

    async fn put_list(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        values: Vec<Bytes>,
        if_exists: IfExists,
    ) -> Result<bool, Error> {
        let bytes = list_key.len() + values.iter().map(Bytes::len).sum::<usize>();
        let values: Vec<_> = values.iter().map(|value| Bytes::copy_from_slice(value)).collect();
        let place = (namespace, list_key);
        self.write(context, !values.is_empty(), bytes, move |txn| {
            if if_exists == IfExists::Overwrite {
                clear_leases(txn, &place)?;
            }
            let mut list = Opened::new(txn, &place)?;
            let len = list.ends.len();
            if if_exists == IfExists::Keep && len > 0 {
                return Ok(false);
            }
            (0..len).try_for_each(|_| list.cut(End::Left))?;
            values.into_iter().for_each(|value| list.add(End::Right, value));
            list.close()?;
            serve(txn, &place)?;
            Ok(true)
        })
        .await
    }
}
