//! What a backend holds, for operators to see.

use prism_grpc::Context;

use crate::error::Error;
use crate::types::Namespace;

/// What a namespace and the whole backend hold. What the backend does not count is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Keys in the namespace, including expired ones that are not freed yet.
    pub keys: Option<u64>,
    /// Lists in the namespace.
    pub lists: Option<u64>,
    /// Bytes that the whole backend uses, for all of its namespaces.
    pub backend_bytes: Option<u64>,
    /// The maximum number of bytes that it may use.
    pub backend_bytes_max: Option<u64>,
}

/// A backend that reports what it holds. Calls may come every few seconds, so they should be cheap.
pub trait Usage: Send + Sync + 'static {
    /// What a namespace holds: nothing if it does not exist.
    ///
    /// # Errors
    /// An error of the backend.
    fn usage(
        &self,
        context: &Context,
        namespace: Namespace,
    ) -> impl Future<Output = Result<Used, Error>> + Send;
}
