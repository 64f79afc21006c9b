//! Calls that are repeated under an idempotency key. The script that would write finds the record: see `route`.

use std::sync::Arc;

use bytes::Bytes;
use prism_plugin::retries::{Attempt, IdempotentRetries};
use prism_plugin::{Context, Error, ErrorReason};

use crate::command::{Command, Effect};
use crate::fault::Fault;
use crate::record::{Manner, Record};
use crate::resp::Value;
use crate::route::send_in_time;
use crate::script::NOTHING;
use crate::shared::Shared;
use crate::store::RedisStore;

impl IdempotentRetries for RedisStore {
    /// Nothing is looked up here: the step that acts answers a repetition, too, in one round trip.
    async fn recall(&self, _: &Attempt) -> Result<Option<Bytes>, Error> {
        let keeps_answers = match self.keeps_answers() {
            Some(keeps_answers) => keeps_answers,
            None => {
                self.probe().await.map_err(Fault::Unreachable)?;
                self.keeps_answers() == Some(true)
            }
        };
        if keeps_answers {
            return Ok(None);
        }
        let why = "this namespace's Redis may evict the answers that an idempotency-key needs, or does not let its user read \
                   maxmemory-policy, so the call could be applied twice; set maxmemory-policy to noeviction, or send the call without the key";
        Err(Error::new(ErrorReason::IdempotencyKeyInvalid, why).with("field", "idempotency-key"))
    }
}

/// The recorded answer of a call that takes several steps on a Redis key; `None` if there is none, or the call has no idempotency key.
///
/// # Errors
/// The record is that of another request, or the server cannot be asked.
pub(crate) async fn recalled(
    shared: &Arc<Shared>,
    context: &Context,
    redis_key: &str,
) -> Result<Option<Value>, Error> {
    let Some(attempt) = context.attempt() else { return Ok(None) };
    let record = Record::of(&shared.companions, attempt, redis_key);
    let question = Command::script(&NOTHING, redis_key.to_owned(), Effect::Write);
    match send_in_time(shared, context, &question.recorded(&record, Manner::Sought)).await?? {
        Value::SimpleString(none) if &*none == "NONE" => Ok(None),
        answer => Ok(Some(answer)),
    }
}
