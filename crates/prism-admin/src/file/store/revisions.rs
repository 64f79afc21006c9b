//! The revisions: a folder with the bytes of each, and beside them who, when and what.

use std::fs;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::durable;
use super::place::storage;
use crate::error::Problem;

/// How many revisions are kept.
pub(super) const KEPT_MAX: usize = 100;

/// One state of the file, and how it came to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Revision {
    /// Counts up from 1.
    #[schema(minimum = 1)]
    pub number: u64,
    /// When it was written, or noticed (RFC 3339, UTC).
    #[schema(format = DateTime)]
    pub at: String,
    /// The name of the token; `local` without tokens; `unknown` for a change by hand.
    pub who: String,
    /// What was done, such as `create namespace orders`, `edited by hand`, or `found` for a file that was there first.
    pub action: String,
    /// SHA-256 of the bytes, in hex: what proxies report.
    pub sha256: String,
    /// The file's length.
    pub bytes: u64,
    /// The request that did it; none for a change by hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// The folder. A revision starts as `.pending`, before it is in force, and becomes `.json` once it is. One left behind
/// by a process that was killed in between becomes `.abandoned`, so that its number is not reused.
#[derive(Debug)]
pub(super) struct Revisions(PathBuf);

/// The numbers in the folder.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    /// Those of kept revisions, ascending.
    pub(super) kept: Vec<u64>,
    /// Those of revisions that may or may not be in force.
    pub(super) pending: Vec<u64>,
    abandoned: Vec<u64>,
}

impl Numbers {
    pub(super) fn last(&self) -> Option<u64> {
        self.kept.last().copied()
    }

    /// A number that was never used.
    pub(super) fn next(&self) -> u64 {
        let given = self.kept.iter().chain(&self.pending).chain(&self.abandoned);
        given.max().map_or(1, |last| last + 1)
    }
}

impl Revisions {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    fn path(&self, number: u64, kind: &str) -> PathBuf {
        self.0.join(format!("{number:06}.{kind}"))
    }

    pub(super) fn numbers(&self) -> Numbers {
        let mut numbers = Numbers::default();
        for entry in fs::read_dir(&self.0).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let Some((number, kind)) = name.to_str().and_then(|name| name.split_once('.')) else { continue };
            let Ok(number) = number.parse() else { continue };
            match kind {
                "json" => numbers.kept.push(number),
                "pending" => numbers.pending.push(number),
                "abandoned" => numbers.abandoned.push(number),
                _ => {}
            }
        }
        numbers.kept.sort_unstable();
        numbers
    }

    /// The metadata of each, oldest first.
    pub(super) fn list(&self) -> Vec<Revision> {
        self.numbers().kept.into_iter().filter_map(|number| self.get(number)).collect()
    }

    /// The metadata of a kept revision.
    pub(super) fn get(&self, number: u64) -> Option<Revision> {
        self.about(number, "json")
    }

    /// The metadata of a pending revision.
    pub(super) fn pending(&self, number: u64) -> Option<Revision> {
        self.about(number, "pending")
    }

    fn about(&self, number: u64, kind: &str) -> Option<Revision> {
        serde_json::from_slice(&fs::read(self.path(number, kind)).ok()?).ok()
    }

    pub(super) fn bytes(&self, number: u64) -> Result<Option<Vec<u8>>, Problem> {
        let path = self.path(number, "yaml");
        // One that is not in force yet does not count.
        if !self.path(number, "json").exists() {
            return Ok(None);
        }
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(storage("read", &path, &error)),
        }
    }

    /// Stores a revision that is not in force yet; the returned function removes it again.
    pub(super) fn add(&self, revision: &Revision, bytes: &[u8]) -> Result<impl Fn() + use<>, Problem> {
        fs::create_dir_all(&self.0).map_err(|error| storage("make", &self.0, &error))?;
        let (text, about) = (self.path(revision.number, "yaml"), self.path(revision.number, "pending"));
        let undo = {
            let (text, about) = (text.clone(), about.clone());
            move || {
                let _ = fs::remove_file(&about);
                let _ = fs::remove_file(&text);
            }
        };
        let json = serde_json::to_vec(revision).unwrap_or_default();
        let stored = durable::create(&text, bytes).map_err(|error| storage("write", &text, &error));
        let stored = stored
            .and_then(|()| durable::create(&about, &json).map_err(|error| storage("write", &about, &error)))
            .and_then(|()| durable::sync_folder(&about).map_err(|error| storage("flush", &self.0, &error)));
        stored.inspect_err(|_| undo())?;
        Ok(undo)
    }

    /// Keeps a pending revision, which is in force. If this fails, the next writer finds it pending and keeps it.
    pub(super) fn keep(&self, number: u64) {
        let (from, to) = (self.path(number, "pending"), self.path(number, "json"));
        if let Err(error) = fs::rename(&from, &to) {
            tracing::warn!(path = %to.display(), %error, "a revision in force cannot be listed yet");
        }
    }

    /// Abandons a pending revision.
    pub(super) fn abandon(&self, number: u64) -> Result<(), Problem> {
        let (from, to) = (self.path(number, "pending"), self.path(number, "abandoned"));
        fs::rename(&from, &to).map_err(|error| storage("rename", &from, &error))?;
        let _ = fs::remove_file(self.path(number, "yaml"));
        Ok(())
    }

    /// Removes the oldest revisions beyond the limit.
    pub(super) fn prune(&self) {
        let numbers = self.numbers();
        let (old, kept) = numbers.kept.split_at(numbers.kept.len().saturating_sub(KEPT_MAX));
        let first = kept.first().copied().unwrap_or_default();
        // The next write retries what could not be removed.
        for number in old {
            let _ = fs::remove_file(self.path(*number, "json"));
            let _ = fs::remove_file(self.path(*number, "yaml"));
        }
        for number in numbers.abandoned.iter().filter(|number| **number < first) {
            let _ = fs::remove_file(self.path(*number, "abandoned"));
        }
    }
}
