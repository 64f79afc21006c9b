//! The configuration file and what lies beside it: the only code that writes.
//!
//! | beside `prism.yaml` | holds |
//! |---|---|
//! | `prism.yaml.revisions/` | the last 100 revisions: `000007.yaml`, the bytes, and `000007.json`, who, when and what |
//! | `prism.yaml.audit.jsonl` | one line a change, for good |
//! | `prism.yaml.lock` | the lock (flock) that a writer holds |
//!
//! A write goes: lock, read, note a change made by hand, decide, store the revision, append to the audit log, swap the
//! file in. A step that fails undoes those before it, so an error means that nothing has changed.

mod audit;
mod durable;
mod lock;
mod revisions;
mod snapshot;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

pub use audit::{AuditEntry, AuditPage};
pub use revisions::Revision;
pub use snapshot::Snapshot;
pub(crate) use snapshot::sha256;

use crate::error::{Kind, Problem};
use durable::Swapped;
use lock::Lock;
use revisions::Revisions;

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

/// The file. Its methods block: call them where blocking is allowed.
#[derive(Debug)]
pub struct Store {
    file: PathBuf,
    revisions: Revisions,
    latest: Mutex<Option<Arc<Snapshot>>>,
}

impl Store {
    /// The store of a file, which need not be there yet.
    #[must_use]
    pub fn new(file: PathBuf) -> Self {
        let revisions = Revisions::new(beside(&file, "revisions"));
        Self { file, revisions, latest: Mutex::default() }
    }

    /// The file's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.file
    }

    /// The file as it is now.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(&self) -> Result<Arc<Snapshot>, Problem> {
        let bytes = match std::fs::read(&self.file) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(storage("read", &self.file, &error)),
        };
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = latest.as_ref().filter(|known| known.is_of(bytes.as_deref())) {
            return Ok(Arc::clone(known));
        }
        let is_new = bytes.is_none() && self.revisions.numbers().is_empty();
        let snapshot = Arc::new(Snapshot::new(&self.file, bytes, is_new));
        *latest = Some(Arc::clone(&snapshot));
        Ok(snapshot)
    }

    /// Decides on new bytes for the file, seeing it as it is while nobody else writes, and puts them in force. `None`
    /// leaves the file as it is.
    ///
    /// # Errors
    /// What `decide` says, or the file or what lies beside it cannot be written; then nothing has changed.
    pub fn change<T>(
        &self,
        request: &Request,
        decide: impl FnOnce(&Snapshot) -> Result<(Option<Vec<u8>>, T), Problem>,
    ) -> Result<Written<T>, Problem> {
        // A folder that is not there has neither lock nor file; it is made by the first write.
        let folder = folder_of(&self.file);
        std::fs::create_dir_all(folder).map_err(|error| storage("make", folder, &error))?;
        let _lock = Lock::take(&beside(&self.file, "lock"))?;
        let before = self.read()?;
        let number = self.note_hand_edit(&before)?;
        let (bytes, outcome) = decide(&before)?;
        let Some(bytes) = bytes.filter(|bytes| !before.is_of(Some(bytes))) else {
            return Ok(Written { outcome, after: Arc::clone(&before), before, revision: number });
        };
        let revision = self.write(request, &before, &bytes)?;
        Ok(Written { outcome, before, after: self.read()?, revision: Some(revision) })
    }

    fn write(&self, request: &Request, before: &Snapshot, bytes: &[u8]) -> Result<u64, Problem> {
        let revision =
            self.revision(&request.caller.who, &request.action, bytes, Some(&request.caller.request_id));
        let undo_revision = self.revisions.add(&revision, bytes)?;
        let audit_path = beside(&self.file, "audit.jsonl");
        let undo_audit =
            audit::append(&audit_path, &line(&revision, before.sha256())).inspect_err(|_| undo_revision())?;
        let undo = || {
            undo_audit();
            undo_revision();
        };
        let swapped = durable::swap(&self.file, before.bytes_in_file(), bytes);
        match swapped.map_err(|error| storage("replace", &self.file, &error)).inspect_err(|_| undo())? {
            Swapped::Done => {}
            Swapped::Changed => {
                undo();
                let detail = format!(
                    "{} was changed by somebody else while this request was under way; their change is kept: read it \
                     and try again",
                    self.file.display()
                );
                return Err(Problem::new(Kind::ChangedMeanwhile, detail));
            }
        }
        self.revisions.prune();
        Ok(revision.number)
    }

    /// Makes a change by hand a revision of its own, so that what follows does not hide it. The number of the revision
    /// in force.
    fn note_hand_edit(&self, now: &Snapshot) -> Result<Option<u64>, Problem> {
        let Some(bytes) = now.bytes_in_file() else { return Ok(None) };
        let last = self.revisions.list().pop();
        match last {
            Some(last) if last.sha256 == now.sha256() => Ok(Some(last.number)),
            last => {
                let action = if last.is_some() { "edited by hand" } else { "found" };
                let revision = self.revision("unknown", action, bytes, None);
                let undo = self.revisions.add(&revision, bytes)?;
                let previous = last.as_ref().map_or("", |last| &last.sha256);
                let noted = audit::append(&beside(&self.file, "audit.jsonl"), &line(&revision, previous));
                noted.map(drop).inspect_err(|_| undo())?;
                self.revisions.prune();
                Ok(Some(revision.number))
            }
        }
    }

    /// Notes a change of data in the audit log, which is about to be made. Nothing is known of how it ends.
    ///
    /// # Errors
    /// The log cannot be written.
    pub fn note(&self, caller: &Caller, action: &str, key: &str) -> Result<(), Problem> {
        let folder = folder_of(&self.file);
        std::fs::create_dir_all(folder).map_err(|error| storage("make", folder, &error))?;
        let _lock = Lock::take(&beside(&self.file, "lock"))?;
        let entry = AuditEntry {
            number: None,
            at: now(),
            who: caller.who.clone(),
            action: action.to_owned(),
            sha256: None,
            bytes: None,
            previous_sha256: None,
            request_id: Some(caller.request_id.clone()),
            key: Some(key.to_owned()),
        };
        audit::append(&beside(&self.file, "audit.jsonl"), &entry).map(drop)
    }

    /// Some lines of the audit log, from `cursor` backwards.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn audit(&self, cursor: Option<u64>, limit: usize) -> Result<AuditPage, Problem> {
        audit::read_back(&beside(&self.file, "audit.jsonl"), cursor, limit)
    }

    fn revision(&self, who: &str, action: &str, bytes: &[u8], request_id: Option<&str>) -> Revision {
        Revision {
            number: self.revisions.numbers().last().map_or(1, |last| last + 1),
            at: now(),
            who: who.to_owned(),
            action: action.to_owned(),
            sha256: snapshot::sha256(bytes),
            bytes: bytes.len() as u64,
            request_id: request_id.map(str::to_owned),
        }
    }

    /// The revisions that are kept, the oldest first, after a change by hand has been noted, if it could be.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn revisions(&self) -> Result<Vec<Revision>, Problem> {
        let now = self.read()?;
        if now.bytes_in_file().is_some()
            && self.revisions.list().last().is_none_or(|last| last.sha256 != now.sha256())
        {
            let noted =
                Lock::take(&beside(&self.file, "lock")).and_then(|_lock| self.note_hand_edit(&*self.read()?));
            if let Err(problem) = noted {
                tracing::warn!(why = problem.detail, "a change by hand cannot be made a revision");
            }
        }
        Ok(self.revisions.list())
    }

    /// The bytes of a revision; `None` if it is not kept.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn revision_bytes(&self, number: u64) -> Result<Option<Vec<u8>>, Problem> {
        self.revisions.bytes(number)
    }
}

