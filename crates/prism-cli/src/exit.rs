//! How the process ends: the exit codes, the same for every command.

use std::process::ExitCode;

use prism_client::ErrorKind;
use prism_runtime::exit::ServerError;

/// How a command ended. Most wrong usage, 2, is reported by clap before any command runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It succeeded.
    Success,
    /// It failed: the call was refused, or its response is invalid.
    Failed,
    /// The command line is invalid.
    Usage,
    /// The key or service does not exist, or the list is empty.
    NotFound,
    /// The server was not reached, or the deadline passed.
    Unavailable,
    /// A condition did not hold: nothing has changed.
    NotApplied,
    /// An address cannot be bound.
    Address,
    /// The configuration of a server is invalid.
    Config,
}

impl Exit {
    pub(crate) const ALL: [Self; 8] = [
        Self::Success,
        Self::Failed,
        Self::Usage,
        Self::NotFound,
        Self::Unavailable,
        Self::NotApplied,
        Self::Address,
        Self::Config,
    ];

    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Unavailable => 4,
            Self::NotApplied => 5,
            Self::Address => 69,
            Self::Config => 78,
        }
    }

    /// How a command ended in a process of its own; `None` if a signal ended it.
    pub(crate) fn of_code(code: Option<i32>) -> Self {
        let known = Self::ALL.into_iter().find(|exit| Some(i32::from(exit.code())) == code);
        known.unwrap_or(Self::Failed)
    }

    /// Success if `found`, otherwise not found.
    pub(crate) fn found(found: bool) -> Self {
        if found { Self::Success } else { Self::NotFound }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

impl From<ErrorKind> for Exit {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::NotFound => Self::NotFound,
            ErrorKind::Unavailable | ErrorKind::DeadlineExceeded => Self::Unavailable,
            ErrorKind::InvalidArgument
            | ErrorKind::NamespaceNotFound
            | ErrorKind::FailedPrecondition
            | ErrorKind::ResourceExhausted
            | ErrorKind::Unauthenticated
            | ErrorKind::PermissionDenied
            | ErrorKind::Unimplemented
            | ErrorKind::OutOfRange
            | ErrorKind::Aborted
            | ErrorKind::Cancelled
            | ErrorKind::Closed
            | ErrorKind::Internal => Self::Failed,
        }
    }
}

impl From<&ServerError> for Exit {
    fn from(error: &ServerError) -> Self {
        match error {
            ServerError::Failed(_) => Self::Failed,
            ServerError::Address { .. } => Self::Address,
            ServerError::Config(_) => Self::Config,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_those_that_scripts_know() {
        assert_eq!(Exit::ALL.map(Exit::code), [0, 1, 2, 3, 4, 5, 69, 78]);
    }

    #[test]
    fn a_servers_errors_keep_their_codes() {
        let taken = ServerError::Address { address: "a:1".into(), source: std::io::Error::other("taken") };
        for error in [ServerError::Failed("x".into()), taken, ServerError::Config("x".into())] {
            assert_eq!(Exit::from(&error).code(), error.code());
        }
    }
}
