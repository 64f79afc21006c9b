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

/// What a file of credentials has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// What only this server's user should read: tokens, or their hashes with the names of callers.
    Secret,
    /// What everybody may read, and only this server's user may change: public keys.
    Public,
}

/// What makes a file less private than it should be, as a sentence.
fn exposure(metadata: &Metadata, content: Content, own: u32) -> Option<String> {
    let mode = metadata.mode() & 0o777;
    let (others, wanted) = match content {
        Content::Secret => (0o077, "600"),
        Content::Public => (0o022, "644"),
    };
    if mode & others != 0 {
        return Some(format!("its mode is {mode:04o}, so that others may use it; run chmod {wanted} on it"));
    }
    (metadata.uid() != own && metadata.uid() != 0)
        .then(|| format!("it belongs to the user {}, who may change it; run chown on it", metadata.uid()))
}

/// Warns of a file that others may use.
pub(crate) fn warn_of_exposure(path: &Path, metadata: &Metadata, content: Content) {
    if let Some(why) = exposure(metadata, content, rustix::process::geteuid().as_raw()) {
        tracing::warn!(file = %path.display(), why, "a file of credentials is not private");
    }
}

/// Warns of a file of secrets that others may use. A file that is not there is no such file.
pub fn warn_of_exposed_secret(path: &Path) {
    if let Ok(metadata) = std::fs::metadata(path) {
        warn_of_exposure(path, &metadata, Content::Secret);
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
        let exposed_as = |content, mode, own| {
            file.as_file().set_permissions(Permissions::from_mode(mode)).unwrap();
            exposure(&file.as_file().metadata().unwrap(), content, own)
        };
        let exposed = |mode, own| exposed_as(Content::Secret, mode, own);
        assert_eq!(exposed(0o600, own), None);
        assert!(exposed(0o644, own).unwrap().contains("mode is 0644"));
        assert!(exposed(0o660, own).unwrap().contains("chmod 600"));
        assert_eq!(exposed_as(Content::Public, 0o644, own), None);
        assert!(exposed_as(Content::Public, 0o664, own).unwrap().contains("chmod 644"));
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
