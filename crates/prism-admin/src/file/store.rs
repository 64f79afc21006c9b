//! The configuration file and the files beside it: the only code that writes them.
//!
//! | beside `prism.yaml` | contains |
//! |---|---|
//! | `prism.yaml.revisions/` | the last 100 revisions: `000007.yaml`, the bytes, and `000007.json`, who, when and what; the latter is called `000007.pending` until the bytes are in force |
//! | `prism.yaml.audit.jsonl` | one line per change, kept forever |
//! | `prism.yaml.lock` | the lock (flock) that a writer holds |
//!
//! The steps of a write: queue, lock, read, record a change made by hand, decide, store the revision as pending, append
//! to the audit log, swap the file in, keep the revision. A step that fails undoes those before it, so an error means
//! that nothing has changed. A killed process may leave a pending revision; the next lock holder settles it.

mod audit;
mod change;
mod durable;
mod lock;
mod place;
mod recovery;
mod revisions;

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

pub use audit::{AuditEntry, AuditPage};
pub use change::{Age, Caller, Request, Written};
pub use revisions::Revision;

use super::snapshot::Snapshot;
use crate::error::{Kind, Problem};
use durable::Swapped;
use lock::Lock;
use place::{beside, folder_of, storage};
use revisions::Revisions;

/// How many states of the file are remembered. A reader may have read the previous one while the next is written.
const KNOWN_MAX: usize = 4;

/// The file. Its methods block, so call them only where blocking is allowed.
#[derive(Debug)]
pub struct Store {
    file: PathBuf,
    revisions: Revisions,
    /// The newest states of the file, the newest last.
    known: Mutex<VecDeque<Arc<Snapshot>>>,
    /// Where this process's writers wait, first come, first served.
    queue: tokio::sync::Mutex<()>,
}

/// A writer's turn, until dropped. The lock is released before the place in the queue.
struct Turn<'a> {
    _lock: Lock,
    _queue: tokio::sync::MutexGuard<'a, ()>,
}

impl Store {
    /// The store of a file, which need not exist yet.
    #[must_use]
    pub fn new(file: PathBuf) -> Self {
        let revisions = Revisions::new(beside(&file, "revisions"));
        Self { file, revisions, known: Mutex::default(), queue: tokio::sync::Mutex::default() }
    }

