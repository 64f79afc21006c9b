//! How a case stops early, and the messages with which it stops.

use std::fmt::{Debug, Display};

use prism_proto::{Error, ErrorReason};
use tonic::{Code, Status};

/// How many characters of a response a message shows.
const SHOWN_MAX: usize = 160;

/// Why a case stops early.
#[derive(Clone, Debug)]
pub(super) enum Stop {
    /// The rule is broken.
    Failed(String),
    /// The endpoint gives no occasion for the case.
    NotApplicable(String),
}

/// The result of a step of a case.
pub(super) type Verdict<T = ()> = Result<T, Stop>;

/// A failed case.
pub(super) fn failed<T>(sentence: impl Into<String>) -> Verdict<T> {
    Err(Stop::Failed(sentence.into()))
}

/// Fails unless both are equal.
pub(super) fn same<T: PartialEq + Debug + ?Sized>(what: impl Display, got: &T, expected: &T) -> Verdict {
    if got == expected {
        return Ok(());
    }
    failed(format!("{what}: expected {}, got {}", shown(expected), shown(got)))
}

/// Fails unless the claim holds.
pub(super) fn holds(claim: bool, sentence: impl FnOnce() -> String) -> Verdict {
    if claim { Ok(()) } else { failed(sentence()) }
}

/// The response to a call that must succeed.
pub(super) fn answered<T>(what: impl Display, answer: Result<T, Status>) -> Verdict<T> {
    answer.or_else(|status| failed(format!("{what}: expected a response, got {}", describe(&status))))
}

/// A status as part of a message.
pub(super) fn describe(status: &Status) -> String {
    let message: String = status.message().chars().take(SHOWN_MAX).collect();
    format!("{} ({message})", code_name(status.code()))
}

/// A code as gRPC's documents write it: `INVALID_ARGUMENT`.
pub(super) fn code_name(code: Code) -> String {
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

fn shown<T: Debug + ?Sized>(value: &T) -> String {
    let text = format!("{value:?}");
    match text.char_indices().nth(SHOWN_MAX) {
        Some((cut, _)) => format!("{}… ({} characters)", &text[..cut], text.chars().count()),
        None => text,
    }
}

/// Prism's reason in a status.
pub(super) fn reason(status: &Status) -> Option<ErrorReason> {
    Error::from_status(status).map(|error| error.reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_written_as_in_grpcs_documents() {
        assert_eq!(code_name(Code::InvalidArgument), "INVALID_ARGUMENT");
        assert_eq!(code_name(Code::Ok), "OK");
    }

    #[test]
    fn a_long_answer_is_cut() {
        let Err(Stop::Failed(sentence)) = same("Get", &"x".repeat(5000), &String::new()) else { panic!() };
        assert!(sentence.len() < 250 && sentence.contains("5002 characters"), "{sentence}");
    }
}
