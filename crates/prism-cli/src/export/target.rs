//! The file of an export and where the scan starts: a new file, or one that is continued.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::checkpoint::{Checkpoint, Checkpoints};
use super::file;
use crate::failure::Failure;

/// Where a scan starts.
#[derive(Clone, Debug)]
pub(super) enum Start {
    Beginning,
    At(Bytes),
}

/// A file to export to.
pub(super) struct Target {
    pub(super) path: PathBuf,
    pub(super) file: File,
    /// The length of the file, where the next line goes.
    pub(super) file_bytes: u64,
    pub(super) start: Start,
    pub(super) checkpoints: Checkpoints,
    pub(super) is_new: bool,
}

impl Target {
    pub(super) fn created(path: PathBuf, start: Start) -> Result<Self, Failure> {
        let file = file::create(&path)?;
        let checkpoints = Checkpoints::beside(&path);
        // Of a file that has been removed.
        checkpoints.remove().map_err(|error| Failure::file(&name(&path), &error))?;
        Ok(Self { path, file, file_bytes: 0, start, checkpoints, is_new: true })
    }

    pub(super) fn reopened(path: PathBuf) -> Result<Self, Failure> {
        let checkpoints = Checkpoints::beside(&path);
        let failed = |error: io::Error| Failure::file(&name(&path), &error);
        let (file, start) = match checkpoints.last().map_err(failed)? {
            Some(Checkpoint { resume, file_bytes }) => {
                let (file, is_continued) = file::reopen_at(&path, file_bytes).map_err(failed)?;
                if !is_continued {
                    eprintln!(
                        "prism: the file is shorter than its checkpoint says: exporting from the start"
                    );
                }
                let is_first = resume.is_empty() || !is_continued;
                (file, if is_first { Start::Beginning } else { Start::At(resume) })
            }
            None => {
                let (file, has_lines) = file::reopen(&path).map_err(failed)?;
                if has_lines {
                    return Err(Failure::File(format!(
                        "{}: the export in it is complete, because no checkpoint is beside it ({}); to export again, choose another name",
                        path.display(),
                        name(checkpoints.path())
                    )));
                }
                (file, Start::Beginning)
            }
        };
        let file_bytes = file.metadata().map_err(failed)?.len();
        Ok(Self { path, file, file_bytes, start, checkpoints, is_new: false })
    }
}

pub(super) fn name(path: &Path) -> String {
    path.display().to_string()
}
