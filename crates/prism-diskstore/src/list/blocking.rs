//! Calls that wait for values.

use std::time::Duration;

use bytes::Bytes;
use prism_plugin::list::{End, ListBlocking};
use prism_plugin::types::{Key, Namespace};
use prism_plugin::{Context, Error};

use crate::lists::serve;
use crate::store::DiskStore;
use crate::txn::Txn;
use crate::waiters::{Given, Place, Wish};
use crate::waiting::Waiting;

impl ListBlocking for DiskStore {
    async fn blocking_pop(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        end: End,
        wait: Duration,
    ) -> Result<Option<Bytes>, Error> {
        match wait_for(self, context, (namespace, list_key), Wish::Pop(end), wait).await? {
            Some(Given::Value(_, value)) => Ok(Some(value)),
            _ if context.attempt().is_some() => self.write(context, false, 0, |_| Ok(None)).await,
            _ => Ok(None),
        }
    }
}

/// Waits until a list has what is wished. That is recorded as the answer to the call, unless it is nothing.
pub(super) async fn wait_for(
    store: &DiskStore,
    context: &Context,
    place: Place,
    wish: Wish,
    wait: Duration,
) -> Result<Option<Given>, Error> {
    let bytes = place.1.len();
    let (mut waiting, waiter) = Waiting::new(store, context, place.clone(), wish);
    // It is behind all who wait already, and is served at once if the list has a value for it.
    let entered = move |txn: &mut Txn<'_>| {
        txn.waiters.enter(place.clone(), waiter);
        serve(txn, &place)
    };
    store.batched(context, false, bytes, |txn| txn.step(entered)).await?;
    match tokio::time::timeout(wait, waiting.given()).await {
        Ok(given) => given,
        // What arrived with the timer, or before it if there is no wait.
        Err(_) => waiting.given_by_now(),
    }
}
