//! A requested change, and its result.

use std::sync::Arc;

use crate::file::snapshot::Snapshot;

/// Who requests a change.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The name of the token, or `local` without tokens.
    pub who: String,
    /// The request's id.
    pub request_id: String,
}

/// A requested change.
#[derive(Clone, Debug)]
pub struct Request {
    /// Who requests it.
    pub caller: Caller,
    /// What is done, such as `create namespace orders`.
    pub action: String,
}

/// The result of a change.
#[derive(Clone, Debug)]
pub struct Written<T> {
    /// The result of the deciding function.
    pub outcome: T,
    /// The file before.
    pub before: Arc<Snapshot>,
    /// The file now.
    pub after: Arc<Snapshot>,
    /// The number of the revision in force, if the file has one.
    pub revision: Option<u64>,
}

/// How a state of the file relates to a revision in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// It is newer.
    Later,
    /// It is the state of this revision, which is older.
    Earlier(u64),
    /// It is not among the kept revisions.
    Unknown,
}
