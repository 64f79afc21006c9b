//! A call that its client may repeat without its being applied twice.

use std::any::{Any, type_name};
use std::fmt;
use std::sync::OnceLock;

use bytes::Bytes;
use prism_proto::idempotency::IdempotencyKey;
use prost::Message;

use crate::identity::Identity;

/// Encodes the answer for a result of the backend, if the call succeeds with it.
type Encode = Box<dyn Fn(&dyn Any) -> Option<Bytes> + Send + Sync>;

/// One sending of a call under an idempotency key. The calls with the same caller, namespace, client and sequence number are
/// repetitions of each other.
pub struct Attempt {
    /// The key.
    pub key: IdempotencyKey,
    /// Who makes the call; `None` if nothing has proved it.
    pub caller: Option<Identity>,
    /// The namespace.
    pub namespace: String,
    /// The path of the method.
    pub path: &'static str,
    /// The SHA-256 of the method and the message: a repetition has the same.
    pub digest: [u8; 32],
    encode: OnceLock<Encode>,
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, caller, namespace, path, .. } = self;
        let mut shown = f.debug_struct("Attempt");
        shown.field("key", key).field("caller", caller).field("namespace", namespace).field("path", path);
        shown.finish_non_exhaustive()
    }
}

impl Attempt {
    /// An attempt, the answer to which is not known yet.
    #[must_use]
    pub fn new(
        key: IdempotencyKey,
        caller: Option<Identity>,
        namespace: String,
        path: &'static str,
        digest: [u8; 32],
    ) -> Self {
        Self { key, caller, namespace, path, digest, encode: OnceLock::new() }
    }

    /// Sets how a result of the backend becomes the answer; `None` where the call fails with it, which leaves nothing to record.
    pub fn answers<T: 'static, M: Message>(&self, answer: impl Fn(&T) -> Option<M> + Send + Sync + 'static) {
        let encode: Encode = Box::new(move |result| {
            let result = result.downcast_ref::<T>();
            debug_assert!(result.is_some(), "the method answers for another type than {}", type_name::<T>());
            Some(answer(result?)?.encode_to_vec().into())
        });
        // A call has one method, which says it once.
        let _ = self.encode.set(encode);
    }

    /// The encoded answer for what the trait's method is about to return, to be recorded in the same atomic step; `None` if there is
    /// nothing to record.
    #[must_use]
    pub fn answer<T: 'static>(&self, result: &T) -> Option<Bytes> {
        self.encode.get()?(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_encoded_from_a_result() {
        let key = IdempotencyKey { client: 1, seq: 2, acked: 0 };
        let attempt = Attempt::new(key, None, "default".to_owned(), "/a.B/C", [0; 32]);
        assert_eq!(attempt.answer(&1_u64), None, "nothing says how");
        attempt.answers(|number: &u64| (*number > 0).then(|| "x".repeat(*number as usize)));
        assert_eq!(attempt.answer(&2_u64).unwrap(), "xx".to_owned().encode_to_vec());
        assert_eq!(attempt.answer(&0_u64), None);
    }
}
