//! Pops that wait.

use std::time::Duration;

use bytes::Bytes;
use prism_plugin::list::{End, ListBlocking};
use prism_plugin::types::{Key, Namespace};
use prism_plugin::{Context, Error};

use super::serve;
use crate::store::DiskStore;
use crate::waiters::Waiting;

impl ListBlocking for DiskStore {
    async fn blocking_pop(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        end: End,
        wait: Duration,
    ) -> Result<Option<Bytes>, Error> {
        let (bytes, place) = (list_key.len(), (namespace, list_key));
        let (mut waiting, waiter) = Waiting::new(self, context, place.clone(), end);
        // It is behind all who wait already, and is served at once if the list has a value for it.
        let entered = move |txn: &mut crate::txn::Txn<'_>| {
            txn.waiters.enter(place.clone(), waiter);
            serve(txn, &place)
        };
        // The answer is recorded in the batch that takes the value out of the list.
        self.batched(context, false, bytes, |txn| txn.step(entered)).await?;
        let value = match tokio::time::timeout(wait, waiting.value()).await {
            Ok(value) => value?,
            // One that arrived with the timer, or before it if there is no wait.
            Err(_) => waiting.value_by_now()?,
        };
        if value.is_some() || context.attempt().is_none() {
            return Ok(value);
        }
        // Nobody hands it a value any more.
        drop(waiting);
        self.write(context, false, bytes, |_| Ok(None)).await
    }
}
