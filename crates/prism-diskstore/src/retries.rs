//! Calls that are repeated under an idempotency key.

use bytes::Bytes;
use prism_plugin::retries::{Attempt, IdempotentRetries};
use prism_plugin::{Context, Error};

use crate::layout::retries::Call;
use crate::list::put_back_handed;
use crate::store::DiskStore;

impl IdempotentRetries for DiskStore {
    /// A step of a batch: behind the writes that came before, and answered when they are on disk.
    async fn recall(&self, attempt: &Attempt) -> Result<Option<Bytes>, Error> {
        let call = Call::of(attempt);
        self.batched(&Context::default(), false, 0, move |txn| {
            put_back_handed(txn, &call)?;
            txn.step(|txn| txn.recall(&call))
        })
        .await
    }
}
