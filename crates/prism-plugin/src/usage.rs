//! What a backend holds, for operators to see.

use prism_grpc::Context;

use crate::error::Error;
use crate::types::Namespace;

/// What a namespace holds, and the backend as a whole. What the backend does not count is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Keys in the namespace, expired ones among them that are not freed yet.
    pub keys: Option<u64>,
    /// Lists in the namespace.
    pub lists: Option<u64>,
    /// Bytes that the whole backend takes, with all of its namespaces.
    pub backend_bytes: Option<u64>,
    /// The most bytes that it may take.
    pub backend_bytes_max: Option<u64>,
}

/// A backend that tells what it holds. It may be asked every few seconds, so the answer should cost little.
pub trait Usage: Send + Sync + 'static {
    /// What a namespace holds: nothing, where there is none of that name.
    ///
    /// # Errors
    /// An error of the backend.
    fn usage(
        &self,
        context: &Context,
        namespace: Namespace,
    ) -> impl Future<Output = Result<Used, Error>> + Send;
}
