//! Replaces a file so that a reader sees either the old bytes or the new ones, a power cut leaves one of the two, and a
//! change that somebody makes at the same moment is not overwritten.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use tempfile::NamedTempFile;

use super::place::folder_of;

/// How a swap ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Swapped {
    /// The new bytes are in force and on disk.
    Done,
    /// The file did not contain what was expected; it is left as somebody else wrote it.
    Changed,
}

/// Replaces the file, which must contain `expected` (`None`: must not exist). A symbolic link stays one: its target is
/// replaced. Mode and owner stay.
pub(super) fn swap(file: &Path, expected: Option<&[u8]>, new: &[u8]) -> io::Result<Swapped> {
    let file = match fs::canonicalize(file) {
        Ok(target) => target,
        Err(error) if error.kind() == io::ErrorKind::NotFound => file.to_owned(),
        Err(error) => return Err(error),
    };
    let temporary = written(&file, new)?;
    let swapped = match expected {
        None => match renameat_with(CWD, temporary.path(), CWD, &file, RenameFlags::NOREPLACE) {
            Err(Errno::EXIST) => return Ok(Swapped::Changed),
            renamed => renamed,
        },
        Some(_) => renameat_with(CWD, temporary.path(), CWD, &file, RenameFlags::EXCHANGE),
    };
    match (swapped, expected) {
        // Some file systems can only rename: check once more, then rename.
        (Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP), _) => {
            if read(&file)?.as_deref() != expected {
                return Ok(Swapped::Changed);
            }
            temporary.persist(&file).map_err(|error| error.error)?;
        }
        (Err(Errno::NOENT), Some(_)) => return Ok(Swapped::Changed),
        (Err(error), _) => return Err(error.into()),
        (Ok(()), Some(expected)) if fs::read(temporary.path())? != expected => {
            renameat_with(CWD, temporary.path(), CWD, &file, RenameFlags::EXCHANGE)?;
            return Ok(Swapped::Changed);
        }
        (Ok(()), Some(_)) => {}
        (Ok(()), None) => {
            // It has the file's name now: there is nothing to remove.
            let _ = temporary.keep();
        }
    }
    // The new file is in force; that its name may not survive a power cut is no reason to say that nothing changed.
    if let Err(error) = sync_folder(&file) {
        tracing::warn!(path = %file.display(), %error, "cannot flush the folder to disk");
    }
    Ok(Swapped::Done)
}

/// Writes a file that only this process uses, a revision, and flushes its content, but not yet its name.
pub(super) fn create(file: &Path, bytes: &[u8]) -> io::Result<()> {
    written(file, bytes)?.persist(file).map_err(|error| error.error)?;
    Ok(())
}

const TEMPORARY_SUFFIX: &str = ".tmp";

fn temporary_prefix(file: &Path) -> OsString {
    let mut prefix = OsString::from(".prism-");
    prefix.push(file.file_name().unwrap_or_default());
    prefix.push("-");
    prefix
}

/// Removes the temporary files of killed processes. The caller holds the lock, so nobody uses them.
pub(super) fn sweep(file: &Path) {
    let file = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let prefix = temporary_prefix(&file);
    for entry in fs::read_dir(folder_of(&file)).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let rest = name.as_encoded_bytes().strip_prefix(prefix.as_encoded_bytes());
        let random = rest.and_then(|rest| rest.strip_suffix(TEMPORARY_SUFFIX.as_bytes()));
        // tempfile adds six letters and digits: `a.yaml` must not sweep the files of `a.yaml-b`.
        if random.is_some_and(|random| random.len() == 6 && random.iter().all(u8::is_ascii_alphanumeric)) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// A temporary file in the folder of `file`, flushed to disk, with the mode and owner of `file` or mode 0644.
fn written(file: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    let prefix = temporary_prefix(file);
    let mut builder = tempfile::Builder::new();
    let mut temporary = builder.prefix(&prefix).suffix(TEMPORARY_SUFFIX).tempfile_in(folder_of(file))?;
    temporary.write_all(bytes)?;
    let mode = match fs::metadata(file) {
        Ok(metadata) => {
            // Only root may give a file away; others own it already, or its mode lets their group read it.
            let _ =
                std::os::unix::fs::fchown(temporary.as_file(), Some(metadata.uid()), Some(metadata.gid()));
            metadata.permissions().mode()
        }
        Err(_) => 0o644,
    };
    temporary.as_file().set_permissions(fs::Permissions::from_mode(mode))?;
    temporary.as_file().sync_all()?;
    Ok(temporary)
}

fn read(file: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(file) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Flushes the name of a file.
pub(super) fn sync_folder(file: &Path) -> io::Result<()> {
    File::open(folder_of(file))?.sync_all()
}
