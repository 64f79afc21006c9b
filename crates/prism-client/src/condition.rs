//! What must hold for a conditional write.

use std::fmt;

use bytes::Bytes;
use prism_proto::interfaces::keyvalue as wire;
use prism_proto::interfaces::keyvalue::condition::{Absent, Present, Test};

/// What must hold for a write to be applied. Values are compared byte by byte; an expired key counts as missing.
#[derive(Clone, PartialEq, Eq)]
pub enum Condition {
    /// The key does not exist.
    Absent,
    /// The key exists, with whatever value.
    Present,
    /// The key exists and has this value.
    Equals(Bytes),
    /// The key exists and its value has this SHA-256, 32 bytes: spares sending a large value.
    EqualsSha256(Bytes),
    /// The key exists and has another value.
    Differs(Bytes),
}

impl From<Condition> for wire::Condition {
    fn from(condition: Condition) -> Self {
        let test = match condition {
            Condition::Absent => Test::Absent(Absent {}),
            Condition::Present => Test::Present(Present {}),
            Condition::Equals(value) => Test::Equals(value),
            Condition::EqualsSha256(digest) => Test::EqualsSha256(digest),
            Condition::Differs(value) => Test::Differs(value),
        };
        Self { test: Some(test) }
    }
}

/// Does not show the value.
impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "Absent",
            Self::Present => "Present",
            Self::Equals(_) => "Equals(..)",
            Self::EqualsSha256(_) => "EqualsSha256(..)",
            Self::Differs(_) => "Differs(..)",
        })
    }
}
