//! The server's side: accepting connections with a certificate from files, which are read again when they change.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use tokio_rustls::TlsAcceptor;

use super::Protocol;
use super::failure::{Side, date_of, of_handshake};
use super::files::Version;
pub use super::loaded::{Loaded, ServerFiles};
use super::plaintext;
use super::read_ahead::ReadAhead;
use super::trust::{ClientCertificate, Trust};
use crate::seldom::Seldom;
use crate::stream::{Stream, TlsStream};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The first byte of a TLS client: a handshake's record.
pub const CLIENT_BEGINS_WITH: u8 = 0x16;

/// What is in force.
#[derive(Debug)]
struct Current {
    http2: Arc<ServerConfig>,
    http1: Arc<ServerConfig>,
    /// The change of [`Trust`] that came with it.
    generation: u64,
    not_after: SystemTime,
}

/// The files, and what is known about them.
#[derive(Debug)]
struct Watched {
    files: ServerFiles,
    /// The version that was read last, for better or worse.
    read: Version,
    /// A version that could not be used once. It may be half of a renewal, and is reported if it stays.
    suspect: Option<Version>,
}

/// TLS of a server. Connections keep the configuration with which they began.
pub struct ServerTls {
    current: ArcSwap<Current>,
    trust: Arc<Trust>,
    watched: Mutex<Watched>,
    counters: TlsCounters,
    notices: Seldom,
}

/// What is counted.
#[derive(Debug, Default)]
pub struct TlsCounters {
    /// Handshakes that failed.
    pub handshakes_failed_total: AtomicU64,
    /// Clients that spoke plaintext.
    pub plaintext_total: AtomicU64,
    /// Changed files that were taken.
    pub reloads_total: AtomicU64,
    /// Changed files that could not be used.
    pub reloads_failed_total: AtomicU64,
    /// 1 while the files cannot be used and older ones are in force.
    pub stale: AtomicU64,
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").field("counters", &self.counters).finish_non_exhaustive()
    }
}

/// Why a connection was not accepted.
#[derive(Debug)]
pub enum NotAccepted {
    /// The client left before it sent anything, as probes of a port do.
    Left,
    /// The client speaks plaintext; it was told to speak TLS.
    Plaintext,
    /// The handshake failed.
    Failed(io::Error),
}

impl ServerTls {
    /// TLS with these files.
    #[must_use]
    pub fn new(loaded: Loaded) -> Arc<Self> {
        let trust = Arc::new(Trust::default());
        let watched = Watched { files: loaded.files.clone(), read: loaded.version.clone(), suspect: None };
        Arc::new(Self {
            current: ArcSwap::from_pointee(Current::new(loaded, &trust)),
            trust,
            watched: Mutex::new(watched),
            counters: TlsCounters::default(),
            notices: Seldom::new(),
        })
    }

    /// Takes these files from now on.
    pub fn set(&self, loaded: Loaded) {
        let mut watched = self.watched();
        *watched = Watched { files: loaded.files.clone(), read: loaded.version.clone(), suspect: None };
        self.current.store(Arc::new(Current::new(loaded, &self.trust)));
        self.counters.reloads_total.fetch_add(1, Relaxed);
        self.counters.stale.store(0, Relaxed);
    }

    /// The files.
    #[must_use]
    pub fn files(&self) -> ServerFiles {
        self.watched().files.clone()
    }

    /// Until when the certificate is valid.
    #[must_use]
    pub fn not_after(&self) -> SystemTime {
        self.current.load().not_after
    }

    /// What is counted.
    #[must_use]
    pub fn counters(&self) -> &TlsCounters {
        &self.counters
    }

    /// Reads the files again whenever they have changed, until dropped.
    pub async fn watch(&self) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            self.look();
        }
    }

    /// Reads the files again if they have changed. What cannot be used is logged once, and the old stays.
    pub fn look(&self) {
        let mut watched = self.watched();
        let version = Version::of(watched.files.paths());
        if version == watched.read {
            return;
        }
        match Loaded::read(watched.files.clone()) {
            Ok(loaded) => {
                drop(watched);
                let until = date_of(loaded.not_after);
                self.set(loaded);
                tracing::info!(%until, "the TLS certificate was read again");
            }
            Err(_) if watched.suspect.as_ref() != Some(&version) => watched.suspect = Some(version),
            Err(error) => {
                watched.read = version;
                self.counters.reloads_failed_total.fetch_add(1, Relaxed);
                self.counters.stale.store(1, Relaxed);
                let until = date_of(self.not_after());
                tracing::error!(%error, %until, "the changed TLS files cannot be used; the old certificate stays in use");
            }
        }
    }

    /// Performs the handshake with a client. The time it takes is up to the caller. What fails is logged, at most once in
    /// ten seconds; `peer` is for that.
    ///
    /// # Errors
    /// [`NotAccepted`].
    pub async fn accept(
        &self,
        stream: Stream,
        protocol: Protocol,
        peer: &(dyn fmt::Display + Sync),
    ) -> Result<(TlsStream, Option<ClientCertificate>), NotAccepted> {
        let mut stream = ReadAhead::new(stream);
        match stream.peek(1).await {
            Ok([CLIENT_BEGINS_WITH, ..]) => {}
            Ok([]) | Err(_) => return Err(NotAccepted::Left),
            Ok(_) => {
                self.counters.plaintext_total.fetch_add(1, Relaxed);
                if let Some(left_out) = self.notices.turn() {
                    tracing::warn!(%peer, left_out, "a client speaks plaintext on a port with TLS; it was refused");
                }
                // Whoever does not take the reply goes without.
                let _ = plaintext::refuse(stream).await;
                return Err(NotAccepted::Plaintext);
            }
        }
        let current = self.current.load_full();
        let config = match protocol {
            Protocol::Http2 => &current.http2,
            Protocol::Http1 => &current.http1,
        };
        let accepted = TlsAcceptor::from(Arc::clone(config)).accept(stream).await.map_err(|error| {
            self.counters.handshakes_failed_total.fetch_add(1, Relaxed);
            let error = of_handshake(Side::Server, error);
            if let Some(left_out) = self.notices.turn() {
                tracing::warn!(%peer, left_out, %error, "a TLS handshake failed");
            }
            NotAccepted::Failed(error)
        })?;
        let stream = TlsStream::server(accepted);
        let certificate = ClientCertificate::new(stream.peer_certificates(), &self.trust, current.generation);
        Ok((stream, certificate))
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Current {
    fn new(loaded: Loaded, trust: &Trust) -> Self {
        let Loaded { http2, http1, verifier, not_after, .. } = loaded;
        Self { http2, http1, generation: trust.set(verifier), not_after }
    }
}
