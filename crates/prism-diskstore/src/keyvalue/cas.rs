//! Conditional writes.

use bytes::Bytes;
use prism_plugin::keyvalue::{Condition, Conditional, KeyValueCas};
use prism_plugin::types::{Key, Namespace, Ttl};
use prism_plugin::{Context, Error};

use crate::layout;
use crate::store::DiskStore;
use crate::txn::Txn;

impl KeyValueCas for DiskStore {
    async fn set_if(
        &self,
        context: &Context,
        namespace: Namespace,
        key: Key,
        (value, ttl): (Bytes, Option<Ttl>),
        condition: Condition,
        return_current: bool,
    ) -> Result<Conditional, Error> {
        let key = layout::value(&namespace, key.as_bytes());
        let bytes = key.len() + value.len();
        let value = Bytes::copy_from_slice(&value);
        self.write(context, true, bytes, move |txn| {
            let result = decide(txn, &key, &condition, return_current)?;
            if result.applied {
                let record = txn.record_of(value, ttl);
                txn.replace(&namespace, key, Some(&record))?;
            }
            Ok(result)
        })
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
        let key = layout::value(&namespace, key.as_bytes());
        self.write(context, false, key.len(), move |txn| {
            let result = decide(txn, &key, &condition, return_current)?;
            if result.applied {
                txn.replace(&namespace, key, None)?;
            }
            Ok(result)
        })
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
        let key = layout::value(&namespace, key.as_bytes());
        let bytes = key.len() + value.len();
        let value = Bytes::copy_from_slice(&value);
        self.write(context, true, bytes, move |txn| {
            let (now, record) = (txn.now, txn.record_of(value, ttl));
            let before = txn.replace(&namespace, key, Some(&record))?;
            Ok(before.filter(|before| before.is_live(now)).map(|before| before.value))
        })
        .await
    }

    async fn get_and_delete(
        &self,
        context: &Context,
        namespace: Namespace,
        key: Key,
    ) -> Result<Option<Bytes>, Error> {
        let key = layout::value(&namespace, key.as_bytes());
        self.write(context, false, key.len(), move |txn| {
            let now = txn.now;
            let before = txn.replace(&namespace, key, None)?;
            Ok(before.filter(|before| before.is_live(now)).map(|before| before.value))
        })
        .await
    }
}

fn decide(
    txn: &mut Txn<'_>,
    key: &[u8],
    condition: &Condition,
    return_current: bool,
) -> Result<Conditional, Error> {
    let current = txn.live(key)?.map(|record| record.value);
    let applied = condition.holds(current.as_deref());
    Ok(Conditional { applied, current: current.filter(|_| return_current) })
}
