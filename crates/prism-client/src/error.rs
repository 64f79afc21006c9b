//! The error of a failed call: [`Error`], with a kind to branch on, a reason, facts, and whether a retry makes sense.
//!
//! Errors have three origins, each with its constructors: a gRPC status ([`Error::from_status`]), the connection
//! ([`Error::connect`], or a status with a [`Lost`] inside), and this client itself.

mod batch;
mod kind;
mod lost;

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use prism_net::tls;
use prism_proto::error::{APPLIED, code_name};
use prism_proto::{Applied, ErrorReason};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

pub use kind::ErrorKind;
pub(crate) use lost::Lost;

type Source = Arc<dyn StdError + Send + Sync>;

/// Why a call failed.
///
/// [`kind`](Error::kind) is what to branch on; the text is for people and never contains a key, a value or a token.
///
/// ```
/// use prism_client::{Client, ErrorKind};
/// let error = Client::new("no port").unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::InvalidArgument);
/// assert!(!error.is_retryable());
/// ```
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    code: Code,
    operation: &'static str,
    message: Cow<'static, str>,
    reason: Option<ErrorReason>,
    applied: Option<Applied>,
    retry_delay: Option<Duration>,
    no_side_effects: bool,
    /// The connection failed for TLS.
    is_tls: bool,
    /// No retry helps until somebody changes a certificate or a setting.
    is_lasting: bool,
    facts: Vec<(Cow<'static, str>, String)>,
    source: Option<Source>,
}

impl Error {
    /// The kind of this error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The reason given by the gateway or the backend; `None` if they gave none, or if the client itself failed.
    #[must_use]
    pub fn reason(&self) -> Option<ErrorReason> {
        self.0.reason
    }

