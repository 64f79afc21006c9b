//! TLS of a server's ports: the flags, and the metrics.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::SystemTime;

use clap::Args;
use prism_net::tls::server::{Loaded, ServerFiles, ServerTls, TlsCounters};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use crate::exit::ServerError;
use crate::metrics::encode_totals;

/// The flags of TLS.
#[derive(Args, Clone, Debug, Default)]
pub struct TlsArgs {
    /// Serve TLS, on the gRPC and the HTTP port, with this certificate: a PEM file with the server's certificate and those
    /// between it and its CA. Reloaded when it changes, as are the key and the CA.
    #[arg(long, value_name = "FILE", requires = "tls_key_file")]
    pub tls_certificate_file: Option<PathBuf>,

    /// The certificate's private key: a PEM file that only the server's user should be able to read.
    #[arg(long, value_name = "FILE", requires = "tls_certificate_file")]
    pub tls_key_file: Option<PathBuf>,

    /// CAs that sign the certificates of clients: a PEM file. A client may then identify itself by a certificate.
    #[arg(long, value_name = "FILE", requires = "tls_certificate_file")]
    pub tls_client_ca_file: Option<PathBuf>,
}

impl TlsArgs {
    /// The files, if the flags name any.
    #[must_use]
    pub fn files(&self) -> Option<ServerFiles> {
        let (certificate_file, key_file) =
            self.tls_certificate_file.clone().zip(self.tls_key_file.clone())?;
        Some(ServerFiles { certificate_file, key_file, client_ca_file: self.tls_client_ca_file.clone() })
    }

    /// TLS with the files that the flags name, if they name any.
    ///
    /// # Errors
    /// As [`load`].
    pub fn load(&self) -> Result<Option<Arc<ServerTls>>, ServerError> {
        self.files().map(load).transpose()
    }
}

/// TLS with these files.
///
/// # Errors
/// [`ServerError::Config`]: a file cannot be used.
pub fn load(files: ServerFiles) -> Result<Arc<ServerTls>, ServerError> {
    let loaded = Loaded::read(files).map_err(|error| ServerError::Config(error.to_string()))?;
    Ok(ServerTls::new(loaded))
}

/// Collects the state of TLS.
#[derive(Debug)]
struct TlsCollector(Arc<ServerTls>);

impl Collector for TlsCollector {
    #[expect(clippy::cast_precision_loss, reason = "a metric is a floating-point number")]
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let not_after = self.0.not_after();
        let left = match not_after.duration_since(SystemTime::now()) {
            Ok(left) => left.as_secs() as f64,
            Err(expired) => -(expired.duration().as_secs() as f64),
        };
        let TlsCounters {
            handshakes_failed_total,
            plaintext_total,
            reloads_total,
            reloads_failed_total,
            stale,
        } = self.0.counters();
        let (name, help) = ("prism_tls_certificate_seconds_left", "Seconds until the certificate expires");
        encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&left)?;
        let (name, help) = ("prism_tls_files_stale", "1 while the changed files cannot be used");
        encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&stale.load(Relaxed))?;
        let totals = [
            ("prism_tls_handshakes_failed", "TLS handshakes that failed", handshakes_failed_total),
            ("prism_tls_plaintext_refused", "Clients refused because they spoke plaintext", plaintext_total),
            ("prism_tls_reloads", "Changes of the files that took effect", reloads_total),
            ("prism_tls_reloads_failed", "Changes of the files that were refused", reloads_failed_total),
        ];
        encode_totals(&mut encoder, &totals.map(|(name, help, count)| (name, help, count.load(Relaxed))))
    }
}

/// Adds the metrics of TLS to a registry.
pub(crate) fn register(registry: &mut Registry, tls: &Arc<ServerTls>) {
    registry.register_collector(Box::new(TlsCollector(Arc::clone(tls))));
}
