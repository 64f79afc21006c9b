//! The checkpoint of an export, in a file beside its own: where the scan can be continued, and how long the file was
//! there. It exists while the export is incomplete; without a token, the export can only be started over.
//!
//! It is replaced as a whole, at most once a second, after what it counts has been handed to the file system. So an
//! export that is killed loses at most a second's work. After a power failure the file may be shorter than its checkpoint
//! says, and is then exported from the start.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::dump::from_base64;
use crate::output::base64;

/// The least time between two checkpoints.
const PERIOD: Duration = Duration::from_secs(1);

/// Where an export can be continued.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Checkpoint {
    /// The token of the export; empty at its start.
    #[serde(serialize_with = "base64", deserialize_with = "from_base64")]
    pub(super) resume: Bytes,
    /// The length of the file.
    pub(super) file_bytes: u64,
}

/// The checkpoints of one export.
#[derive(Debug)]
pub(super) struct Checkpoints {
    path: PathBuf,
    written: Option<Instant>,
}

impl Checkpoints {
    /// Those of an export to `file`.
    pub(super) fn beside(file: &Path) -> Self {
        let mut path = file.as_os_str().to_owned();
        path.push(".resume");
        Self { path: path.into(), written: None }
    }

    /// The last one; `None` if there is none.
    pub(super) fn last(&self) -> io::Result<Option<Checkpoint>> {
        match fs::read(&self.path) {
            Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|_| {
                io::Error::other(format!("{} is not the checkpoint of an export", self.path.display()))
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn is_due(&self) -> bool {
        self.written.is_none_or(|written| written.elapsed() >= PERIOD)
    }

    pub(super) fn write(&mut self, checkpoint: &Checkpoint) -> io::Result<()> {
        let mut new = self.path.as_os_str().to_owned();
        new.push(".new");
        fs::write(&new, serde_json::to_vec(checkpoint)?)?;
        fs::rename(&new, &self.path)?;
        self.written = Some(Instant::now());
        Ok(())
    }

    /// Removes the last one, if any.
    pub(super) fn remove(&self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_checkpoint_is_read_as_it_was_written() {
        let file = std::env::temp_dir().join(format!("prism-{}-{:x}", std::process::id(), fastrand::u64(..)));
        let mut checkpoints = Checkpoints::beside(&file);
        assert_eq!(checkpoints.last().unwrap(), None);
        assert!(checkpoints.is_due());
        for resume in [&b""[..], b"\0\xFF"] {
            let checkpoint = Checkpoint { resume: Bytes::from(resume), file_bytes: 5 };
            checkpoints.write(&checkpoint).unwrap();
            assert_eq!(checkpoints.last().unwrap(), Some(checkpoint));
        }
        assert!(!checkpoints.is_due(), "the second one was written at once");
        fs::write(&checkpoints.path, "{}").unwrap();
        assert!(checkpoints.last().unwrap_err().to_string().contains(".resume is not the checkpoint"));
        checkpoints.remove().unwrap();
        checkpoints.remove().unwrap();
        assert_eq!(checkpoints.last().unwrap(), None);
    }
}
