//! The kinds of error on which a caller branches.

use prism_proto::ErrorReason;
use tonic::Code;

/// The kind of an [`Error`](crate::Error).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The key does not exist or has expired.
    NotFound,
    /// The request or a setting of the client breaks a rule; the same call will fail again.
    InvalidArgument,
    /// The gateway's configuration does not list the namespace.
    NamespaceNotFound,
    /// The configuration does not allow the call: the interface is not served, or the namespace is read-only.
    FailedPrecondition,
    /// The gateway or the backend cannot be reached, or the connection was lost.
    Unavailable,
    /// The call's deadline passed. A write may still have been applied.
    DeadlineExceeded,
    /// A limit was reached: memory, rate, or calls in flight.
    ResourceExhausted,
    /// The token is missing, unknown or expired, or there is none to send: its file or provider failed.
    Unauthenticated,
    /// The caller is known, but has no right to make the call.
    PermissionDenied,
    /// The backend does not offer what was requested.
    Unimplemented,
    /// A counter would leave 64 bits, or a list has no such index; nothing has changed.
    OutOfRange,
    /// The operation cannot be completed; it may be started over: a scan whose backend lost its data midway.
    Aborted,
    /// The server cancelled the call. A write may still have been applied.
    Cancelled,
    /// The client was closed before the call.
    Closed,
    /// A bug in the server, or an invalid response.
    Internal,
}

impl ErrorKind {
    /// The only table from gRPC codes to kinds. The reason only distinguishes a missing namespace from other failed
    /// preconditions; everything else follows from the code.
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
            Code::OutOfRange => Self::OutOfRange,
            Code::Ok | Code::Unknown | Code::AlreadyExists | Code::Internal | Code::DataLoss => {
                Self::Internal
            }
        }
    }

    /// Whether a server that answers so has not acted on the call.
    pub(super) fn is_a_refusal(self) -> bool {
        match self {
            Self::NotFound
            | Self::InvalidArgument
            | Self::NamespaceNotFound
            | Self::FailedPrecondition
            | Self::ResourceExhausted
            | Self::Unauthenticated
            | Self::PermissionDenied
            | Self::Unimplemented
            | Self::OutOfRange
            | Self::Closed => true,
            Self::Unavailable | Self::DeadlineExceeded | Self::Aborted | Self::Cancelled | Self::Internal => {
                false
            }
        }
    }
}
