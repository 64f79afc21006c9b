//! The errors of items of a batch, and of what is done in many steps.

use prism_proto::interfaces::keyvalue::ItemStatus;
use prism_proto::{Applied, ErrorReason};
use tonic::Code;

use super::{Error, ErrorKind};

impl Error {
    /// One item of a batch failed.
    pub(crate) fn of_item(operation: &'static str, status: ItemStatus) -> Self {
        let reason = ErrorReason::from_str_name(&status.reason);
        let code = Code::from(status.code);
        let mut error = Self::new(code, operation, status.message);
        (error.0.kind, error.0.reason) = (ErrorKind::of(code, reason), reason);
        error
    }

    /// An item was not sent, because the call of an earlier part of its batch failed so.
    pub(crate) fn not_sent(&self) -> Self {
        let mut error = self.clone();
        error.0.message =
            format!("not sent, because an earlier part of the batch failed: {}", self.message()).into();
        error.0.applied = Some(Applied::No);
        error
    }

    /// The server has not answered each item of a batch.
    pub(crate) fn uneven_batch(operation: &'static str) -> Self {
        Self::new(Code::Internal, operation, "the server did not answer each item of the batch")
    }

    /// The same error, of a removal that has removed so many keys already.
    pub(crate) fn after(mut self, deleted: u64) -> Self {
        self.0.message = format!("{}; {deleted} keys had been removed", self.message()).into();
        self.0.facts.push(("deleted".into(), deleted.to_string()));
        self
    }
}
