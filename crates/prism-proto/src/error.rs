//! Errors as they travel: a gRPC status with `google.rpc.ErrorInfo`, created once, by the plugin or the proxy, and
//! never rewritten.
//!
//! The reasons are the closed list of `proto/errors.proto`; [`ErrorReason::code`] is the only table that maps each to
//! its status code.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

mod generated {
    #![expect(missing_docs, reason = "generated; the proto holds the documentation")]
    include!("generated/prism.errors.rs");
}

pub use generated::ErrorReason;

/// The `domain` of every `ErrorInfo` that Prism creates.
pub const DOMAIN: &str = "prism";

/// The metadata key that says whether a failed call may have been applied: see [`Applied`].
pub const APPLIED: &str = "applied";

/// When to retry, unless a better delay is known.
const RETRY_DELAY: Duration = Duration::from_millis(100);

impl ErrorReason {
    /// The gRPC status code that this reason belongs to.
    #[must_use]
    pub fn code(self) -> Code {
        match self {
            Self::NamespaceInvalid
            | Self::KeyInvalid
            | Self::ValueTooLarge
            | Self::MessageTooLarge
            | Self::TtlInvalid
            | Self::LimitInvalid
            | Self::MalformedRequest
            | Self::ResumeInvalid
            | Self::ConditionInvalid
            | Self::BatchTooLarge
            | Self::EndInvalid
            | Self::WaitInvalid
            | Self::LeaseInvalid
            | Self::IdempotencyKeyInvalid
            | Self::IdempotencyKeyReused => Code::InvalidArgument,
            Self::KeyNotFound | Self::LeaseEnded => Code::NotFound,
            Self::NamespaceNotFound
            | Self::InterfaceNotServed
            | Self::ReadOnly
            | Self::ForwardingLoop
            | Self::WrongType
            | Self::NotANumber
            | Self::CrossSlot
            | Self::IdempotencyWindowPassed => Code::FailedPrecondition,
            Self::MethodUnknown
            | Self::CursorUnsupported
            | Self::CompressionUnsupported
            | Self::OrderUnsupported => Code::Unimplemented,
            Self::BackendUnreachable | Self::BackendLost | Self::Draining | Self::DurabilityNotReached => {
                Code::Unavailable
            }
            Self::DeadlineExceeded => Code::DeadlineExceeded,
            Self::MemoryLimit
            | Self::RateLimit
            | Self::TooManyInFlight
            | Self::AnswerBudget
            | Self::DiskFull
            | Self::IdempotencyLimit => Code::ResourceExhausted,
            Self::TokenInvalid => Code::Unauthenticated,
            Self::PermissionDenied => Code::PermissionDenied,
            Self::Internal => Code::Internal,
            Self::ScanInterrupted => Code::Aborted,
            Self::CounterOverflow | Self::IndexOutOfRange => Code::OutOfRange,
            Self::Unspecified => Code::Unknown,
        }
    }
}

/// The name of a gRPC status code, as in gRPC's specification.
#[must_use]
pub fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

impl fmt::Display for ErrorReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str_name())
    }
}

/// Whether a call that failed with UNAVAILABLE may have been applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// The backend has not seen the call: any method may be retried.
    No,
    /// The backend may have acted on it: only a call without side effects may be retried.
    Maybe,
}

impl Applied {
    /// The value of the metadata key [`APPLIED`].
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Maybe => "maybe",
        }
    }
}

/// An error on its way to the caller: a reason, a message and facts.
///
/// ```
/// use prism_proto::{Error, ErrorReason};
/// let status = tonic::Status::from(Error::new(ErrorReason::TtlInvalid, "ttl_seconds is 0; it must be at least 1"));
/// assert_eq!(status.code(), tonic::Code::InvalidArgument);
/// assert_eq!(Error::from_status(&status).unwrap().reason, ErrorReason::TtlInvalid);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What callers branch on.
    pub reason: ErrorReason,
    /// What failed, which field, which limit, and what to do next. Never a key, a value or a secret.
    pub message: Cow<'static, str>,
    /// Facts for programs, by name: `field`, `limit`, `size`, `namespace`, `applied`.
    pub metadata: Vec<(Cow<'static, str>, String)>,
    /// When to retry, for transient errors.
    pub retry_delay: Option<Duration>,
}

impl Error {
    /// An error without further facts.
    pub fn new(reason: ErrorReason, message: impl Into<Cow<'static, str>>) -> Self {
        Self { reason, message: message.into(), metadata: Vec::new(), retry_delay: None }
    }

    /// A transient error: UNAVAILABLE, with a retry delay and whether the call may have been applied.
    pub fn unavailable(reason: ErrorReason, applied: Applied, message: impl Into<Cow<'static, str>>) -> Self {
        debug_assert_eq!(reason.code(), Code::Unavailable, "{reason} is not a reason of UNAVAILABLE");
        let mut error = Self::new(reason, message).with(APPLIED, applied.as_str());
        error.retry_delay = Some(RETRY_DELAY);
        error
    }

