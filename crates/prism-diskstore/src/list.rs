//! The List half of the store. A list is two numbers, the positions of its first value and behind its last one, and a key
//! for each value: a push or pop changes two keys, however long the list is.

use bytes::Bytes;
use prism_plugin::list::{End, List};
use prism_plugin::types::{Key, Namespace};
use prism_plugin::{Context, Error};

use crate::engine::Fault;
use crate::layout::{self, Ends};
use crate::store::DiskStore;
use crate::txn::{Txn, decoded};

impl List for DiskStore {
    async fn push(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        end: End,
        value: Bytes,
    ) -> Result<u64, Error> {
        let value = Bytes::copy_from_slice(&value);
        self.write(context, true, list_key.len() + value.len(), move |txn| {
            push(txn, &namespace, list_key.as_bytes(), end, value)
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
        self.write(context, false, list_key.len(), move |txn| pop(txn, &namespace, list_key.as_bytes(), end))
            .await
    }

    async fn length(&self, _: &Context, namespace: Namespace, list_key: Key) -> Result<u64, Error> {
        let key = layout::list(&namespace, list_key.as_bytes());
        self.read(move |view| match view.get(&key)? {
            None => Ok(0),
            Some(encoded) => Ends::decode(&encoded)
                .map(Ends::len)
                .ok_or_else(|| Fault::Damaged("the ends of a list cannot be decoded".to_owned())),
        })
        .await
    }
}

fn push(txn: &mut Txn<'_>, namespace: &str, list: &[u8], end: End, value: Bytes) -> Result<u64, Error> {
    let key = layout::list(namespace, list);
    let mut ends = match ends(txn, &key)? {
        Some(ends) => ends,
        None => {
            txn.count(namespace, |counts| counts.lists += 1)?;
            Ends::default()
        }
    };
    let position = match end {
        End::Left => {
            ends.head -= 1;
            ends.head
        }
        End::Right => {
            ends.tail += 1;
            ends.tail - 1
        }
    };
    txn.put(layout::element(namespace, list, position), value);
    txn.put(key, ends.encode());
    Ok(ends.len())
}

fn pop(txn: &mut Txn<'_>, namespace: &str, list: &[u8], end: End) -> Result<Option<Bytes>, Error> {
    let key = layout::list(namespace, list);
    let Some(mut ends) = ends(txn, &key)? else { return Ok(None) };
    let position = match end {
        End::Left => {
            ends.head += 1;
            ends.head - 1
        }
        End::Right => {
            ends.tail -= 1;
            ends.tail
        }
    };
    let element = layout::element(namespace, list, position);
    let value = decoded(txn.get(&element)?, "a list without one of its values")?;
    txn.remove(element);
    if ends.len() == 0 {
        txn.remove(key);
        txn.count(namespace, |counts| counts.lists = counts.lists.saturating_sub(1))?;
    } else {
        txn.put(key, ends.encode());
    }
    Ok(Some(value))
}

fn ends(txn: &mut Txn<'_>, key: &[u8]) -> Result<Option<Ends>, Error> {
    let encoded = txn.get(key)?;
    encoded.map(|encoded| decoded(Ends::decode(&encoded), "the ends of a list")).transpose()
}
