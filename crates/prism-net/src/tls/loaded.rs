//! A certificate and its key, read from their files and checked.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use super::certificate::Validity;
use super::failure::date_of;
use super::files::Version;
use super::{Protocol, TlsError, pem, provider};

/// The files of a server's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFiles {
    /// The server's certificate and those between it and its CA, in PEM.
    pub certificate_file: PathBuf,
    /// The certificate's private key, in PEM.
    pub key_file: PathBuf,
    /// The CAs that sign the certificates of clients, in PEM. Without it, clients are not asked for a certificate; with
    /// it, they may show one.
    pub client_ca_file: Option<PathBuf>,
}

impl ServerFiles {
    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        let ca = self.client_ca_file.as_deref();
        [self.certificate_file.as_path(), self.key_file.as_path()].into_iter().chain(ca)
    }
}

/// Files that have been read and checked.
pub struct Loaded {
    pub(super) files: ServerFiles,
    pub(super) version: Version,
    pub(super) http2: Arc<ServerConfig>,
    pub(super) http1: Arc<ServerConfig>,
    pub(super) verifier: Option<Arc<dyn ClientCertVerifier>>,
    pub(super) not_after: SystemTime,
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Loaded {
    /// Reads and checks the files. A key that others may read is logged.
    ///
    /// # Errors
    /// A file cannot be used: see [`pem`]. Also: the key is not the certificate's, or the certificate is not valid now.
    pub fn read(files: ServerFiles) -> Result<Self, TlsError> {
        let version = Version::of(files.paths());
        let certificates = pem::certificates(&files.certificate_file)?;
        let key = pem::private_key(&files.key_file)?;
        let not_after = check_validity(&files.certificate_file, &certificates[0], SystemTime::now())?;
        let chain = certificates.into_iter().map(|located| located.certificate).collect();
        let certified = certified_key(&files.certificate_file, &files.key_file, chain, key)?;
        let verifier = files.client_ca_file.as_deref().map(client_verifier).transpose()?;
        let config = |protocol: Protocol| {
            let builder =
                ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
            let builder = builder.map_err(TlsError::setup)?;
            let builder = match &verifier {
                Some(verifier) => builder.with_client_cert_verifier(Arc::clone(verifier)),
                None => builder.with_no_client_auth(),
            };
            let resolver = SingleCertAndKey::from(Arc::clone(&certified));
            let mut config = builder.with_cert_resolver(Arc::new(resolver));
            config.alpn_protocols = protocol.offer();
            // A session that is resumed is not verified again. Its tickets are worth nothing to another configuration,
            // which may trust other CAs.
            config.ticketer = rustls::crypto::ring::Ticketer::new().map_err(TlsError::setup)?;
            Ok(Arc::new(config))
        };
        let (http2, http1) = (config(Protocol::Http2)?, config(Protocol::Http1)?);
        if pem::is_readable_by_others(&files.key_file) {
            let file = files.key_file.display();
            tracing::warn!(%file, "every user of this machine may read the private key; set its mode to 0600");
        }
        Ok(Self { files, version, http2, http1, verifier, not_after })
    }
}

/// Checks that a certificate is valid now, and returns until when.
pub(super) fn check_validity(
    file: &Path,
    located: &pem::Located,
    now: SystemTime,
) -> Result<SystemTime, TlsError> {
    let Some(Validity { not_before, not_after }) = Validity::of(&located.certificate) else {
        return Err(TlsError::of(
            file,
            located.line,
            "the certificate does not say when it is valid; renew it",
        ));
    };
    if now > not_after {
        let why = format!("the certificate expired on {}; renew it", date_of(not_after));
        return Err(TlsError::of(file, located.line, why));
    }
    if now < not_before {
        let why = format!(
            "the certificate is not valid before {}; check this machine's clock",
            date_of(not_before)
        );
        return Err(TlsError::of(file, located.line, why));
    }
    Ok(not_after)
}

/// A chain and its key.
pub(super) fn certified_key(
    certificate_file: &Path,
    key_file: &Path,
    chain: Vec<CertificateDer<'static>>,
    (key, line): (PrivateKeyDer<'static>, usize),
) -> Result<Arc<CertifiedKey>, TlsError> {
    let certified = CertifiedKey::from_der(chain, key, &provider());
    certified.map(Arc::new).map_err(|error| {
        let why = match error {
            rustls::Error::InconsistentKeys(_) => format!(
                "the private key is not that of the certificate in {}; give both of one pair",
                certificate_file.display()
            ),
            _ => "the private key is of a kind that is not supported; use RSA (2048 bits or more), ECDSA P-256 or \
                  P-384, or Ed25519"
                .to_owned(),
        };
        TlsError::of(key_file, line, why)
    })
}

fn client_verifier(file: &Path) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let roots = Arc::new(pem::roots(file)?);
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider()).allow_unauthenticated();
    let verifier = verifier.build().map_err(|error| TlsError::of(file, None, error.to_string()))?;
    Ok(verifier)
}
