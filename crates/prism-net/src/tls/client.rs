//! The client's side: which servers it trusts, and what it shows them. Files are read again for a new connection when
//! they have changed.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use arc_swap::ArcSwapOption;
use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use super::failure::{Side, of_handshake};
use super::files::Version;
use super::loaded::{certified_key, check_validity};
use super::read_ahead::ReadAhead;

use super::{Protocol, TlsError, pem, provider};
use crate::stream::{Stream, TlsStream};

/// What a client trusts and shows. The default trusts the system's CAs and shows nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ClientOptions {
    /// The CAs that sign the certificates of servers, in PEM; the system's if absent.
    pub ca_file: Option<PathBuf>,
    /// The client's certificate and those between it and its CA, in PEM. Goes with `key_file`.
    pub certificate_file: Option<PathBuf>,
    /// The certificate's private key, in PEM.
    pub key_file: Option<PathBuf>,
    /// The name that the server's certificate must have; the host that is connected to if absent.
    pub server_name: Option<String>,
}

impl ClientOptions {
    /// Checks what can be checked without reading files.
    ///
    /// # Errors
    /// The server's name is not one, or a certificate comes without its key or the other way round.
    pub fn check(&self) -> Result<(), TlsError> {
        self.name()?;
        if self.certificate_file.is_some() != self.key_file.is_some() {
            return Err(TlsError::general("certificate_file and key_file go together; set both or neither"));
        }
        Ok(())
    }

    fn name(&self) -> Result<Option<ServerName<'static>>, TlsError> {
        self.server_name.clone().map(server_name).transpose()
    }

    /// The files that are named.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        [&self.ca_file, &self.certificate_file, &self.key_file].into_iter().filter_map(|file| file.as_deref())
    }
}

/// A configuration, and of which files.
struct Loaded {
    config: Arc<ClientConfig>,
    version: Version,
}

/// Makes connections with TLS. Cheap to clone; clones share what they have read and the sessions that can be resumed.
#[derive(Clone)]
pub struct Connector(Arc<Inner>);

struct Inner {
    options: ClientOptions,
    protocol: Option<Protocol>,
    server_name: Option<ServerName<'static>>,
    loaded: ArcSwapOption<Loaded>,
}

/// Those are equal that connect in the same way.
impl PartialEq for Connector {
    fn eq(&self, other: &Self) -> bool {
        (&self.0.options, self.0.protocol) == (&other.0.options, other.0.protocol)
    }
}

impl Eq for Connector {}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Connector").field(&self.0.options).finish()
    }
}

impl Connector {
    /// A connector that offers this protocol, if any. Reads no file yet; [`check`](Self::check) does.
    ///
    /// # Errors
    /// Those of [`ClientOptions::check`].
    pub fn new(options: ClientOptions, protocol: Option<Protocol>) -> Result<Self, TlsError> {
        options.check()?;
        let server_name = options.name()?;
        Ok(Self(Arc::new(Inner { options, protocol, server_name, loaded: ArcSwapOption::empty() })))
    }

    /// The options.
    #[must_use]
    pub fn options(&self) -> &ClientOptions {
        &self.0.options
    }

    /// Reads the files unless they have been read and not changed since.
    ///
    /// # Errors
    /// A file cannot be used: see [`pem`]. Also: the key is not the certificate's, or the certificate is not valid now.
    pub fn check(&self) -> Result<(), TlsError> {
        self.config().map(drop)
    }

    /// Performs the handshake over a connection to `host`: a name or an IP address, in brackets or not.
    ///
    /// # Errors
    /// A file cannot be used, or the handshake failed: in words. Whether a retry may help: [`is_lasting`](super::is_lasting).
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection.
    pub async fn connect(&self, stream: Stream, host: &str) -> io::Result<Stream> {
        let name = match &self.0.server_name {
            Some(name) => name.clone(),
            None => server_name(host.trim_start_matches('[').trim_end_matches(']').to_owned())?,
        };
        let connector = TlsConnector::from(self.config()?);
        let secured = connector.connect(name, ReadAhead::new(stream)).await;
        let secured = secured.map_err(|error| of_handshake(Side::Client, error))?;
        Ok(Stream::Tls(Box::new(TlsStream::client(secured))))
    }

    /// The configuration of the files as they are now. Files that changed and cannot be used leave the old in use, and
    /// are logged once.
    fn config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let inner = &*self.0;
        let version = Version::of(inner.options.paths());
        let old = inner.loaded.load_full();
        if let Some(old) = old.as_ref().filter(|old| old.version == version) {
            return Ok(Arc::clone(&old.config));
        }
        let config = match (load(&inner.options, inner.protocol), old) {
            (Ok(config), _) => config,
            (Err(error), Some(old)) => {
                tracing::error!(%error, "the changed TLS files cannot be used; the old ones stay in use");
                Arc::clone(&old.config)
            }
            (Err(error), None) => return Err(error),
        };
        inner.loaded.store(Some(Arc::new(Loaded { config: Arc::clone(&config), version })));
        Ok(config)
    }
}

fn server_name(text: String) -> Result<ServerName<'static>, TlsError> {
    ServerName::try_from(text.clone()).map_err(|_| {
        TlsError::general(format!(
            "{text:?} is not a name that a certificate can have; set server_name to one"
        ))
    })
}

fn load(options: &ClientOptions, protocol: Option<Protocol>) -> Result<Arc<ClientConfig>, TlsError> {
    let roots = match &options.ca_file {
        Some(file) => Arc::new(pem::roots(file)?),
        None => system_roots()?,
    };
    let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider()).build();
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let builder = builder.map_err(TlsError::setup)?.with_webpki_verifier(verifier.map_err(TlsError::setup)?);
    let mut config = match (&options.certificate_file, &options.key_file) {
        (Some(certificate_file), Some(key_file)) => {
            let certificates = pem::certificates(certificate_file)?;
            let key = pem::private_key(key_file)?;
            check_validity(certificate_file, &certificates[0], SystemTime::now())?;
            let chain = certificates.into_iter().map(|located| located.certificate).collect();
            let certified = certified_key(certificate_file, key_file, chain, key)?;
            builder.with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(certified)))
        }
        _ => builder.with_no_client_auth(),
    };
    config.alpn_protocols = protocol.map(Protocol::offer).unwrap_or_default();
    Ok(Arc::new(config))
}

/// The system's CAs, read once. `SSL_CERT_FILE` and `SSL_CERT_DIR` name others.
fn system_roots() -> Result<Arc<RootCertStore>, TlsError> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    if let Some(roots) = ROOTS.get() {
        return Ok(Arc::clone(roots));
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        let why =
            "this system has no CA certificates (package ca-certificates); install them, or set ca_file";
        return Err(TlsError::general(why));
    }
    Ok(Arc::clone(ROOTS.get_or_init(|| Arc::new(roots))))
}
