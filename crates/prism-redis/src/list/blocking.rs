//! Pops that wait.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prism_plugin::list::{End, ListBlocking};
use prism_plugin::types::{Key, Namespace};
use prism_plugin::{Context, Error};
use tokio::time::{Instant, timeout_at};

use crate::dispatch::serve;
use crate::fault::Fault;
use crate::route::{Progress, limit};
use crate::store::RedisStore;

impl ListBlocking for RedisStore {
    async fn blocking_pop(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        end: End,
        wait: Duration,
    ) -> Result<Option<Bytes>, Error> {
        let list = self.list_name(&namespace, &list_key);
        let stays = !wait.is_zero();
        // Nobody is served before those who wait already.
        if !stays && self.shared.waiters.wait_for(&list) {
            return Ok(None);
        }
        let (mut waiting, unserved) = self.shared.waiters.enter(&list, end, stays);
        if let Some(arrival) = unserved {
            tokio::spawn(serve(Arc::clone(&self.shared), list, arrival));
        }
        let stopped = || Err(Fault::Lost("the worker stopped before the answer".to_owned()).into());
        // Without a wait, it takes as long as one look at the list does.
        let over = if stays { Instant::now() + wait } else { limit(context) };
        // A value that arrives with the timer is taken: the timer is looked at last.
        if let Ok(answer) = timeout_at(over, waiting.answer()).await {
            return answer.unwrap_or_else(stopped);
        }
        let progress = Progress::default();
        if waiting.leave() {
            return if stays { Ok(None) } else { Err(progress.overdue(context)) };
        }
        // A value is on its way, or the server does not answer.
        progress.sending(None);
        match timeout_at(limit(context), waiting.answer()).await {
            Ok(answer) => answer.unwrap_or_else(stopped),
            Err(_) => Err(progress.overdue(context)),
        }
    }
}
