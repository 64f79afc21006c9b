//! Takes the configuration file again whenever it changes, while calls go on.
//!
//! ```text
//! directory changed, 2 s passed, or SIGHUP
//!        │
//!        ▼
//!  read ──▶ parse ──▶ check ──▶ build the table ──▶ swap
//!    └─────────┴─────────┴────────────┴──▶ refused: the table in force stays
//! ```
//!
//! The directory is watched and not the file, since a file is replaced by a rename. What no event tells (a link whose
//! target moved, a network file system) is found by looking.
//!
//! ```text
//! unwatched ◀──it was removed, replaced or cannot be watched── watched
//!     └─────────────every 2 s, if it is there───────────────────▲
//! ```
//!
//! Watched or not, the file is looked at every 2 s.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime};

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use prism_runtime::exit::ServerError;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, watch};

use crate::config::{self, Config, ConfigError, Mistake};
use crate::route::{EmbeddedPlugins, RouteTable};
use crate::shared::Shared;
use crate::status::{Attempt, Outcome, RestartRequired, Status, Time};

/// How often the file is looked at though no event came.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// A file that changed less long ago may still be being written.
const WRITTEN_AFTER: Duration = Duration::from_millis(100);

/// Where a proxy's configuration comes from.
#[derive(Debug)]
pub enum Source {
    /// The program itself; it does not change.
    Fixed(Config),
    /// A file, taken again whenever it changes.
    File {
        /// Where it is.
        path: PathBuf,
        /// Whether a start without it fails. If not, [`Config::without_file`] is served until it is there.
        required: bool,
    },
}

impl Source {
    /// What messages call it.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Fixed(_) => "the built-in configuration".to_owned(),
            Self::File { path, .. } => path.display().to_string(),
        }
    }

    /// The configuration to start with.
    ///
    /// # Errors
    /// The file is wrong, or required and missing.
    pub fn load(&self) -> Result<Config, ConfigError> {
        match self {
            Self::Fixed(config) => Ok(config.clone()),
            Self::File { path, required: false } if !path.exists() => {
                tracing::info!(
                    file = %path.display(),
                    "there is no configuration file; serving namespace default from localhost:50051 until there is"
                );
                Ok(Config::without_file())
            }
            Self::File { path, .. } => Config::load(path),
        }
    }
}

/// The keys of a file that only a start reads, as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct StartKeys([(&'static str, Option<String>); 2]);

impl StartKeys {
    fn of(config: &Config) -> Self {
        let text = |address: &Option<_>| address.as_ref().map(ToString::to_string);
        Self([
            ("server.listen_address", text(&config.listen)),
            ("server.http_listen_address", text(&config.http_listen)),
        ])
    }

    fn changed(&self, now: &Self) -> Vec<RestartRequired> {
        let pairs = self.0.iter().zip(&now.0);
        let changed = pairs.filter(|(at_start, in_file)| at_start != in_file);
        changed
            .map(|((field, at_start), (_, in_file))| RestartRequired {
                field,
                at_start: at_start.clone(),
                in_file: in_file.clone(),
            })
            .collect()
    }
}

/// Keeps the table of a running proxy as its file says.
#[derive(Debug)]
pub struct Reloader {
    shared: Arc<Shared>,
    embedded: EmbeddedPlugins,
    path: PathBuf,
    at_start: StartKeys,
    status: watch::Sender<Status>,
    /// What the last attempt found: the revision, or why there was none.
    seen: Result<String, String>,
    hangup: Signal,
}

impl Reloader {
    /// Watches over what was loaded from `source`; `None` if that does not change.
    ///
    /// # Errors
    /// The system gives no signals.
    pub fn new(
        source: Source,
        config: &Config,
        embedded: EmbeddedPlugins,
        shared: &Arc<Shared>,
    ) -> Result<(Option<Self>, watch::Receiver<Status>), ServerError> {
        let path = match source {
            Source::Fixed(_) => None,
            Source::File { path, .. } => Some(std::path::absolute(path).map_err(ServerError::failed)?),
        };
        let (status, receiver) = watch::channel(Status {
            path: path.as_ref().map(|path| path.display().to_string()),
            revision: config.revision.clone(),
            applied_at: Time::now(),
            namespaces: config.namespaces.len(),
            last_attempt: None,
            restart_required: Vec::new(),
        });
        let Some(path) = path else { return Ok((None, receiver)) };
        let reloader = Self {
            shared: Arc::clone(shared),
            embedded,
            path,
            at_start: StartKeys::of(config),
            status,
            seen: config.revision.clone().ok_or_else(String::new),
            hangup: signal(SignalKind::hangup()).map_err(ServerError::failed)?,
        };
        Ok((Some(reloader), receiver))
    }

    /// Takes the file whenever it changes; never ends.
    pub async fn run(mut self) {
        let mut directory = Directory::of(&self.path);
        let mut timer = tokio::time::interval(LOOK_EVERY);
        loop {
            tokio::select! {
                () = directory.changed.notified() => {
                    directory.watch();
                    self.look(false).await;
                }
                _ = timer.tick() => {
                    // A directory that was made anew has what was written before it was watched.
                    let is_new = directory.watch();
                    if is_new || !is_being_written(&self.path, SystemTime::now()) {
                        self.look(false).await;
                    }
                }
                _ = self.hangup.recv() => self.look(true).await,
            }
        }
    }

