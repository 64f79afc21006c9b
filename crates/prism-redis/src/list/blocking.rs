//! Pops that wait.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prism_plugin::list::{End, ListBlocking};
use prism_plugin::types::{Key, Namespace};
use prism_plugin::{Context, Error};
use tokio::time::{Instant, timeout_at};

use super::{pop_at, push_at};
use crate::answer::{is_nothing, parts, value};
use crate::command::{Command, Effect};
use crate::dispatch::serve;
use crate::fault::Fault;
use crate::progress::limit;
use crate::record::Record;
use crate::resp::Value;
use crate::retries::recalled;
use crate::route::run;
use crate::script::{NOTHING, POP_WAITING};
use crate::shared::Shared;
use crate::store::RedisStore;
use crate::waiters::Wish;

impl ListBlocking for RedisStore {
    async fn blocking_pop(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        end: End,
        wait: Duration,
    ) -> Result<Option<Bytes>, Error> {
        let command = self.on_list(&POP_WAITING, &namespace, &list_key, Effect::Write).arg(pop_at(end));
        match wait_for(&self.shared, context, command, end, wait).await? {
            None => Ok(None),
            Some(taken) => {
                let [popped, _] = parts(taken)?;
                Ok(value(popped)?)
            }
        }
    }
}

/// Takes what a command on a list finds, and waits for it at most for `wait`; `None` if nothing came.
///
/// # Errors
/// The server cannot be asked, or the list cannot be waited for.
pub(super) async fn wait_for(
    shared: &Arc<Shared>,
    context: &Context,
    command: Command,
    end: End,
    wait: Duration,
) -> Result<Option<Value>, Error> {
    let list = command.key.clone();
    if let Some(answer) = recalled(shared, context, &list).await? {
        return Ok(something(answer));
    }
    let stays = !wait.is_zero();
    // Nobody is served before those who wait already.
    if !stays && shared.waiters.wait_for(&list) {
        return nothing(shared, context, list).await;
    }
    let record = context.attempt().map(|attempt| Record::of(&shared.companions, attempt, &list));
    let wish = Wish { command, push: push_at(end), record, stays };
    let (mut waiting, unserved) = shared.waiters.enter(&list, wish);
    if let Some(arrival) = unserved {
        tokio::spawn(serve(Arc::clone(shared), list.clone(), arrival));
    }
    let stopped = || Err(Fault::Lost("the worker stopped before the answer".to_owned()).into());
    // Without a wait, it takes as long as one look at the list does.
    let over = if stays { Instant::now() + wait } else { limit(context) };
    // A value that arrives with the timer is taken: the timer is looked at last.
    let answer = match timeout_at(over, waiting.answer()).await {
        Ok(answer) => answer.unwrap_or_else(stopped)?,
        Err(_) => {
            if waiting.leave() {
                if !stays {
                    return Err(waiting.progress.overdue(context));
                }
                None
            } else {
                // A value is on its way, or the server does not answer.
                match timeout_at(limit(context), waiting.answer()).await {
                    Ok(answer) => answer.unwrap_or_else(stopped)?,
                    Err(_) => return Err(waiting.progress.overdue(context)),
                }
            }
        }
    };
    match answer {
        Some(taken) => Ok(Some(taken)),
        None => nothing(shared, context, list).await,
    }
}

/// The answer that there is nothing, which a call under an idempotency key records; it may have been answered elsewhere meanwhile.
pub(super) async fn nothing(
    shared: &Arc<Shared>,
    context: &Context,
    list: String,
) -> Result<Option<Value>, Error> {
    if context.attempt().is_none() {
        return Ok(None);
    }
    let command = Command::script(&NOTHING, list, Effect::Write);
    Ok(something(run(shared, context, &command).await?))
}

/// An answer on record, or `None` if it is that there was nothing.
pub(super) fn something(answer: Value) -> Option<Value> {
    (answer != Value::Nil && !is_nothing(&answer)).then_some(answer)
}
