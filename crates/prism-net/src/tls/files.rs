//! Whether files have changed since they were read.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// What tells one version of some files from another. A file that is replaced by another, as by a symbolic link that is
/// moved, has another inode; one that is written in place, another time of its change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version(Vec<Option<File>>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct File {
    device: u64,
    inode: u64,
    bytes: u64,
    /// In seconds and nanoseconds.
    changed_at: (i64, i64),
}

impl Version {
    /// The version of these files now. To be taken before they are read, so that what changes meanwhile is read again.
    pub(super) fn of<'a>(files: impl IntoIterator<Item = &'a Path>) -> Self {
        let version = |file: &Path| {
            let file = fs::metadata(file).ok()?;
            let changed_at = (file.ctime(), file.ctime_nsec());
            Some(File { device: file.dev(), inode: file.ino(), bytes: file.len(), changed_at })
        };
        Self(files.into_iter().map(version).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_changes_with_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let (link, one, other) =
            (folder.path().join("link"), folder.path().join("one"), folder.path().join("other"));
        let now = || Version::of([link.as_path()]);
        let absent = now();
        fs::write(&one, "1").unwrap();
        fs::write(&other, "2").unwrap();
        std::os::unix::fs::symlink(&one, &link).unwrap();
        let first = now();
        assert_ne!(absent, first);
        assert_eq!(first, now());
        fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink(&other, &link).unwrap();
        let second = now();
        assert_ne!(first, second);
        fs::write(&other, "22").unwrap();
        assert_ne!(second, now());
    }
}
