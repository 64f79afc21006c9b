//! What an export has written, and how it can be continued.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use prism_client::{ErrorReason, Item};

use super::checkpoint::{Checkpoint, Checkpoints};
use super::target::Start;
use crate::dump::Copied;
use crate::failure::Failure;
use crate::output::counted;

/// What has been written, and where it can be continued.
#[derive(Default)]
pub(super) struct Written {
    pub(super) copied: Copied,
    lines: u64,
    /// The length of the file.
    bytes: u64,
    /// The last token of the export and what had been written when it arrived; empty if there is none.
    token: Bytes,
    token_lines: u64,
    token_bytes: u64,
}

impl Written {
    /// Nothing yet, to a file of this length, from `start` on.
    pub(super) fn new(bytes: u64, start: &Start) -> Self {
        let token = match start {
            Start::Beginning => Bytes::new(),
            Start::At(token) => token.clone(),
        };
        Self { bytes, token, token_bytes: bytes, ..Self::default() }
    }

    /// Adds the line of an item, behind which this is the export's token. Returns whether the token is a new one.
    pub(super) fn add(&mut self, item: &Item, bytes: usize, token: Option<&Bytes>) -> bool {
        self.copied.add(item);
        self.lines += 1;
        self.bytes += bytes as u64;
        match token {
            Some(token) if *token != self.token => {
                self.token = token.clone();
                (self.token_lines, self.token_bytes) = (self.lines, self.bytes);
                true
            }
            _ => false,
        }
    }

    /// Whether nothing has been written.
    pub(super) fn is_empty(&self) -> bool {
        self.lines == 0
    }

    /// The checkpoint before anything is written: the export's own token, if it starts with one.
    pub(super) fn first_checkpoint(&self) -> Checkpoint {
        Checkpoint { resume: self.token.clone(), file_bytes: self.bytes }
    }

    /// Writes a checkpoint if there is a token to continue at; otherwise the previous checkpoint holds.
    pub(super) fn save(&self, checkpoints: &mut Checkpoints) -> io::Result<()> {
        if self.token.is_empty() {
            return Ok(());
        }
        checkpoints.write(&Checkpoint { resume: self.token.clone(), file_bytes: self.token_bytes })
    }

    /// A failure of an export to standard output, with how to continue.
    pub(super) fn told_with(self, failure: Failure) -> Failure {
        let can_continue =
            matches!(failure, Failure::Call(_) | Failure::Refused { .. }) && !must_start_over(&failure);
        if self.token.is_empty() || !can_continue {
            return failure;
        }
        let token = STANDARD.encode(&self.token);
        let again = match self.lines - self.token_lines {
            0 => String::new(),
            again => format!(", which writes the last {} again", counted(again, "line")),
        };
        let hint = format!("{} written; continue with --resume {token}{again}", self.copied.were());
        Failure::Partial { failure: Box::new(failure), hint, start_after: None, resume: Some(token) }
    }

    /// A failure of an export to a file, with how to continue.
    pub(super) fn told_with_file(self, failure: Failure, name: &str) -> Failure {
        let written = self.copied.were();
        let hint = if must_start_over(&failure) {
            // Continuing would hide that keys of what is written may be missing.
            format!("{written} written to {name}: remove it and export again")
        } else {
            let behind = if self.lines == 1 { "it" } else { "them" };
            format!(
                "{written} written to {name}; run the same command with --resume to continue after {behind}"
            )
        };
        let token =
            (!self.token.is_empty() && !must_start_over(&failure)).then(|| STANDARD.encode(&self.token));
        Failure::Partial { failure: Box::new(failure), hint, start_after: None, resume: token }
    }
}

/// A token as it is printed.
pub(crate) fn decode(token: &str) -> Result<Bytes, Failure> {
    match STANDARD.decode(token) {
        Ok(token) if !token.is_empty() => Ok(token.into()),
        _ => Err(Failure::Usage(
            "--resume: expected the token that an interrupted export printed, in base64".to_owned(),
        )),
    }
}

pub(crate) fn must_start_over(failure: &Failure) -> bool {
    matches!(reason(failure), Some(ErrorReason::ScanInterrupted | ErrorReason::ResumeInvalid))
}

fn reason(failure: &Failure) -> Option<ErrorReason> {
    if let Failure::Call(error) = failure { error.reason() } else { None }
}
