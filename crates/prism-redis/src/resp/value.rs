//! An answer.

use bytes::Bytes;

/// An answer of a server, or a part of one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// Nothing.
    Nil,
    /// `OK`.
    Okay,
    /// An integer; 0 or 1 for a boolean.
    Int(i64),
    /// A word, or a number that is not an integer.
    SimpleString(Box<str>),
    /// Bytes.
    BulkString(Bytes),
    /// An array, or a set.
    Array(Vec<Value>),
    /// A map, in the order in which it was sent.
    Map(Vec<(Value, Value)>),
    /// An error.
    ServerError(Refusal),
}

/// An error that a server has answered: a code, and mostly more words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal(Box<str>);

impl Refusal {
    pub(crate) fn new(line: &str) -> Self {
        Self(line.into())
    }

    /// The code, such as `WRONGTYPE`; `ERR` stands for any.
    pub(crate) fn code(&self) -> &str {
        self.0.split_once(' ').map_or(&self.0, |(code, _)| code)
    }

    /// What follows the code.
    pub(crate) fn details(&self) -> &str {
        self.0.split_once(' ').map_or("", |(_, details)| details)
    }
}
