//! The kinds of failure that a caller branches on.

use prism_proto::ErrorReason;
use tonic::Code;

/// What sort of failure an [`Error`](crate::Error) is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// There is no live key of that name.
    NotFound,
    /// The request or a setting of the client breaks a rule; the same call will fail again.
    InvalidArgument,
    /// The gateway's configuration does not list the namespace.
    NamespaceNotFound,
    /// The configuration does not allow the call: the interface is not served, or the namespace is read-only.
    FailedPrecondition,
    /// The gateway or the backend cannot be reached, or was lost on the way.
    Unavailable,
    /// The call's time was up. A write may still have been applied.
    DeadlineExceeded,
    /// A limit was met: memory, rate, or calls in flight.
    ResourceExhausted,
    /// The token is missing or not known.
    Unauthenticated,
    /// The token does not allow the call.
    PermissionDenied,
    /// The backend does not offer what was asked for.
    Unimplemented,
    /// The operation cannot be completed and may be started over: a scan whose backend lost its data midway.
    Aborted,
    /// The other side cancelled the call. A write may still have been applied.
    Cancelled,
    /// The client was closed before the call.
    Closed,
    /// A bug on the other side, or an answer that is no answer.
    Internal,
}

impl ErrorKind {
    /// The one table from gRPC codes to kinds. The reason only tells a missing namespace from the other failed
    /// preconditions: without it the code decides.
    pub(super) fn of(code: Code, reason: Option<ErrorReason>) -> Self {
        match code {
            Code::NotFound => Self::NotFound,
            Code::InvalidArgument => Self::InvalidArgument,
            Code::FailedPrecondition if reason == Some(ErrorReason::NamespaceNotFound) => {
                Self::NamespaceNotFound
            }
            Code::FailedPrecondition => Self::FailedPrecondition,
            Code::Unavailable => Self::Unavailable,
            Code::DeadlineExceeded => Self::DeadlineExceeded,
            Code::ResourceExhausted => Self::ResourceExhausted,
            Code::Unauthenticated => Self::Unauthenticated,
            Code::PermissionDenied => Self::PermissionDenied,
            Code::Unimplemented => Self::Unimplemented,
            Code::Cancelled => Self::Cancelled,
            Code::Aborted => Self::Aborted,
            Code::Ok
            | Code::Unknown
            | Code::AlreadyExists
            | Code::OutOfRange
            | Code::Internal
            | Code::DataLoss => Self::Internal,
        }
    }
}