    /// The gRPC status code, or the closest one if no status was received.
    #[must_use]
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The name of [`code`](Self::code) in gRPC's specification: `NOT_FOUND`.
    #[must_use]
    pub fn code_name(&self) -> &'static str {
        code_name(self.0.code)
    }

    /// The operation: `keyvalue.set`, `list.pop_left`, or `client` for a setting.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        self.0.operation
    }

    /// The message, without the operation and the reason.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Whether the same call may succeed later, and repeating it cannot apply it twice.
    ///
    /// The client has already retried such calls, except those refused for their rate or for too many calls in flight,
    /// and scans that have to start over.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        let is_left_to_the_caller = matches!(
            self.reason(),
            Some(ErrorReason::RateLimit | ErrorReason::TooManyInFlight | ErrorReason::ScanInterrupted)
        );
        is_left_to_the_caller || self.repeats_safely(self.0.no_side_effects)
    }

    /// Whether the call certainly has had no effect. Otherwise a write may have been applied.
    #[must_use]
    pub fn is_not_applied(&self) -> bool {
        match (self.0.applied, self.0.kind) {
            (Some(applied), _) => applied == Applied::No,
            // The answer to a first call that is forgotten, which may have been applied.
            _ if self.0.reason == Some(ErrorReason::IdempotencyWindowPassed) => false,
            (None, kind) => kind.is_a_refusal(),
        }
    }

    /// Whether the connection failed for TLS: a file, a certificate, or a side that speaks plaintext.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.0.is_tls
    }

    /// How long the server asks to wait before a retry.
    #[must_use]
    pub fn retry_delay(&self) -> Option<Duration> {
        self.0.retry_delay
    }

    /// The request's field that breaks a rule.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        self.fact("field")
    }

    /// The limit that was exceeded, in the unit of the message.
    #[must_use]
    pub fn limit(&self) -> Option<u64> {
        self.fact("limit")?.parse().ok()
    }

    /// The size that exceeded the limit, in the unit of the message.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        self.fact("size")?.parse().ok()
    }

    /// A fact from the status's `ErrorInfo`, by its name: `field`, `limit`, `size`, `namespace`, `applied`.
    #[must_use]
    pub fn fact(&self, name: &str) -> Option<&str> {
        self.0.facts.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether the client may retry after this error: nothing was applied, or repeating changes nothing, and it may help.
    pub(crate) fn repeats_safely(&self, no_side_effects: bool) -> bool {
        match self.0.applied {
            _ if self.0.is_lasting => false,
            // The same credential gets the same answer.
            _ if matches!(self.kind(), ErrorKind::Unauthenticated | ErrorKind::PermissionDenied) => false,
            Some(Applied::No) => true,
            Some(Applied::Maybe) | None => no_side_effects && self.kind() == ErrorKind::Unavailable,
        }
    }

    /// Whether the call failed in a way that leaves open whether it was applied.
    pub(crate) fn may_have_been_applied(&self) -> bool {
        self.0.applied != Some(Applied::No)
            && matches!(self.kind(), ErrorKind::Unavailable | ErrorKind::DeadlineExceeded)
    }

    /// Converts a status, as far as it has details: its `ErrorInfo`, or what this client attached, or the code.
    pub(crate) fn from_status(operation: &'static str, status: &Status) -> Self {
        if let Some(lost) = status.source().and_then(|source| source.downcast_ref::<Lost>()) {
            let mut error = Self::new(Code::Unavailable, operation, status.message().to_owned());
            error.0.applied = Some(lost.applied);
            (error.0.is_tls, error.0.is_lasting) = (lost.is_tls(), lost.is_tls());
            error.0.source = Some(Arc::new(lost.clone()));
            return error;
        }
        if let Some(broken) = status.source().and_then(|source| source.downcast_ref::<prost::DecodeError>()) {
            let mut error = Self::new(Code::Internal, operation, "the server's response cannot be decoded");
            error.0.source = Some(Arc::new(broken.clone()));
            return error;
        }
        let mut error = Self::new(status.code(), operation, status.message().to_owned());
        match prism_proto::Error::from_status(status) {
            Some(told) => {
                error.0.applied = match told.fact(APPLIED) {
                    Some("no") => Some(Applied::No),
                    Some(_) => Some(Applied::Maybe),
                    None => None,
                };
                error.0.retry_delay = told.retry_delay;
                error.0.reason = Some(told.reason);
                error.0.kind = ErrorKind::of(status.code(), Some(told.reason));
                error.0.facts = told.metadata;
            }
            None => {
                let details = status.get_error_details();
                error.0.retry_delay = details.retry_info().and_then(|retry| retry.retry_delay);
            }
        }
        error
    }

    /// No connection could be made, and nothing was sent. `cause` is the failure of the connection in `source`;
    /// `is_past` if it may be mended by now.
    pub(crate) fn connect(
        operation: &'static str,
        retry_delay: Duration,
        source: Source,
        cause: &io::Error,
        is_past: bool,
    ) -> Self {
        let mut error = Self::new(Code::Unavailable, operation, source.to_string());
        error.0.applied = Some(Applied::No);
        (error.0.is_tls, error.0.is_lasting) = (tls::is_tls(cause), !is_past && tls::is_lasting(cause));
        error.0.retry_delay = Some(retry_delay);
        error.0.source = Some(source);
        error
    }

    /// The call's deadline has passed.
    pub(crate) fn deadline(operation: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        let mut error = Self::new(Code::DeadlineExceeded, operation, message);
        error.0.reason = Some(ErrorReason::DeadlineExceeded);
        error
    }

    /// The request is larger than any peer accepts.
    pub(crate) fn too_large(operation: &'static str, size: usize, limit: usize) -> Self {
        let message = format!("the message has {size} bytes; the limit is {limit}");
        let mut error = Self::new(Code::InvalidArgument, operation, message);
        error.0.reason = Some(ErrorReason::MessageTooLarge);
        error.0.facts = vec![("limit".into(), limit.to_string()), ("size".into(), size.to_string())];
        error
    }

    /// A pop is to wait for longer than a server does.
    pub(crate) fn wait(operation: &'static str, wait: Duration, limit: Duration) -> Self {
        let message = format!("wait is {wait:?}; it must be at most {limit:?}");
        let mut error = Self::new(Code::InvalidArgument, operation, message);
        error.0.reason = Some(ErrorReason::WaitInvalid);
        error.0.facts =
            vec![("field".into(), "wait".to_owned()), ("limit".into(), limit.as_secs().to_string())];
        error
    }

    /// A scan was resumed, but the data after its cursor is not what it began with.
    pub(crate) fn scan_interrupted(operation: &'static str) -> Self {
        let message = "the scan cannot be completed: since it began, the backend has lost its data, or the namespace has \
                       moved to another backend";
        let mut error = Self::new(Code::Aborted, operation, message);
        error.0.reason = Some(ErrorReason::ScanInterrupted);
        error
    }

    /// The server has done what it must not.
    pub(crate) fn unexpected(operation: &'static str, message: &'static str) -> Self {
        Self::new(Code::Internal, operation, message)
    }

    /// The client is closed.
    pub(crate) fn closed(operation: &'static str) -> Self {
        let mut error = Self::new(Code::Cancelled, operation, "the client is closed");
        error.0.kind = ErrorKind::Closed;
        error
    }

    /// There is no token to send with a call.
    pub(crate) fn no_token(operation: &'static str, message: String, source: Option<Source>) -> Self {
        let mut error = Self::new(Code::Unauthenticated, operation, message);
        error.0.source = source;
        error
    }

    /// A token would be sent in plaintext to another machine.
    pub(crate) fn insecure_token(operation: &'static str, address: impl fmt::Display) -> Self {
        let message = format!(
            "the token was not sent: {address} is another machine, and the connection is not encrypted; connect with TLS, or \
             allow this with insecure_token"
        );
        Self::new(Code::InvalidArgument, operation, message)
    }

    /// The address is invalid.
    pub(crate) fn address(expected: &'static str) -> Self {
        Self::setting(format!("the address is not valid: {expected}"))
    }

    /// A setting of the client is invalid.
    pub(crate) fn setting(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::InvalidArgument, "client", message)
    }

    /// The same error, for a call that has no side effects.
    pub(crate) fn of_read(mut self, no_side_effects: bool) -> Self {
        self.0.no_side_effects = no_side_effects;
        self
    }

    fn new(code: Code, operation: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            kind: ErrorKind::of(code, None),
            code,
            operation,
            message: message.into(),
            reason: None,
            applied: None,
            retry_delay: None,
            no_side_effects: false,
            is_tls: false,
            is_lasting: false,
            facts: Vec::new(),
            source: None,
        }))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed: {}", self.operation(), self.message())?;
        match self.reason() {
            Some(reason) => write!(f, " ({reason})"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("code", &self.0.code)
            .field("operation", &self.0.operation)
            .field("message", &self.0.message)
            .field("reason", &self.0.reason)
            .field("applied", &self.0.applied)
            .field("retry_delay", &self.0.retry_delay)
            .field("facts", &self.0.facts)
            .field("source", &self.0.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_decides_where_no_reason_is_given() {
        for (code, kind) in [
            (Code::NotFound, ErrorKind::NotFound),
            (Code::FailedPrecondition, ErrorKind::FailedPrecondition),
            (Code::Unavailable, ErrorKind::Unavailable),
            (Code::ResourceExhausted, ErrorKind::ResourceExhausted),
            (Code::Aborted, ErrorKind::Aborted),
            (Code::OutOfRange, ErrorKind::OutOfRange),
            (Code::Unknown, ErrorKind::Internal),
        ] {
            let error = Error::from_status("keyvalue.get", &Status::new(code, "foreign"));
            assert_eq!((error.kind(), error.code(), error.reason()), (kind, code, None));
        }
    }

    #[test]
    fn the_reason_and_its_facts_are_read() {
        let told = prism_proto::Error::new(ErrorReason::ValueTooLarge, "too large")
            .with("field", "value")
            .with("limit", "10")
            .with("size", "11");
        let error = Error::from_status("keyvalue.set", &Status::from(told));
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert_eq!(error.reason(), Some(ErrorReason::ValueTooLarge));
        assert_eq!((error.field(), error.limit(), error.size()), (Some("value"), Some(10), Some(11)));
        assert_eq!(error.to_string(), "keyvalue.set failed: too large (VALUE_TOO_LARGE)");
    }

    #[test]
    fn a_missing_namespace_is_not_a_missing_key() {
        let told = prism_proto::Error::new(ErrorReason::NamespaceNotFound, "no such namespace");
        let error = Error::from_status("keyvalue.get", &Status::from(told));
        assert_eq!(error.kind(), ErrorKind::NamespaceNotFound);
    }

    #[test]
    fn an_undecodable_answer_is_not_the_callers_fault() {
        let mut status = Status::invalid_argument("the message cannot be decoded");
        let broken = <String as prost::Message>::decode(&b"\xff"[..]).unwrap_err();
        status.set_source(Arc::new(broken));
        assert_eq!(Error::from_status("keyvalue.get", &status).kind(), ErrorKind::Internal);
    }

    #[test]
    fn only_what_cannot_be_applied_twice_is_retryable() {
        let unavailable = |applied| {
            let told = prism_proto::Error::unavailable(ErrorReason::BackendLost, applied, "lost");
            Error::from_status("keyvalue.set", &Status::from(told))
        };
        assert!(unavailable(Applied::No).is_retryable());
        for reason in [ErrorReason::TokenInvalid, ErrorReason::PermissionDenied] {
            let refused = prism_proto::Error::new(reason, "no").with("applied", "no");
            assert!(!Error::from_status("a", &refused.into()).is_retryable(), "{reason}");
        }
        assert!(!unavailable(Applied::Maybe).is_retryable());
        assert!(unavailable(Applied::Maybe).of_read(true).is_retryable());

        let silent = Error::from_status("keyvalue.set", &Status::unavailable("no details"));
        assert!(!silent.is_retryable(), "without `applied`, the call may have been applied");
    }
}