    /// Adds a fact.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.metadata.push((Cow::Borrowed(name), value.into()));
        self
    }

    /// The value of the fact called `name`.
    #[must_use]
    pub fn fact(&self, name: &str) -> Option<&str> {
        self.metadata.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Parses what [`Status::from`] wrote; `None` if the status carries no reason of Prism's.
    #[must_use]
    pub fn from_status(status: &Status) -> Option<Self> {
        let details = status.get_error_details();
        let info = details.error_info().filter(|info| info.domain == DOMAIN)?;
        Some(Self {
            reason: ErrorReason::from_str_name(&info.reason)?,
            message: Cow::Owned(status.message().to_owned()),
            metadata: info
                .metadata
                .iter()
                .map(|(name, value)| (Cow::Owned(name.clone()), value.clone()))
                .collect(),
            retry_delay: details.retry_info().and_then(|retry| retry.retry_delay),
        })
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let metadata: HashMap<String, String> =
            error.metadata.into_iter().map(|(name, value)| (name.into_owned(), value)).collect();
        let mut details = ErrorDetails::with_error_info(error.reason.as_str_name(), DOMAIN, metadata);
        if error.retry_delay.is_some() {
            details.set_retry_info(error.retry_delay);
        }
        Status::with_error_details(error.reason.code(), error.message, details)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every reason with its code, written out: changing the table changes the contract.
    #[test]
    fn each_reason_has_its_pinned_code() {
        let pinned = [
            (
                Code::InvalidArgument,
                "NAMESPACE_INVALID KEY_INVALID VALUE_TOO_LARGE MESSAGE_TOO_LARGE TTL_INVALID LIMIT_INVALID MALFORMED_REQUEST \
                 RESUME_INVALID CONDITION_INVALID BATCH_TOO_LARGE END_INVALID WAIT_INVALID LEASE_INVALID IDEMPOTENCY_KEY_INVALID \
                 IDEMPOTENCY_KEY_REUSED",
            ),
            (Code::NotFound, "KEY_NOT_FOUND LEASE_ENDED"),
            (
                Code::FailedPrecondition,
                "NAMESPACE_NOT_FOUND INTERFACE_NOT_SERVED READ_ONLY FORWARDING_LOOP WRONG_TYPE NOT_A_NUMBER CROSS_SLOT \
                 IDEMPOTENCY_WINDOW_PASSED",
            ),
            (
                Code::Unimplemented,
                "METHOD_UNKNOWN CURSOR_UNSUPPORTED COMPRESSION_UNSUPPORTED ORDER_UNSUPPORTED",
            ),
            (Code::Unavailable, "BACKEND_UNREACHABLE BACKEND_LOST DRAINING DURABILITY_NOT_REACHED"),
            (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"),
            (
                Code::ResourceExhausted,
                "MEMORY_LIMIT RATE_LIMIT TOO_MANY_IN_FLIGHT ANSWER_BUDGET DISK_FULL IDEMPOTENCY_LIMIT",
            ),
            (Code::Unauthenticated, "TOKEN_INVALID"),
            (Code::PermissionDenied, "PERMISSION_DENIED"),
            (Code::Internal, "INTERNAL"),
            (Code::Aborted, "SCAN_INTERRUPTED"),
            (Code::OutOfRange, "COUNTER_OVERFLOW INDEX_OUT_OF_RANGE"),
            (Code::Unknown, "ERROR_REASON_UNSPECIFIED"),
        ];
        let mut seen = 0;
        for (code, names) in pinned {
            for name in names.split_whitespace() {
                let reason = ErrorReason::from_str_name(name).unwrap_or_else(|| panic!("no reason {name}"));
                assert_eq!(reason.code(), code, "{name}");
                seen += 1;
            }
        }
        let defined =
            (0..=i32::from(i16::MAX)).filter(|number| ErrorReason::try_from(*number).is_ok()).count();
        assert_eq!(seen, defined, "a reason of errors.proto is not pinned here");
    }

    #[test]
    fn an_error_survives_the_status() {
        let error =
            Error::unavailable(ErrorReason::BackendLost, Applied::Maybe, "lost").with("namespace", "orders");
        let mut back = Error::from_status(&Status::from(error.clone())).unwrap();
        back.metadata.sort_by_key(|(name, _)| name != APPLIED);
        assert_eq!(back, error);
    }

    #[test]
    fn a_foreign_status_has_no_reason() {
        assert_eq!(Error::from_status(&Status::not_found("no such row")), None);
        let foreign = ErrorDetails::with_error_info("KEY_NOT_FOUND", "example.com", HashMap::new());
        assert_eq!(Error::from_status(&Status::with_error_details(Code::NotFound, "x", foreign)), None);
    }
}
