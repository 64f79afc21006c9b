//! Copies of a namespace, out of a backend and into it, as a backend implements them, or has them implemented.

use bytes::Bytes;
use futures_util::future::join_all;
use prism_grpc::Context;

use crate::error::Error;
use crate::keyvalue::{Condition, KeyValueBatch, KeyValueCas};
use crate::list::{End, List, ListBatch, ListRange, ListScan, Values};
use crate::types::{Key, Namespace, Ttl};

/// What happens to a key or list that exists already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfExists {
    /// It is replaced.
    Overwrite,
    /// It stays as it is.
    Keep,
}

/// A backend whose keys and lists can be copied, with their times to live. What it does not implement stands on its other
/// interfaces; a backend that has something better, such as replacing a list in one step, overrides it.
///
/// Keys are read by [`scan`](crate::KeyValue::scan), which has to tell what they have left to live
/// ([`reads_ttl`](crate::KeyValue::reads_ttl)), and lists are found by [`scan_lists`](ListScan::scan_lists).
pub trait Transfer: KeyValueBatch + KeyValueCas + List + ListBatch + ListRange + ListScan {
    /// Returns all values of a list from left to right, in pages, each read at one moment. Reserved values are left out. Default:
    /// [`range`](ListRange::range).
    fn list_values(&self, context: &Context, namespace: Namespace, list_key: Key) -> Values {
        self.range(context, namespace, list_key, 0, -1)
    }

    /// Stores keys, none of them twice, and returns for each whether it was stored, and not kept as it was.
    fn put_keys(
        &self,
        context: &Context,
        namespace: Namespace,
        items: Vec<(Key, Bytes, Option<Ttl>)>,
        if_exists: IfExists,
    ) -> impl Future<Output = Vec<Result<bool, Error>>> + Send {
        async move {
            if if_exists == IfExists::Overwrite {
                let stored = self.set_each(context, namespace, items).await;
                return stored.into_iter().map(|stored| stored.map(|()| true)).collect();
            }
            let calls = items.into_iter().map(|(key, value, ttl)| {
                self.set_if(context, namespace.clone(), key, (value, ttl), Condition::Absent, false)
            });
            let changed = join_all(calls).await;
            changed.into_iter().map(|changed| changed.map(|changed| changed.applied)).collect()
        }
    }

    /// Lets a list have these values and no others, and ends the leases of those that it had; without values there is no such list.
    /// Returns whether it did so, and did not keep the list as it was.
    ///
    /// Nobody should see a part of the values. Default: the list is removed, and then created with all values at once, so it
    /// is missing in between, and values that are pushed meanwhile stay.
    ///
    /// # Errors
    /// MEMORY_LIMIT if the backend is full: the list is unchanged, or gone. Otherwise an error of the backend.
    fn put_list(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        values: Vec<Bytes>,
        if_exists: IfExists,
    ) -> impl Future<Output = Result<bool, Error>> + Send {
        async move {
            match if_exists {
                IfExists::Keep if self.length(context, namespace.clone(), list_key.clone()).await? > 0 => {
                    return Ok(false);
                }
                IfExists::Keep => {}
                IfExists::Overwrite => {
                    self.clear(context, namespace.clone(), list_key.clone()).await?;
                }
            }
            if !values.is_empty() {
                self.push_many(context, namespace, list_key, End::Right, values, None).await?;
            }
            Ok(true)
        }
    }
}
