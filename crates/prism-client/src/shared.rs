//! What all handles of a client share: the connections, the timers and the settings of its calls.

use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use tonic::Request;
use tonic::metadata::MetadataMap;

use crate::address::Address;
use crate::deadline::Timers;
use crate::error::{Error, ErrorKind};
use crate::idempotency::Idempotency;
use crate::metadata::{AUTHORIZATION, Own};
use crate::token::{Token, Tokens};
use crate::trace::Traces;
use crate::transport::{NoConnection, Pool};

/// The callback for failures that will be retried.
pub(crate) type OnRetry = Arc<dyn Fn(&Error) + Send + Sync>;

pub(crate) struct Shared {
    pub(crate) unary: Pool,
    pub(crate) scans: Pool,
    pub(crate) timers: Timers,
    pub(crate) origin: Uri,
    pub(crate) address: Address,
    pub(crate) metadata: MetadataMap,
    pub(crate) tokens: Tokens,
    /// Whether nobody but the gateway sees what is sent, or somebody may.
    pub(crate) token_is_safe: bool,
    pub(crate) timeout: Duration,
    pub(crate) stall_timeout: Duration,
    pub(crate) attempts_max: u32,
    pub(crate) on_retry: Option<OnRetry>,
    /// Creates the spans of calls, if tracing is on.
    pub(crate) traces: Option<Traces>,
    pub(crate) idempotency: Idempotency,
}

impl Shared {
    /// Reports a failure that will be retried.
    pub(crate) fn retrying(&self, error: &Error) {
        if let Some(observer) = &self.on_retry {
            observer(error);
        }
    }

    /// Refuses a call whose own credential somebody else could read on its way.
    pub(crate) fn check_credential(&self, operation: &'static str, own: &Own) -> Result<(), Error> {
        if !self.token_is_safe && own.has_credential() {
            return Err(Error::insecure_token(operation, &self.address));
        }
        Ok(())
    }

    /// The token for a call; `None` if its metadata has what it sends.
    pub(crate) async fn token(&self, operation: &'static str, own: &Own) -> Result<Option<Token>, Error> {
        if own.has_credential() {
            return Ok(None);
        }
        self.tokens.current().await.map_err(|none| none.of(operation))
    }

    /// Another token with which to repeat a call, if `error` says that the server has refused this one.
    pub(crate) async fn token_after(&self, error: &Error, refused: &Token) -> Result<Option<Token>, Error> {
        if error.kind() != ErrorKind::Unauthenticated {
            return Ok(None);
        }
        let other = self.tokens.other(refused).await;
        let other = other.map_err(|none| none.after_a_refusal().of(error.operation()))?;
        if other.is_some() {
            self.retrying(error);
        }
        Ok(other)
    }

    /// A request with the client's metadata and the call's own.
    pub(crate) fn request<T>(
        &self,
        message: T,
        own: &Own,
        token: Option<&Token>,
    ) -> Result<Request<T>, Error> {
        let mut request = Request::new(message);
        *request.metadata_mut() = own.over(&self.metadata)?;
        if let Some(token) = token
            && !request.metadata().contains_key(AUTHORIZATION)
        {
            request.metadata_mut().insert(AUTHORIZATION, token.header().clone());
        }
        Ok(request)
    }
}

impl NoConnection {
    /// The error of the call that needed the connection.
    pub(crate) fn of(self, operation: &'static str) -> Error {
        match self {
            Self::Failed { error, retry_delay, is_past } => {
                let cause = error.cause();
                Error::connect(operation, retry_delay, Arc::new(error), &cause, is_past)
            }
            Self::Closed => Error::closed(operation),
        }
    }
}
