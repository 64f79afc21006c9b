//! Conditional writes as a backend implements them.

use bytes::Bytes;
use prism_grpc::Context;
use sha2::{Digest as _, Sha256};

use crate::error::Error;
use crate::types::{Key, Namespace, Ttl};

/// What must hold for a write to be applied. An expired key counts as missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The key does not exist.
    Absent,
    /// The key exists.
    Present,
    /// The key exists and has this value.
    Equals(Bytes),
    /// The key exists and its value has this SHA-256.
    EqualsSha256([u8; 32]),
    /// The key exists and has another value.
    Differs(Bytes),
}

impl Condition {
    /// Whether it holds for the value that stands; `None` for a missing key.
    #[must_use]
    pub fn holds(&self, current: Option<&[u8]>) -> bool {
        match (self, current) {
            (Self::Absent, current) => current.is_none(),
            (_, None) => false,
            (Self::Present, Some(_)) => true,
            (Self::Equals(expected), Some(current)) => current == expected,
            (Self::EqualsSha256(expected), Some(current)) => Sha256::digest(current)[..] == expected[..],
            (Self::Differs(other), Some(current)) => current != other,
        }
    }
}

/// How a conditional write ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditional {
    /// Whether the condition held and the write was applied.
    pub applied: bool,
    /// The value that stood before, if it was asked for and the key existed.
    pub current: Option<Bytes>,
}

/// A backend that writes depending on what is stored. Each call is one atomic step.
pub trait KeyValueCas: Send + Sync + 'static {
    /// Stores a value if a condition holds, as [`set`](super::KeyValue::set) does.
    ///
    /// # Errors
    /// MEMORY_LIMIT if the backend is full: nothing has changed. Otherwise an error of the backend.
    fn set_if(
        &self,
        context: &Context,
        namespace: Namespace,
        key: Key,
        write: (Bytes, Option<Ttl>),
        condition: Condition,
        return_current: bool,
    ) -> impl Future<Output = Result<Conditional, Error>> + Send;

    /// Removes a key if a condition holds; it is never [`Condition::Absent`].
    ///
    /// # Errors
    /// An error of the backend.
    fn delete_if(
        &self,
        context: &Context,
        namespace: Namespace,
        key: Key,
        condition: Condition,
        return_current: bool,
    ) -> impl Future<Output = Result<Conditional, Error>> + Send;

    /// Stores a value, as [`set`](super::KeyValue::set) does, and returns the one that it replaced.
    ///
    /// # Errors
    /// MEMORY_LIMIT if the backend is full: nothing has changed. Otherwise an error of the backend.
    fn get_and_set(
        &self,
        context: &Context,
        namespace: Namespace,
        key: Key,
        value: Bytes,
        ttl: Option<Ttl>,
    ) -> impl Future<Output = Result<Option<Bytes>, Error>> + Send;

    /// Removes a key and returns its value.
    ///
    /// # Errors
    /// An error of the backend.
    fn get_and_delete(
        &self,
        context: &Context,
        namespace: Namespace,
        key: Key,
    ) -> impl Future<Output = Result<Option<Bytes>, Error>> + Send;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_holds_for_the_values_that_it_names() {
        let digest = Sha256::digest("a").into();
        for (condition, missing, same, other) in [
            (Condition::Absent, true, false, false),
            (Condition::Present, false, true, true),
            (Condition::Equals("a".into()), false, true, false),
            (Condition::EqualsSha256(digest), false, true, false),
            (Condition::Differs("a".into()), false, false, true),
        ] {
            let holds = [None, Some(&b"a"[..]), Some(b"b")].map(|current| condition.holds(current));
            assert_eq!(holds, [missing, same, other], "{condition:?}");
        }
    }
}