    /// Looks at the file; takes it if it is new, or if somebody asked for it.
    async fn look(&mut self, asked: bool) {
        let (path, shared) = (self.path.clone(), Arc::clone(&self.shared));
        let (embedded, seen) = (self.embedded.clone(), self.seen.clone());
        let begun = Instant::now();
        // Off this thread, which accepts connections.
        let looked = tokio::task::spawn_blocking(move || {
            let read = config::read(&path);
            let found = match &read {
                Ok(bytes) => Ok(config::revision(bytes)),
                Err(error) => Err(error.to_string()),
            };
            let never_there = found.is_err() && seen == Err(String::new()) && !path.exists();
            if (found == seen && !asked) || never_there {
                return None;
            }
            let taken = match read {
                Ok(bytes) => take(&path, &bytes, &embedded, &shared)
                    .map_err(|error| (error.every_mistake(&bytes), error)),
                Err(error) => Err((error.mistakes(), error)),
            };
            Some((found, taken))
        });
        let Ok(Some((found, taken))) = looked.await else { return };
        self.seen = found;
        self.note(taken, begun);
    }

    fn note(&self, taken: Result<Config, (Vec<Mistake>, ConfigError)>, begun: Instant) {
        let file = self.path.display();
        let at = Time::now();
        let revision = self.seen.clone().ok();
        match taken {
            Ok(config) => {
                let (namespaces, took) = (config.namespaces.len(), begun.elapsed());
                tracing::info!(%file, namespaces, revision, ?took, "took the configuration");
                let restart_required = self.at_start.changed(&StartKeys::of(&config));
                for RestartRequired { field, .. } in &restart_required {
                    tracing::warn!(%file, field, "the change of this key takes effect at the next start");
                }
                self.status.send_modify(|status| {
                    status.revision.clone_from(&revision);
                    status.applied_at = at;
                    status.namespaces = namespaces;
                    status.restart_required = restart_required;
                    let (error, mistakes) = (None, Vec::new());
                    status.last_attempt =
                        Some(Attempt { at, revision, outcome: Outcome::Applied, error, mistakes });
                });
            }
            Err((mistakes, error)) => {
                tracing::warn!(%error, "refused the configuration; the one before stays in force");
                let error = Some(error.to_string());
                let outcome = Outcome::Refused;
                self.status.send_modify(|status| {
                    status.last_attempt = Some(Attempt { at, revision, outcome, error, mistakes });
                });
            }
        }
    }
}

/// Puts the table of a file in force.
fn take(
    path: &Path,
    bytes: &[u8],
    embedded: &EmbeddedPlugins,
    shared: &Shared,
) -> Result<Config, ConfigError> {
    let path = path.display().to_string();
    let config = Config::parse(&path, bytes)?;
    let table = RouteTable::build(config.clone(), embedded, &shared.table.load());
    let table = table.map_err(|mistakes| ConfigError::Invalid { path, mistakes })?;
    shared.table.store(Arc::new(table));
    Ok(config)
}

/// The directory of a file, and the watch over it.
struct Directory {
    path: PathBuf,
    /// Signalled at each change in it.
    changed: Arc<Notify>,
    /// `None` while it is not watched.
    watched: Option<Watched>,
    /// A failure to watch it has been told.
    told: bool,
}

/// A watch, until it is dropped. It stays with the directory that it began with, whatever takes its path.
struct Watched {
    /// Device and inode of the directory.
    identity: (u64, u64),
    /// Set once the directory was removed or renamed. Another one may have its inode, then.
    is_lost: Arc<AtomicBool>,
    _watcher: RecommendedWatcher,
}

impl Directory {
    fn of(file: &Path) -> Self {
        let path = file.parent().unwrap_or(Path::new("/")).to_owned();
        let mut directory = Self { path, changed: Arc::default(), watched: None, told: false };
        directory.watch();
        directory
    }

    /// Sees to it that what is at the path now is watched. Whether the watch is a new one.
    fn watch(&mut self) -> bool {
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
                    tracing::warn!(%error, directory = %self.path.display(), every = ?LOOK_EVERY, "cannot watch the directory; looking");
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

/// A file that was open for writing was closed.
const CLOSED: EventKind = EventKind::Access(AccessKind::Close(AccessMode::Write));

/// Whether a change is one after which a file is whole. Half a file may be a valid one, with half of the namespaces.
fn is_whole(kind: EventKind) -> bool {
    matches!(kind, CLOSED | EventKind::Modify(ModifyKind::Name(_)) | EventKind::Remove(_))
}

fn is_being_written(path: &Path, now: SystemTime) -> bool {
    let modified = std::fs::metadata(path).and_then(|metadata| metadata.modified());
    modified.is_ok_and(|modified| now.duration_since(modified).is_ok_and(|since| since < WRITTEN_AFTER))
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
        assert!(directory.watched.is_none(), "it is not there yet");
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
        // Another one in its place, as `mv` puts it there.
        std::fs::create_dir(&path).unwrap();
        assert!(directory.watch());
        let other = folder.path().join("other");
        std::fs::create_dir(&other).unwrap();
        std::fs::rename(&other, &path).unwrap();
        assert!(directory.watch());
    }

    #[test]
    fn a_file_that_was_just_changed_may_not_be_whole() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let modified = file.as_file().metadata().unwrap().modified().unwrap();
        assert!(is_being_written(file.path(), modified + WRITTEN_AFTER / 2));
        assert!(!is_being_written(file.path(), modified + WRITTEN_AFTER));
        assert!(!is_being_written(Path::new("/nowhere"), modified));
    }
}
