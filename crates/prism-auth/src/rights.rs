//! What a caller may do in a namespace.

use std::fmt;

use prism_grpc::identity::Identity;
use serde::{Deserialize, Serialize};

/// One right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Right {
    /// To call methods without side effects.
    Read,
    /// To call the others.
    Write,
}

/// A set of rights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// Whether methods without side effects may be called.
    pub read: bool,
    /// Whether the others may.
    pub write: bool,
}

impl Rights {
    /// Whether all of `needed` are among these.
    #[must_use]
    pub fn include(self, needed: Self) -> bool {
        (self.read || !needed.read) && (self.write || !needed.write)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }
}

impl FromIterator<Right> for Rights {
    fn from_iter<I: IntoIterator<Item = Right>>(rights: I) -> Self {
        rights.into_iter().fold(Self::default(), |rights, right| match right {
            Right::Read => Self { read: true, ..rights },
            Right::Write => Self { write: true, ..rights },
        })
    }
}

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.read, self.write) {
            (true, true) => "read, write",
            (true, false) => "read",
            (false, true) => "write",
            (false, false) => "none",
        })
    }
}

/// What one caller may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The caller.
    pub caller: Identity,
    /// Its rights.
    pub rights: Rights,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_right_is_needed_on_its_own() {
        let [read, write] = [Right::Read, Right::Write].map(|right| Rights::from_iter([right]));
        let both = Rights::from_iter([Right::Read, Right::Write]);
        assert!(both.include(read) && both.include(write) && both.include(both));
        assert!(!read.include(write) && !write.include(read) && !read.include(both) && !write.include(both));
        assert!(Rights::default().is_empty() && !read.is_empty());
    }
}
