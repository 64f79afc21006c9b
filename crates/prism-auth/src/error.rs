//! Why a file of credentials cannot be used, and why a caller is refused.

use std::fmt;
use std::path::{Path, PathBuf};

use prism_proto::{Error, ErrorReason};

/// Why a file of credentials cannot be used. Says what was expected, and nothing that the file contains except names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct FileError {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1, if one is to blame.
    pub line: Option<usize>,
    /// What is wrong, and what was expected.
    pub why: String,
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, why } = self;
        match line {
            Some(line) => write!(f, "{}:{line}: {why}", file.display()),
            None => write!(f, "{}: {why}", file.display()),
        }
    }
}

impl FileError {
    pub(crate) fn new(file: &Path, line: Option<usize>, why: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, why: why.into() }
    }
}

/// The error of a call whose credential is not accepted.
#[must_use]
pub fn refused(why: &'static str) -> Error {
    Error::new(ErrorReason::TokenInvalid, why)
}

/// The error of a call that needs a credential and has none.
#[must_use]
pub fn missing() -> Error {
    refused(
        "the call has no credential; send a token as `authorization: Bearer TOKEN`, or use a client certificate",
    )
}
