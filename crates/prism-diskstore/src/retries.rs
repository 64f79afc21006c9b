//! Calls that are repeated under an idempotency key.

use bytes::Bytes;
use prism_plugin::retries::{Attempt, IdempotentRetries};
use prism_plugin::{Context, Error};

use crate::layout::retries::Call;
use crate::store::DiskStore;

impl IdempotentRetries for DiskStore {
    /// A step of a batch: behind the writes that came before, and answered when they are on disk. A value that was taken for the same
    /// call and that nobody waits for any more is back in its list: its waiter went before this was called, and a batch begins
    /// with what has returned. A batch is gathered before its first step runs, so none hands a value to one who left before.
    async fn recall(&self, attempt: &Attempt) -> Result<Option<Bytes>, Error> {
        let call = Call::of(attempt);
        self.batched(&Context::default(), false, 0, move |txn| txn.step(|txn| txn.recall(&call))).await
    }
}
