//! The watch over a file's directory. The directory is watched, not the file, because a file is replaced by a rename.
//!
//! ```text
//! unwatched ◀──removed, replaced or cannot be watched───────── watched
//!     └─────────────every 2 s, if it exists─────────────────────▲
//! ```

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

/// The directory of a file, and the watch over it.
pub(super) struct Directory {
    path: PathBuf,
    /// Signalled at each change in the directory.
    pub(super) changed: Arc<Notify>,
    /// `None` while the directory is not watched.
    watched: Option<Watched>,
    /// Whether a failure to watch it has been logged.
    told: bool,
}

/// A watch, until dropped. It stays with its original directory, even if another takes over the path.
struct Watched {
    /// Device and inode of the directory.
    identity: (u64, u64),
    /// Set once the directory was removed or renamed. After that, another one may have its inode.
    is_lost: Arc<AtomicBool>,
    _watcher: RecommendedWatcher,
}

impl Directory {
    pub(super) fn of(file: &Path) -> Self {
        let path = file.parent().unwrap_or(Path::new("/")).to_owned();
        let mut directory = Self { path, changed: Arc::default(), watched: None, told: false };
        directory.watch();
        directory
    }

    /// Ensures that the directory now at the path is watched. Returns whether the watch is new.
    pub(super) fn watch(&mut self) -> bool {
        let found = std::fs::metadata(&self.path).ok().map(|found| (found.dev(), found.ino()));
        if let Some(Watched { identity, is_lost, .. }) = &self.watched
            && found == Some(*identity)
            && !is_lost.load(Relaxed)
        {
            return false;
        }
        self.watched = None;
        let Some(identity) = found else { return false };
        let is_lost = Arc::default();
        match watcher(&self.path, Arc::clone(&self.changed), Arc::clone(&is_lost)) {
            Ok(watcher) => {
                self.watched = Some(Watched { identity, is_lost, _watcher: watcher });
                self.told = false;
                true
            }
            Err(error) => {
                if !std::mem::replace(&mut self.told, true) {
                    tracing::warn!(%error, directory = %self.path.display(), "cannot watch the directory; polling instead");
                }
                false
            }
        }
    }
}

/// Signals each change in a directory, until dropped.
fn watcher(
    directory: &Path,
    changed: Arc<Notify>,
    is_lost: Arc<AtomicBool>,
) -> notify::Result<RecommendedWatcher> {
    let path = directory.to_owned();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let Ok(event) = event else { return };
        if is_whole(event.kind) {
            if event.kind != CLOSED && event.paths.contains(&path) {
                is_lost.store(true, Relaxed);
            }
            changed.notify_one();
        }
    })?;
    watcher.watch(directory, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}

/// A file that was open for writing has been closed.
const CLOSED: EventKind = EventKind::Access(AccessKind::Close(AccessMode::Write));

/// Whether a file is complete after this change. Half a file may be valid, with half of the namespaces.
fn is_whole(kind: EventKind) -> bool {
    matches!(kind, CLOSED | EventKind::Modify(ModifyKind::Name(_)) | EventKind::Remove(_))
}

#[cfg(test)]
mod tests {
    use notify::event::{CreateKind, DataChange, RemoveKind, RenameMode};

    use super::*;

    #[test]
    fn a_file_is_looked_at_when_it_is_whole() {
        for whole in [
            EventKind::Access(AccessKind::Close(AccessMode::Write)),
            EventKind::Modify(ModifyKind::Name(RenameMode::To)),
            EventKind::Remove(RemoveKind::File),
        ] {
            assert!(is_whole(whole), "{whole:?}");
        }
        for begun in [
            EventKind::Create(CreateKind::File),
            EventKind::Modify(ModifyKind::Data(DataChange::Any)),
            EventKind::Access(AccessKind::Close(AccessMode::Read)),
        ] {
            assert!(!is_whole(begun), "{begun:?}");
        }
    }

    #[tokio::test]
    async fn a_directory_that_is_made_anew_is_watched_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("etc");
        let file = path.join("prism.yaml");
        let mut directory = Directory::of(&file);
        assert!(directory.watched.is_none(), "it does not exist yet");
        for _ in 0..2 {
            std::fs::create_dir(&path).unwrap();
            assert!(directory.watch());
            assert!(!directory.watch(), "it is watched already");
            std::fs::write(&file, "namespaces: []\n").unwrap();
            directory.changed.notified().await;
            std::fs::remove_dir_all(&path).unwrap();
            while !directory.watched.as_ref().unwrap().is_lost.load(Relaxed) {
                directory.changed.notified().await;
            }
            assert!(!directory.watch());
        }
        // Another directory in its place, as `mv` would put it there.
        std::fs::create_dir(&path).unwrap();
        assert!(directory.watch());
        let other = folder.path().join("other");
        std::fs::create_dir(&other).unwrap();
        std::fs::rename(&other, &path).unwrap();
        assert!(directory.watch());
    }
}
