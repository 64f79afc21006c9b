//! Pops that wait.

use std::time::Duration;

use bytes::Bytes;
use prism_plugin::list::{End, List as _, ListBlocking};
use prism_plugin::types::{Key, Namespace};
use prism_plugin::{Context, Error};

use crate::lists::to_bytes;
use crate::store::MemStore;
use crate::waiters::{Given, Wish};

impl ListBlocking for MemStore {
    async fn blocking_pop(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        end: End,
        wait: Duration,
    ) -> Result<Option<Bytes>, Error> {
        self.shared.settle(&namespace, &list_key);
        // Nobody is served before those who wait already.
        if !self.shared.waiters.wait_for(&namespace, &list_key)
            && let Some(value) = self.pop(context, namespace.clone(), list_key.clone(), end).await?
        {
            return Ok(Some(value));
        }
        if wait.is_zero() {
            return Ok(None);
        }
        let mut waiting = self.shared.enter(namespace, list_key, Wish::Pop(end));
        // A value that arrives with the timer is taken: the timer is looked at last.
        match tokio::time::timeout(wait, waiting.given()).await {
            Ok(Some(Given::Value(_, value))) => Ok(Some(to_bytes(value))),
            _ => Ok(None),
        }
    }
}
