//! The revisions: a folder with the bytes of each, and beside them who, when and what.

use std::fs;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{durable, storage};
use crate::error::Problem;

/// How many are kept.
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

/// The folder.
#[derive(Debug)]
pub(super) struct Revisions(PathBuf);

impl Revisions {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    fn path(&self, number: u64, kind: &str) -> PathBuf {
        self.0.join(format!("{number:06}.{kind}"))
    }

    /// The numbers that are kept, ascending.
    pub(super) fn numbers(&self) -> Vec<u64> {
        let entries = fs::read_dir(&self.0).into_iter().flatten().flatten();
        let number = |name: String| name.strip_suffix(".json").and_then(|number| number.parse().ok());
        let mut numbers: Vec<_> =
            entries.filter_map(|entry| number(entry.file_name().to_string_lossy().into_owned())).collect();
        numbers.sort_unstable();
        numbers
    }

    /// What is known of each, the oldest first.
    pub(super) fn list(&self) -> Vec<Revision> {
        let read = |number| {
            let bytes = fs::read(self.path(number, "json")).ok()?;
            serde_json::from_slice(&bytes).ok()
        };
        self.numbers().into_iter().filter_map(read).collect()
    }

    pub(super) fn bytes(&self, number: u64) -> Result<Option<Vec<u8>>, Problem> {
        let path = self.path(number, "yaml");
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(storage("read", &path, &error)),
        }
    }

    /// Stores one; what it returns takes it back.
    pub(super) fn add(&self, revision: &Revision, bytes: &[u8]) -> Result<impl Fn() + use<>, Problem> {
        fs::create_dir_all(&self.0).map_err(|error| storage("make", &self.0, &error))?;
        let (text, about) = (self.path(revision.number, "yaml"), self.path(revision.number, "json"));
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
            .and_then(|()| durable::create(&about, &json).map_err(|error| storage("write", &about, &error)));
        stored.inspect_err(|_| undo())?;
        Ok(undo)
    }

    /// Removes the oldest ones beyond those that are kept.
    pub(super) fn prune(&self) {
        let numbers = self.numbers();
        for number in &numbers[..numbers.len().saturating_sub(KEPT_MAX)] {
            // One that stays is tried again with the next write.
            let _ = fs::remove_file(self.path(*number, "json"));
            let _ = fs::remove_file(self.path(*number, "yaml"));
        }
    }
}
