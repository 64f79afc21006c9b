//! The lines of earlier times: a file that only its owner can read, because values are in it.

use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustyline::history::FileHistory;
use rustyline::{Editor, Helper};

use crate::failure::Failure;

#[derive(Debug)]
pub(super) struct History(PathBuf);

impl History {
    /// The file of this name, or the default one; `None` if there can be no default one, which is told.
    pub(super) fn open(path: Option<PathBuf>) -> Result<Option<Self>, Failure> {
        let is_asked_for = path.is_some();
        let Some(path) = path.or_else(default_path) else { return Ok(None) };
        match create(&path) {
            Ok(()) => Ok(Some(Self(path))),
            Err(error) if is_asked_for => Err(Failure::file(&path.display().to_string(), &error)),
            Err(error) => {
                eprintln!("prism: {}: {error}; no lines are kept", path.display());
                Ok(None)
            }
        }
    }

    pub(super) fn load<H: Helper>(&self, editor: &mut Editor<H, FileHistory>) -> Result<(), Failure> {
        editor.load_history(&self.0).map_err(|error| self.failed(&error))
    }

    /// Adds what is new: another shell may have added lines meanwhile.
    pub(super) fn save<H: Helper>(&self, editor: &mut Editor<H, FileHistory>) -> Result<(), Failure> {
        editor.append_history(&self.0).map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &rustyline::error::ReadlineError) -> Failure {
        Failure::File(format!("{}: {error}; --no-history goes without it", self.0.display()))
    }
}

fn create(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    // It may have been there before, for others to read.
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(())
}

fn default_path() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = variable("XDG_STATE_HOME").or_else(|| Some(variable("HOME")?.join(".local/state")))?;
    Some(state.join("prism/history"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_cannot_read_the_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/prism/history");
        create(&path).unwrap();
        for (path, mode) in [(path.as_path(), 0o600), (path.parent().unwrap(), 0o700)] {
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, mode, "{path:?}");
        }
        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        create(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}
