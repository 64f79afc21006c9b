//! How to connect to a server: credentials, TLS, the client's name. Both files are read at each connect, so that a change
//! takes effect without a restart.

use std::fs;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use prism_net::dial::dial;
use prism_net::stream::Stream;
use redis::{ProtocolVersion, RedisConnectionInfo};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::address::NodeAddress;
use crate::config::Settings;
use crate::greeting::Expected;

/// The name of connections and of the library that `CLIENT LIST` shows.
pub(crate) const CLIENT_NAME: &str = "prism-redis";

/// A connection, plain or encrypted.
#[derive(Debug)]
pub(crate) enum Socket {
    Plain(Stream),
    Tls(Box<TlsStream<Stream>>),
}

/// Connects to a server within `limit`.
///
/// # Errors
/// Why not, in words.
pub(crate) async fn connect(
    settings: &Settings,
    node: &NodeAddress,
    limit: Duration,
) -> Result<Socket, String> {
    let failed = |error: io::Error| format!("cannot connect to {node}: {error}");
    let stream = dial(&node.dialled(), limit).await.map_err(failed)?;
    if !settings.tls {
        return Ok(Socket::Plain(stream));
    }
    let connector = TlsConnector::from(Arc::new(tls_config(settings.ca_file.as_deref())?));
    let name = ServerName::try_from(node.host().to_owned()).map_err(|_| {
        format!("cannot connect to {node}: its host is not a name that a certificate can have")
    })?;
    let secured = connector.connect(name, stream).await;
    secured
        .map(|stream| Socket::Tls(Box::new(stream)))
        .map_err(|error| format!("cannot connect to {node} with TLS: {error}"))
}

/// What a connection introduces itself with.
///
/// # Errors
/// The password's file cannot be read.
pub(crate) fn credentials(settings: &Settings, expected: Expected) -> Result<RedisConnectionInfo, String> {
    let mut info = anonymous();
    if expected != Expected::Sentinel {
        info = info.set_db(settings.database);
    }
    if let Some(file) = &settings.password_file {
        let password = fs::read_to_string(file)
            .map_err(|error| format!("cannot read password_file {}: {error}", file.display()))?;
        info = info.set_password(password.trim_end_matches(['\r', '\n']));
        info = info.set_username(settings.username.as_deref().unwrap_or("default"));
    }
    Ok(info)
}

/// The same without credentials: sentinels often have none although the servers do.
pub(crate) fn anonymous() -> RedisConnectionInfo {
    RedisConnectionInfo::default()
        .set_protocol(ProtocolVersion::RESP3)
        .set_lib_name(CLIENT_NAME, env!("CARGO_PKG_VERSION"))
}

fn tls_config(ca_file: Option<&Path>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        Some(file) => {
            let failed = |error: String| format!("cannot read ca_file {}: {error}", file.display());
            let certificates =
                CertificateDer::pem_file_iter(file).map_err(|error| failed(error.to_string()))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|error| failed(error.to_string()))?;
                roots.add(certificate).map_err(|error| failed(error.to_string()))?;
            }
            if roots.is_empty() {
                return Err(failed("it holds no certificate".to_owned()));
            }
        }
        None => {
            let system = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(system.certs);
            if roots.is_empty() {
                return Err("the system has no certificates to check a server's with: set ca_file".to_owned());
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| format!("TLS cannot be set up: {error}"))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

macro_rules! either {
    ($self:ident, $method:ident($($argument:expr),*)) => {
        match $self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).$method($($argument),*),
            Self::Tls(stream) => Pin::new(stream.as_mut()).$method($($argument),*),
        }
    };
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        either!(self, poll_read(cx, buffer))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        either!(self, poll_write(cx, data))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, poll_shutdown(cx))
    }
}