    /// The file's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.file
    }

    /// Stores the file as a revision if it is not one, so that it is not lost if it is deleted, and settles what a
    /// killed process left behind.
    ///
    /// # Errors
    /// The files beside it cannot be written.
    pub fn open(&self) -> Result<(), Problem> {
        let is_new = self.read()?.bytes_in_file().is_none();
        if is_new && self.revisions.numbers().pending.is_empty() {
            return Ok(());
        }
        let _turn = self.turn()?;
        durable::sweep(&self.file);
        self.note_hand_edit(&*self.read()?).map(drop)
    }

    fn turn(&self) -> Result<Turn<'_>, Problem> {
        let queue = self.queue.blocking_lock();
        // A folder that does not exist has neither lock nor file; the first write creates it.
        let folder = folder_of(&self.file);
        std::fs::create_dir_all(folder).map_err(|error| storage("make", folder, &error))?;
        Ok(Turn { _lock: Lock::take(&beside(&self.file, "lock"))?, _queue: queue })
    }

    fn audit_path(&self) -> PathBuf {
        beside(&self.file, "audit.jsonl")
    }

    /// The current file.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(&self) -> Result<Arc<Snapshot>, Problem> {
        let bytes = match std::fs::read(&self.file) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(storage("read", &self.file, &error)),
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.iter().rev().find(|known| known.is_of(bytes.as_deref())) {
            return Ok(Arc::clone(known));
        }
        let is_new = bytes.is_none() && self.revisions.numbers().last().is_none();
        let snapshot = Arc::new(Snapshot::read(&self.file, bytes, is_new));
        remember(&mut known, &snapshot);
        Ok(snapshot)
    }

    /// Decides on a new state of the file, based on the current one and while nobody else writes, and puts it in force.
    /// `None` leaves the file unchanged.
    ///
    /// # Errors
    /// The error of `decide`, or the file or those beside it cannot be written; in all cases nothing has changed.
    pub fn change<T>(
        &self,
        request: &Request,
        decide: impl FnOnce(&Snapshot) -> Result<(Option<Snapshot>, T), Problem>,
    ) -> Result<Written<T>, Problem> {
        let _turn = self.turn()?;
        let before = self.read()?;
        let number = self.note_hand_edit(&before)?;
        let (after, outcome) = decide(&before)?;
        let Some(after) = after.filter(|after| !before.is_of(after.bytes_in_file())) else {
            return Ok(Written { outcome, after: Arc::clone(&before), before, revision: number });
        };
        let after = Arc::new(after);
        // Before it is in force: whoever reads the file then need not parse what is known already.
        remember(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner), &after);
        let revision = self.write(request, &before, &after)?;
        Ok(Written { outcome, before, after, revision: Some(revision) })
    }

    fn write(&self, request: &Request, before: &Snapshot, after: &Snapshot) -> Result<u64, Problem> {
        let Request { caller, action } = request;
        let revision = self.revision(&caller.who, action, after, Some(&caller.request_id));
        let undo_revision = self.revisions.add(&revision, after.bytes())?;
        let line = AuditEntry::of(&revision, Some(before.sha256()));
        let undo_audit = audit::append(&self.audit_path(), &line).inspect_err(|_| undo_revision())?;
        let undo = || {
            undo_audit();
            undo_revision();
        };
        let swapped = durable::swap(&self.file, before.bytes_in_file(), after.bytes());
        match swapped.map_err(|error| storage("replace", &self.file, &error)).inspect_err(|_| undo())? {
            Swapped::Done => {}
            Swapped::Changed => {
                undo();
                let detail = format!(
                    "{} was changed by somebody else during this request; their change is kept: read it \
                     and retry",
                    self.file.display()
                );
                return Err(Problem::new(Kind::ChangedMeanwhile, detail));
            }
        }
        self.revisions.keep(revision.number);
        self.revisions.prune();
        Ok(revision.number)
    }

    /// Stores a change by hand as a revision of its own, so that later changes do not hide it. Returns the number of
    /// the revision in force. The caller holds the lock.
    fn note_hand_edit(&self, now: &Snapshot) -> Result<Option<u64>, Problem> {
        let path = self.audit_path();
        recovery::settle(&self.revisions, &path, now, &time_now())?;
        let Some(bytes) = now.bytes_in_file() else { return Ok(None) };
        match self.last() {
            Some(last) if last.sha256 == now.sha256() => Ok(Some(last.number)),
            last => {
                let action = if last.is_some() { "edited by hand" } else { "found" };
                let revision = self.revision("unknown", action, now, None);
                let undo = self.revisions.add(&revision, bytes)?;
                let previous = last.as_ref().map_or("", |last| &last.sha256);
                let noted = audit::append(&path, &AuditEntry::of(&revision, Some(previous)));
                noted.map(drop).inspect_err(|_| undo())?;
                self.revisions.keep(revision.number);
                self.revisions.prune();
                Ok(Some(revision.number))
            }
        }
    }

    /// Records a change of data in the audit log, before it is made. The log does not say how it ended.
    ///
    /// # Errors
    /// The log cannot be written.
    pub fn note(&self, caller: &Caller, action: &str, key: &str) -> Result<(), Problem> {
        let _turn = self.turn()?;
        let entry = AuditEntry {
            number: None,
            at: time_now(),
            who: caller.who.clone(),
            action: action.to_owned(),
            sha256: None,
            bytes: None,
            previous_sha256: None,
            request_id: Some(caller.request_id.clone()),
            key: Some(key.to_owned()),
        };
        audit::append(&self.audit_path(), &entry).map(drop)
    }

    /// A page of the audit log, backwards from `cursor`.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn audit(&self, cursor: Option<u64>, limit: usize) -> Result<AuditPage, Problem> {
        audit::read_back(&self.audit_path(), cursor, limit)
    }

    /// The newest revision.
    fn last(&self) -> Option<Revision> {
        self.revisions.numbers().last().and_then(|number| self.revisions.get(number))
    }

    fn revision(&self, who: &str, action: &str, after: &Snapshot, request_id: Option<&str>) -> Revision {
        Revision {
            number: self.revisions.numbers().next(),
            at: time_now(),
            who: who.to_owned(),
            action: action.to_owned(),
            sha256: after.sha256().to_owned(),
            bytes: after.bytes().len() as u64,
            request_id: request_id.map(str::to_owned),
        }
    }

    /// Whether the state with this hash is older or newer than a revision.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn age(&self, sha256: &str, number: u64) -> Result<Age, Problem> {
        let kept = self.revisions.numbers().kept;
        let (before, after) = kept.split_at(kept.partition_point(|known| *known <= number));
        let is_it = |number: &&u64| self.revisions.get(**number).is_some_and(|known| known.sha256 == sha256);
        if after.iter().rev().any(|number| is_it(&number)) {
            return Ok(Age::Later);
        }
        if let Some(number) = before.iter().rev().find(is_it) {
            return Ok(Age::Earlier(*number));
        }
        // A change by hand that is not a revision yet.
        let is_in_force = self.read()?.sha256() == sha256;
        Ok(if is_in_force { Age::Later } else { Age::Unknown })
    }

    /// The kept revisions, oldest first, after recording a change by hand if possible.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn revisions(&self) -> Result<Vec<Revision>, Problem> {
        let now = self.read()?;
        if now.bytes_in_file().is_some() && self.last().is_none_or(|last| last.sha256 != now.sha256()) {
            let noted = self.turn().and_then(|_turn| self.note_hand_edit(&*self.read()?));
            if let Err(problem) = noted {
                tracing::warn!(why = problem.detail, "a change by hand cannot be stored as a revision");
            }
        }
        Ok(self.revisions.list())
    }

    /// The bytes of a revision; `None` if it is no longer kept.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn revision_bytes(&self, number: u64) -> Result<Option<Vec<u8>>, Problem> {
        self.revisions.bytes(number)
    }
}

fn remember(known: &mut VecDeque<Arc<Snapshot>>, snapshot: &Arc<Snapshot>) {
    // A missing file means one thing before the first revision and another after the last.
    if snapshot.bytes_in_file().is_some() {
        known.push_back(Arc::clone(snapshot));
        known.drain(..known.len().saturating_sub(KNOWN_MAX));
    }
}

fn time_now() -> String {
    humantime::format_rfc3339_millis(SystemTime::now()).to_string()
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
