//! Reading files of credentials, and whether others may read or write them.

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::error::FileError;

/// The largest file of credentials: some hundred thousand tokens.
const FILE_BYTES_MAX: usize = 16 << 20;

/// A file that changed more recently than this may still be being written.
const WRITTEN_AFTER: Duration = Duration::from_millis(100);

/// Reads a file of credentials as text.
pub(crate) fn read(path: &Path) -> Result<(String, Metadata), FileError> {
    let read = || {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        // A pipe would block the reader until somebody writes.
        if !metadata.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        let mut bytes = Vec::new();
        file.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
        if bytes.len() > FILE_BYTES_MAX {
            return Err(io::Error::other(format!("it has more than {FILE_BYTES_MAX} bytes, the limit")));
        }
        let text = String::from_utf8(bytes).map_err(|_| io::Error::other("it is not UTF-8 text"))?;
        Ok((text, metadata))
    };
    read().map_err(|error| {
        let why = format!("cannot be read: {error}; expected a file that this process may read");
        FileError::new(path, None, why)
    })
}

/// Whether a file may be in the middle of being written.
pub(crate) fn is_being_written(path: &Path) -> bool {
    let modified = std::fs::metadata(path).and_then(|metadata| metadata.modified());
    modified.is_ok_and(|modified| {
        SystemTime::now().duration_since(modified).is_ok_and(|since| since < WRITTEN_AFTER)
    })
}

/// What makes a file less private than it should be, as a sentence.
pub(crate) fn exposure(metadata: &Metadata, own: u32) -> Option<String> {
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Some(format!("its mode is {mode:04o}, so that others may use it; run chmod 600 on it"));
    }
    (metadata.uid() != own && metadata.uid() != 0)
        .then(|| format!("it belongs to the user {}, who may change it; run chown on it", metadata.uid()))
}

/// Warns of a file that others may use.
pub(crate) fn warn_of_exposure(path: &Path, metadata: &Metadata) {
    if let Some(why) = exposure(metadata, rustix::process::geteuid().as_raw()) {
        tracing::warn!(file = %path.display(), why, "a file of credentials is not private");
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_that_others_may_use_is_told() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let own = file.as_file().metadata().unwrap().uid();
        let exposed = |mode, own| {
            file.as_file().set_permissions(Permissions::from_mode(mode)).unwrap();
            exposure(&file.as_file().metadata().unwrap(), own)
        };
        assert_eq!(exposed(0o600, own), None);
        assert!(exposed(0o644, own).unwrap().contains("mode is 0644"));
        assert!(exposed(0o660, own).unwrap().contains("chmod 600"));
        if own != 0 {
            assert!(exposed(0o600, own + 1).unwrap().contains("belongs to the user"));
        }
    }

    #[test]
    fn what_is_not_a_file_is_refused() {
        let error = read(Path::new("/")).unwrap_err().to_string();
        assert!(error.starts_with("/: cannot be read: it is not a regular file"), "{error}");
    }
}
