//! TLS, by rustls: the files with certificates and keys, a server's side, a client's side, and a connection.
//!
//! | module | owns |
//! |---|---|
//! | [`pem`] | certificates and keys in files |
//! | [`certificate`] | what a certificate says: its names, its validity |
//! | `files` | whether files have changed |
//! | `failure` | a failed connection, in words |
//! | `loaded` | a certificate and its key, read and checked |
//! | `read_ahead` | a socket, read in larger pieces than rustls asks for |
//! | `plaintext` | the reply to a client that speaks plaintext |
//! | [`trust`] | whom a server trusts, and a client's certificate |
//! | [`server`] | accepting connections; files that change meanwhile |
//! | [`client`] | making connections |
//!
//! A module imports only those above it. TLS 1.2 and 1.3 with ring, which each configuration names, so that a process
//! has nothing to install first.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use rustls::crypto::CryptoProvider;

pub mod certificate;
pub mod client;
pub(crate) mod failure;
mod files;
mod loaded;
pub mod pem;
mod plaintext;
pub(crate) mod read_ahead;
pub mod server;
pub mod trust;

/// The protocol that both sides agree on in the handshake (ALPN).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/2, which gRPC needs.
    Http2,
    /// HTTP/1.1.
    Http1,
}

impl Protocol {
    /// The list that a side offers.
    fn offer(self) -> Vec<Vec<u8>> {
        match self {
            Self::Http2 => vec![b"h2".to_vec()],
            Self::Http1 => vec![b"http/1.1".to_vec()],
        }
    }
}

/// The one implementation of cryptography.
fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(rustls::crypto::ring::default_provider()));
    Arc::clone(&PROVIDER)
}

/// Why files cannot be used for TLS. It shows as `FILE:LINE: what is wrong; what to do`, and never shows what the file
/// holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsError {
    /// The file, if one is at fault.
    pub file: Option<PathBuf>,
    /// The line in it, from 1.
    pub line: Option<usize>,
    /// What is wrong, and what to do.
    pub why: String,
}

impl TlsError {
    fn of(file: &Path, line: impl Into<Option<usize>>, why: impl Into<String>) -> Self {
        Self { file: Some(file.to_owned()), line: line.into(), why: why.into() }
    }

    fn general(why: impl Into<String>) -> Self {
        Self { file: None, line: None, why: why.into() }
    }

    fn setup(error: impl fmt::Display) -> Self {
        Self::general(format!("TLS cannot be set up: {error}"))
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}:", file.display())?;
            if let Some(line) = self.line {
                write!(f, "{line}:")?;
            }
            f.write_str(" ")?;
        }
        f.write_str(&self.why)
    }
}

impl std::error::Error for TlsError {}

/// Whether a connection failed for TLS: its files, its handshake, or an alert.
#[must_use]
pub fn is_tls(error: &io::Error) -> bool {
    failure::is_failure(error) || error.get_ref().is_some_and(|inner| inner.is::<TlsError>())
}

/// Whether TLS fails until somebody changes a certificate or a setting, so that a retry is pointless. It goes by the
/// kind, since HTTP/2 keeps of an error no more than that and its words.
#[must_use]
pub fn is_lasting(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput)
        && error.get_ref().is_some()
}

impl From<TlsError> for io::Error {
    fn from(error: TlsError) -> Self {
        Self::new(io::ErrorKind::InvalidInput, error)
    }
}
