//! Why a process ends: the exit codes, and the one error type that `main` sees.

use std::fmt::Display;
use std::io;

use prism_net::address::Address;

/// Why a server could not start or keep running. Each has its exit code, so that scripts and supervisors can tell them
/// apart; 2, wrong usage, is clap's own.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// 1: failed while running.
    #[error("{0}")]
    Failed(String),
    /// 69 (`EX_UNAVAILABLE` of sysexits.h): an address cannot be bound.
    #[error("cannot listen on {address}: {source}{}", hint(source))]
    Address {
        /// The address as it was given.
        address: String,
        /// The system's error.
        source: io::Error,
    },
    /// 78 (`EX_CONFIG` of sysexits.h): the configuration is wrong.
    #[error("{0}")]
    Config(String),
}

fn hint(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::AddrInUse => {
            "; another process listens there: stop it, or choose another address (port 0 picks a free one)"
        }
        io::ErrorKind::PermissionDenied => "; choose a port above 1023, or a path you may write to",
        io::ErrorKind::AddrNotAvailable => "; this machine does not have that address",
        _ => "",
    }
}

impl ServerError {
    /// A failure while running.
    pub fn failed(error: impl Display) -> Self {
        Self::Failed(error.to_string())
    }

    /// An address that cannot be bound.
    pub fn address(address: &Address) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Address { address: address.to_string(), source }
    }

    /// The exit code.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Address { .. } => 69,
            Self::Config(_) => 78,
        }
    }
}
