//! What all handles of a client share: the connections, the timers and the settings of its calls.

use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use tonic::Request;
use tonic::metadata::MetadataMap;

use crate::deadline::Timers;
use crate::error::Error;
use crate::metadata::Own;
use crate::trace::Traces;
use crate::transport::{NoConnection, Pool};

/// The callback for failures that will be retried.
pub(crate) type OnRetry = Arc<dyn Fn(&Error) + Send + Sync>;

pub(crate) struct Shared {
    pub(crate) unary: Pool,
    pub(crate) scans: Pool,
    pub(crate) timers: Timers,
    pub(crate) origin: Uri,
    pub(crate) metadata: MetadataMap,
    pub(crate) timeout: Duration,
    pub(crate) stall_timeout: Duration,
    pub(crate) attempts_max: u32,
    pub(crate) on_retry: Option<OnRetry>,
    /// Creates the spans of calls, if tracing is on.
    pub(crate) traces: Option<Traces>,
}

impl Shared {
    /// Reports a failure that will be retried.
    pub(crate) fn retrying(&self, error: &Error) {
        if let Some(observer) = &self.on_retry {
            observer(error);
        }
    }

    /// A request with the client's metadata and the call's own.
    pub(crate) fn request<T>(&self, message: T, own: &Own) -> Result<Request<T>, Error> {
        let mut request = Request::new(message);
        *request.metadata_mut() = own.over(&self.metadata)?;
        Ok(request)
    }
}

impl NoConnection {
    /// The error of the call that needed the connection.
    pub(crate) fn of(self, operation: &'static str) -> Error {
        match self {
            Self::Failed { error, retry_delay } => Error::connect(operation, retry_delay, Arc::new(error)),
            Self::Closed => Error::closed(operation),
        }
    }
}
