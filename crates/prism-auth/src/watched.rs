//! A file of credentials that is read again when it changes. One that cannot be used at the start is an error; later,
//! what was read before stays in force.

use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use arc_swap::{ArcSwap, Guard};

use crate::error::FileError;
use crate::file::{self, Content};

/// Turns the text of a file into what it says.
pub(crate) type Parse<T> = Box<dyn Fn(&Path, &str) -> Result<T, FileError> + Send + Sync>;

/// What a file says, as of the last time that it could be used.
pub(crate) struct Watched<T> {
    path: PathBuf,
    content: Content,
    parse: Parse<T>,
    current: ArcSwap<T>,
    /// The text or the error seen last: neither is acted on twice.
    seen: Mutex<Seen>,
    applied: AtomicBool,
}

#[derive(Clone, PartialEq, Eq)]
enum Seen {
    Text(Box<str>),
    Error(FileError),
}

impl<T> std::fmt::Debug for Watched<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Watched({})", self.path.display())
    }
}

impl<T> Watched<T> {
    pub(crate) fn open(path: &Path, content: Content, parse: Parse<T>) -> Result<Self, FileError> {
        let (text, metadata) = file::read(path)?;
        let current = ArcSwap::from_pointee(parse(path, &text)?);
        file::warn_of_exposure(path, &metadata, content);
        let seen = Mutex::new(Seen::Text(text.into()));
        Ok(Self { path: path.to_owned(), content, parse, current, seen, applied: AtomicBool::new(true) })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn load(&self) -> Guard<Arc<T>> {
        self.current.load()
    }

    /// Whether the last attempt to read the file succeeded.
    pub(crate) fn is_applied(&self) -> bool {
        self.applied.load(Relaxed)
    }

    /// Reads the file again if it has changed, and returns whether it was taken. Blocks.
    pub(crate) fn refresh(&self) -> bool {
        if file::is_being_written(&self.path) {
            return false;
        }
        let read = file::read(&self.path);
        let now = match &read {
            Ok((text, _)) => Seen::Text(text.as_str().into()),
            Err(error) => Seen::Error(error.clone()),
        };
        let Ok(mut seen) = self.seen.lock() else { return false };
        if *seen == now {
            return false;
        }
        *seen = now;
        let taken = read.and_then(|(text, metadata)| Ok(((self.parse)(&self.path, &text)?, metadata)));
        let is_taken = taken.is_ok();
        self.note(taken);
        is_taken
    }

    fn note(&self, taken: Result<(T, Metadata), FileError>) {
        self.applied.store(taken.is_ok(), Relaxed);
        match taken {
            Ok((current, metadata)) => {
                self.current.store(Arc::new(current));
                file::warn_of_exposure(&self.path, &metadata, self.content);
                tracing::info!(file = %self.path.display(), "loaded credentials");
            }
            Err(error) => tracing::error!(%error, "refused credentials; the previous ones stay in force"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(path: &Path, text: &str) -> Result<u32, FileError> {
        text.trim().parse().map_err(|_| FileError::new(path, Some(1), "expected a number"))
    }

    /// Replaces a file by one that was written a while ago.
    fn write(path: &Path, text: &str) {
        std::fs::write(path, text).unwrap();
        let before = std::time::SystemTime::now() - std::time::Duration::from_secs(1);
        std::fs::File::options().write(true).open(path).unwrap().set_modified(before).unwrap();
    }

    #[test]
    fn a_wrong_file_stops_the_start_and_later_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("numbers");
        let open = || Watched::open(&path, Content::Public, Box::new(number));
        assert!(open().unwrap_err().why.contains("cannot be read"));
        write(&path, "x");
        assert_eq!(open().unwrap_err().line, Some(1));
        write(&path, "1");
        let watched = open().unwrap();
        for (text, value, applied) in [("2", 2, true), ("x", 2, false), ("x", 2, false), ("3", 3, true)] {
            write(&path, text);
            let before = **watched.load();
            assert_eq!(watched.refresh(), value != before, "{text}");
            assert_eq!((**watched.load(), watched.is_applied()), (value, applied), "{text}");
        }
        std::fs::remove_file(&path).unwrap();
        assert!(!watched.refresh());
        assert_eq!((**watched.load(), watched.is_applied()), (3, false));
    }
}
