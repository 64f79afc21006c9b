//! Reloads the configuration file whenever it changes, while calls are in flight.
//!
//! ```text
//! directory changed, 2 s passed, or SIGHUP
//!        │
//!        ▼
//!  read ──▶ parse ──▶ check ──▶ build the table ──▶ swap
//!    └─────────┴─────────┴────────────┴──▶ refused: the table in force stays
//! ```
//!
//! Some changes cause no event (a link whose target moved, a network file system): watched or not, the file is checked
//! every 2 s.
//!
//! | module | owns |
//! |---|---|
//! | `source` | where the configuration comes from |
//! | `directory` | the watch over the file's directory |

mod directory;
mod source;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use prism_net::tls::server::{Loaded, ServerTls};
use prism_plugin::driver::Drivers;
use prism_runtime::exit::ServerError;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use self::directory::Directory;
pub use self::source::Source;
use crate::config::{self, Config, ConfigError, Mistake};
use crate::route::RouteTable;
use crate::shared::Shared;
use crate::status::{Attempt, Outcome, RestartRequired, Status, Time};

/// How often the file is checked without an event.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// A file that changed more recently than this may still be being written.
const WRITTEN_AFTER: Duration = Duration::from_millis(100);

/// The keys of a file that are read only at the start, as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct StartKeys([(&'static str, Option<String>); 4]);

impl StartKeys {
    fn of(config: &Config) -> Self {
        let text = |address: &Option<_>| address.as_ref().map(ToString::to_string);
        Self([
            ("server.listen_address", text(&config.listen)),
            ("server.http_listen_address", text(&config.http_listen)),
            ("server.require_secure", config.callers.require_secure.then(|| "true".to_owned())),
            // Other files are read while it runs; from plaintext to TLS or back is another port for its clients.
            ("server.tls", config.tls.as_ref().map(|_| "TLS".to_owned())),
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

/// Keeps the table of a running proxy in step with its file.
#[derive(Debug)]
pub struct Reloader {
    shared: Arc<Shared>,
    drivers: Drivers,
    /// TLS of the ports, if the file has it.
    tls: Option<Arc<ServerTls>>,
    path: PathBuf,
    at_start: StartKeys,
    status: watch::Sender<Status>,
    /// The result of the last attempt: the revision, or why there was none.
    seen: Result<String, String>,
    hangup: Signal,
}

impl Reloader {
    /// Watches the file loaded from `source`; `None` if the source does not change.
    ///
    /// # Errors
    /// The system's error: signals cannot be caught.
    pub fn new(
        source: Source,
        config: &Config,
        drivers: Drivers,
        shared: &Arc<Shared>,
        tls: Option<Arc<ServerTls>>,
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
            drivers,
            tls,
            path,
            at_start: StartKeys::of(config),
            status,
            seen: config.revision.clone().ok_or_else(String::new),
            hangup: signal(SignalKind::hangup()).map_err(ServerError::failed)?,
        };
        Ok((Some(reloader), receiver))
    }

    /// Reloads the file whenever it changes; never ends.
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
                    // A directory that was created again contains what was written before the watch began.
                    let is_new = directory.watch();
                    if is_new || !is_being_written(&self.path, SystemTime::now()) {
                        self.look(false).await;
                    }
                }
                _ = self.hangup.recv() => {
                    if let Some(tls) = &self.tls {
                        tls.look();
                    }
                    self.look(true).await;
                }
            }
        }
    }

    /// Checks the file; reloads it if it is new, or if a reload was requested.
    async fn look(&mut self, asked: bool) {
        let (path, shared) = (self.path.clone(), Arc::clone(&self.shared));
        let (drivers, tls, seen) = (self.drivers.clone(), self.tls.clone(), self.seen.clone());
        let begun = Instant::now();
        // Not on this thread, which accepts connections.
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
                Ok(bytes) => take(&path, &bytes, &drivers, &shared, tls.as_deref())
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
                tracing::info!(%file, namespaces, revision, ?took, "loaded the configuration");
                let restart_required = self.at_start.changed(&StartKeys::of(&config));
                for RestartRequired { field, .. } in &restart_required {
                    tracing::warn!(%file, field, "a change of this key takes effect at the next start");
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
                tracing::warn!(%error, "refused the configuration; the previous one stays in force");
                let error = Some(error.to_string());
                let outcome = Outcome::Refused;
                self.status.send_modify(|status| {
                    status.last_attempt = Some(Attempt { at, revision, outcome, error, mistakes });
                });
            }
        }
    }
}

/// Puts the table of a file in force, and the files of its TLS if they are others.
fn take(
    path: &Path,
    bytes: &[u8],
    drivers: &Drivers,
    shared: &Shared,
    tls: Option<&ServerTls>,
) -> Result<Config, ConfigError> {
    let path = path.display().to_string();
    let config = Config::parse(&path, bytes)?;
    let invalid = |mistakes| ConfigError::Invalid { path, mistakes };
    let changed = tls.zip(config.tls.clone()).filter(|(tls, files)| tls.files() != *files);
    let changed = changed.map(|(tls, files)| Loaded::read(files).map(|loaded| (tls, loaded))).transpose();
    let changed = match changed {
        Ok(changed) => changed,
        Err(error) => {
            let (field, why) = ("server.tls".to_owned(), error.to_string());
            return Err(invalid(vec![Mistake { field, why, line: None }]));
        }
    };
    let table = RouteTable::build(config.clone(), drivers, &shared.table()).map_err(invalid)?;
    shared.set_table(table);
    if let Some((tls, loaded)) = changed {
        tls.set(loaded);
    }
    Ok(config)
}

fn is_being_written(path: &Path, now: SystemTime) -> bool {
    let modified = std::fs::metadata(path).and_then(|metadata| metadata.modified());
    modified.is_ok_and(|modified| now.duration_since(modified).is_ok_and(|since| since < WRITTEN_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_just_changed_may_not_be_whole() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let modified = file.as_file().metadata().unwrap().modified().unwrap();
        assert!(is_being_written(file.path(), modified + WRITTEN_AFTER / 2));
        assert!(!is_being_written(file.path(), modified + WRITTEN_AFTER));
        assert!(!is_being_written(Path::new("/nowhere"), modified));
    }
}
