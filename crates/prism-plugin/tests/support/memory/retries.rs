//! The answers to calls under idempotency keys.

use bytes::Bytes;
use prism_plugin::Error;
use prism_plugin::retries::{Attempt, IdempotentRetries, reused, window_passed};

use super::{Memory, Store};

/// Namespace, client and number of a call. There is one caller.
type Call = (String, u128, u64);

/// The records: what was asked, and the answer.
#[derive(Default)]
pub(super) struct Records {
    by_call: std::collections::BTreeMap<Call, ([u8; 32], Bytes)>,
    /// Below which number the answers of a client are forgotten.
    forgotten: std::collections::BTreeMap<(String, u128), u64>,
}

impl Memory {
    fn call(&self, attempt: &Attempt) -> Call {
        let client = if self.breaks("idempotency/clients-are-kept-apart") { 0 } else { attempt.key.client };
        (attempt.namespace.clone(), client, attempt.key.seq)
    }

    /// Whether an answer to this method is lost.
    fn loses(&self, attempt: &Attempt) -> bool {
        let is = |case, method| self.breaks(case) && attempt.path.ends_with(method);
        is("idempotency/list-calls-are-applied-once", "/PopRight")
            || is("idempotency/counters-are-applied-once", "/Increment")
            || is("idempotency/replaced-values-are-answered-again", "/GetAndDelete")
            || is("idempotency/repetition-waits-for-the-first", "/BlockingPop")
    }
}

impl IdempotentRetries for Memory {
    async fn recall(&self, attempt: &Attempt) -> Result<Option<Bytes>, Error> {
        let call = self.call(attempt);
        let mut store = self.store();
        let Store { records, .. } = &mut *store;
        let (namespace, client, seq) = &call;
        let forgotten = records.forgotten.entry((namespace.clone(), *client)).or_default();
        *forgotten = (*forgotten).max(attempt.key.acked);
        let forgotten = *forgotten;
        records.by_call.retain(|(other_namespace, other, seq), _| {
            (other_namespace, other) != (namespace, client) || *seq >= forgotten
        });
        match records.by_call.get(&call) {
            Some((digest, _))
                if *digest != attempt.digest && !self.breaks("idempotency/reused-key-is-refused") =>
            {
                Err(reused())
            }
            Some((_, answer)) => Ok(Some(answer.clone())),
            None if *seq < forgotten && !self.breaks("idempotency/acknowledged-is-not-applied-again") => {
                Err(window_passed())
            }
            None => Ok(None),
        }
    }

    fn keep(&self, attempt: &Attempt, answer: &Bytes) {
        if !self.loses(attempt) {
            let record = (attempt.digest, answer.clone());
            self.store().records.by_call.insert(self.call(attempt), record);
        }
    }
}
