//! A token, as a header carries it, and why there is none.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use tonic::metadata::{Ascii, MetadataValue};

use crate::error::Error;

/// The value of the header; never shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token(MetadataValue<Ascii>);

impl Token {
    /// Fails on what no header can carry, without showing it.
    pub(crate) fn new(text: &str) -> Result<Self, &'static str> {
        check(text)?;
        let mut value = MetadataValue::try_from(format!("Bearer {text}")).map_err(|_| NOT_A_WORD)?;
        value.set_sensitive(true);
        Ok(Self(value))
    }

    pub(crate) fn header(&self) -> &MetadataValue<Ascii> {
        &self.0
    }
}

const NOT_A_WORD: &str = "must be one word of visible ASCII";

/// Whether a text is a token; why not, without showing it.
pub(super) fn check(text: &str) -> Result<(), &'static str> {
    match text {
        "" => Err("is empty"),
        _ if text.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(()),
        _ => Err(NOT_A_WORD),
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// Why there is no token. Never contains one.
#[derive(Clone, Debug)]
pub(crate) struct NoToken {
    pub(super) message: String,
    pub(super) source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl NoToken {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), source: None }
    }

    pub(crate) fn after_a_refusal(self) -> Self {
        Self { message: format!("the server refused the token, and {}", self.message), ..self }
    }

    /// The error of a call that could not be sent.
    pub(crate) fn of(self, operation: &'static str) -> Error {
        Error::no_token(operation, self.message, self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_word_that_a_header_can_carry() {
        assert!(Token::new("aZ09-._~+/=").is_ok());
        for wrong in ["", "two words", "line\nbreak", "tab\t", "\u{7f}", "Ünal"] {
            assert!(Token::new(wrong).is_err(), "{wrong:?}");
        }
        assert!(!format!("{:?}", Token::new("s3cret").unwrap()).contains("s3cret"));
    }
}
