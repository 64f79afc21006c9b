//! The List half of the store. A list is two numbers, the positions of its first value and behind its last one, and a key
//! for each value: a push or pop changes two keys, however long the list is.

mod batch;
mod blocking;
mod indexing;
pub(crate) mod range;
mod reserve;
mod scan;

use bytes::Bytes;
use prism_plugin::list::{End, List};
use prism_plugin::types::{Key, Namespace};
use prism_plugin::{Context, Error};

use crate::clock;
use crate::engine::{Fault, View};
use crate::layout::{self, Ends};
use crate::lists::{Opened, serve};
use crate::store::DiskStore;

impl List for DiskStore {
    async fn push(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        end: End,
        value: Bytes,
    ) -> Result<u64, Error> {
        // A copy: the value is a slice of what was received, which it would keep in memory.
        let value = Bytes::copy_from_slice(&value);
        let bytes = list_key.len() + value.len();
        let place = (namespace, list_key);
        self.write(context, true, bytes, move |txn| {
            let len = Opened::new(txn, &place)?.push(end, value)?;
            serve(txn, &place)?;
            Ok(len)
        })
        .await
    }

    async fn pop(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        end: End,
    ) -> Result<Option<Bytes>, Error> {
        let place = (namespace, list_key);
        self.write(context, false, place.1.len(), move |txn| Opened::new(txn, &place)?.pop(end)).await
    }

    async fn length(&self, _: &Context, namespace: Namespace, list_key: Key) -> Result<u64, Error> {
        self.settled(&namespace, &list_key).await?;
        let ends = self.read(move |view| ends(view, &namespace, list_key.as_bytes())).await?;
        Ok(ends.len())
    }
}

/// The ends of a list as it is committed; those of a missing list are at the same place.
fn ends(view: &dyn View, namespace: &str, list: &[u8]) -> Result<Ends, Fault> {
    match view.get(&layout::list(namespace, list))? {
        None => Ok(Ends::default()),
        Some(encoded) => Ends::decode(&encoded)
            .ok_or_else(|| Fault::Damaged("the ends of a list cannot be decoded".to_owned())),
    }
}

impl DiskStore {
    /// Waits until the leases of a list that have ended have returned their values: a batch begins with that.
    async fn settled(&self, namespace: &Namespace, list_key: &Key) -> Result<(), Error> {
        if !self.shared.leases.have_ended(namespace, list_key.as_bytes(), clock::now()) {
            return Ok(());
        }
        self.batched(&Context::default(), false, 0, |_| Ok(())).await
    }
}
