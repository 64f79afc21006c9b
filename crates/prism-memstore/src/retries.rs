//! Calls that are repeated under an idempotency key.

use std::time::Duration;

use bytes::Bytes;
use prism_plugin::retries::{self, Attempt, IdempotentRetries};
use prism_plugin::{Context, Error};
use tokio::task::yield_now;

use crate::answers::{RECORD_BYTES, Refusal};
use crate::memory::{Full, Room};
use crate::store::{MemStore, Shared};

/// What the answers that hold no values take at most.
const SMALL_ANSWER_BYTES: u64 = 64;

/// How often old answers are looked for while there are answers at all.
const FORGET_EVERY: Duration = Duration::from_secs(5);

/// How many clients' answers are looked at between two looks at other work.
const FORGET_MAX: usize = 64;

/// The methods that go on in a full store, because they take away or change nothing in size.
const AT_THE_LIMIT: [&str; 14] = [
    "Ack",
    "BlockingPop",
    "Clear",
    "Delete",
    "DeleteIf",
    "Extend",
    "GetAndDelete",
    "PopLeft",
    "PopMany",
    "PopRight",
    "Release",
    "Remove",
    "Reserve",
    "Trim",
];

impl IdempotentRetries for MemStore {
    async fn recall(&self, attempt: &Attempt) -> Result<Option<Bytes>, Error> {
        let Shared { answers, clock, memory, .. } = &*self.shared;
        let recalled = answers.recall(attempt, clock.now(), memory).map_err(|refusal| match refusal {
            Refusal::Reused => retries::reused(),
            Refusal::Forgotten => retries::window_passed(),
            Refusal::TooMany => retries::too_many(),
        })?;
        if recalled.is_none() {
            // It is charged when it is kept: calls that run at once may pass the limit by their records.
            let is_removal = AT_THE_LIMIT.iter().any(|name| attempt.path.ends_with(&format!("/{name}")));
            let memory = if is_removal { &memory.with_headroom() } else { memory };
            self.write(|| memory.reserve(RECORD_BYTES + SMALL_ANSWER_BYTES).map(drop)).await?;
        }
        Ok(recalled)
    }

    fn keep(&self, attempt: &Attempt, answer: &Bytes) {
        let Shared { answers, clock, memory, .. } = &*self.shared;
        answers.keep(attempt, answer, clock.now(), memory);
    }
}

impl Shared {
    /// Room for the answer to a call that is repeated, if it is to be kept; it is kept as soon as the call has ended.
    pub(crate) fn room_for_answer<R: 'static>(
        &self,
        context: &Context,
        result: &R,
    ) -> Result<Option<Room<'_>>, Full> {
        let answer = context.attempt().and_then(|attempt| attempt.answer(result));
        let large = answer.map(|answer| answer.len() as u64).filter(|bytes| *bytes > SMALL_ANSWER_BYTES);
        large.map(|bytes| self.memory.reserve(bytes)).transpose()
    }

    /// Forgets old answers to calls under idempotency keys, as long as it runs.
    pub(crate) async fn forget_answers(&self) {
        loop {
            if !self.answers.are_there() {
                self.answers.told.notified().await;
            }
            tokio::time::sleep(FORGET_EVERY).await;
            while self.answers.forget(self.clock.now(), &self.memory, FORGET_MAX) {
                yield_now().await;
            }
        }
    }
}
