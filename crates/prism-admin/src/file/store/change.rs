//! A change that is asked for, and what it left behind.

use std::sync::Arc;

use crate::file::snapshot::Snapshot;

/// Who asks for a change.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The name of the token, or `local` without tokens.
    pub who: String,
    /// The request's id.
    pub request_id: String,
}

/// A change that was asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// Who asks.
    pub caller: Caller,
    /// What is done, such as `create namespace orders`.
    pub action: String,
}

/// What a change left behind.
#[derive(Clone, Debug)]
pub struct Written<T> {
    /// What the deciding function said.
    pub outcome: T,
    /// The file before.
    pub before: Arc<Snapshot>,
    /// The file now.
    pub after: Arc<Snapshot>,
    /// The number of the revision in force, if the file has one.
    pub revision: Option<u64>,
}

/// How a state of the file lies to a revision in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// It came after.
    Later,
    /// It is that of this revision, which came before.
    Earlier(u64),
    /// It is none that is kept.
    Unknown,
}
