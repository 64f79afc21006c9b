//! Where the files are, and what to do when one cannot be used.

use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Kind, Problem};

/// `prism.yaml` and `lock` become `prism.yaml.lock`.
pub(super) fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}

pub(super) fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// The system's error, and what to do about it.
pub(super) fn storage(verb: &str, path: &Path, error: &io::Error) -> Problem {
    let (kind, advice) = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            (Kind::StorageFull, "free space there and retry")
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
        _ => (Kind::Storage, "check the file's folder and retry"),
    };
    let path = path.display();
    Problem::new(kind, format!("cannot {verb} {path}: {error}; nothing was changed; {advice}"))
}