fn now() -> String {
    humantime::format_rfc3339_millis(SystemTime::now()).to_string()
}

/// What the audit log says of a revision.
fn line(revision: &Revision, previous_sha256: &str) -> AuditEntry {
    let Revision { number, at, who, action, sha256, bytes, request_id } = revision.clone();
    AuditEntry {
        number: Some(number),
        at,
        who,
        action,
        sha256: Some(sha256),
        bytes: Some(bytes),
        previous_sha256: Some(previous_sha256.to_owned()),
        request_id,
        key: None,
    }
}

/// `prism.yaml` and `lock` become `prism.yaml.lock`.
fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}

fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// What the system said, and what to do about it.
fn storage(verb: &str, path: &Path, error: &io::Error) -> Problem {
    let (kind, advice) = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            (Kind::StorageFull, "free space there and try again")
        }
        io::ErrorKind::ReadOnlyFilesystem => (
            Kind::Storage,
            "its file system is read-only: mount it writable, or name another file with --proxy-config",
        ),
        io::ErrorKind::PermissionDenied => {
            (Kind::Storage, "let the admin's user read and write the file's folder and what is in it")
        }
        io::ErrorKind::ResourceBusy => (
            Kind::Storage,
            "the file is a mount of its own, which cannot be replaced: mount the folder that holds it instead",
        ),
        _ => (Kind::Storage, "see to the file's folder and try again"),
    };
    let path = path.display();
    Problem::new(kind, format!("cannot {verb} {path}: {error}; nothing was changed; {advice}"))
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
