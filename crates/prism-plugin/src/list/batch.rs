//! Batches of values as a backend implements them.

use bytes::Bytes;
use prism_grpc::Context;
use prism_proto::limits::MESSAGE_BYTES_MAX;

use super::basic::End;
use crate::error::Error;
use crate::types::{Key, Namespace};

/// How a batch of pushes ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pushed {
    /// The number of values after it.
    pub new_length: u64,
    /// The number of values removed at the other end.
    pub trimmed: u64,
}

/// A backend that pushes and pops many values per call. Each call is atomic.
pub trait ListBatch: Send + Sync + 'static {
    /// Adds values at one end, one after another, and then removes at the other end what is over `max_len`, which is at least 1.
    ///
    /// # Errors
    /// MEMORY_LIMIT if the backend is full: the list is unchanged. Otherwise an error of the backend.
    fn push_many(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        end: End,
        values: Vec<Bytes>,
        max_len: Option<u64>,
    ) -> impl Future<Output = Result<Pushed, Error>> + Send;

    /// Removes and returns up to `count` values at one end, as single pops would, and no more than fit into a message: see
    /// [`Filling`].
    ///
    /// # Errors
    /// An error of the backend.
    fn pop_many(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        end: End,
        count: usize,
    ) -> impl Future<Output = Result<Vec<Bytes>, Error>> + Send;
}

/// How full a message with many values is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filling {
    bytes: usize,
}

impl Filling {
    /// How much all values take at most: what is left is for the other fields of the message.
    pub const BYTES_MAX: usize = MESSAGE_BYTES_MAX - 1024;

    /// What each value takes besides itself: a tag, a length of at most four bytes, and what a field beside it may.
    pub const VALUE_OVERHEAD_BYTES: usize = 16;

    /// Whether a value of `len` bytes fits besides those before it. One alone always does.
    pub fn takes(&mut self, len: usize) -> bool {
        self.bytes += len + Self::VALUE_OVERHEAD_BYTES;
        self.bytes <= Self::BYTES_MAX
    }
}

#[cfg(test)]
mod tests {
    use prism_proto::limits::VALUE_BYTES_MAX;

    use super::*;

    #[test]
    fn a_message_takes_one_of_the_largest_values_or_many_small_ones() {
        let mut filling = Filling::default();
        assert!(filling.takes(VALUE_BYTES_MAX));
        assert!(!filling.takes(VALUE_BYTES_MAX));
        let mut filling = Filling::default();
        assert!((0..1000).all(|_| filling.takes(4000)));
        assert!((0..1000).any(|_| !filling.takes(4000)));
    }
}
