//! Servers with TLS: their files, connections to them, and requests to their HTTP ports.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use prism_net::address::Address;
use prism_net::dial::dial_tls;
use prism_net::tls::Protocol;
use prism_net::tls::client::{ClientOptions, Connector};
use prism_runtime::channel;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::Channel;

use crate::authority::Authority;

/// Far more than a handshake takes: a busy machine is not a failure.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder with the certificate of servers (`server.crt`, for `localhost`), and of the CAs of servers and clients.
#[derive(Debug)]
pub struct Site {
    folder: tempfile::TempDir,
    /// The CA of servers, `servers.ca`.
    pub servers: Authority,
    /// The CA of clients, `clients.ca`.
    pub clients: Authority,
}

impl Default for Site {
    fn default() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let site = Self { folder, servers: Authority::new("servers"), clients: Authority::new("clients") };
        site.servers.write(&site.path("servers.ca"));
        site.clients.write(&site.path("clients.ca"));
        site.servers.write_pair(site.folder(), "server", "localhost");
        site
    }
}

impl Site {
    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A file of the folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    /// The same as text.
    ///
    /// # Panics
    /// It is not UTF-8.
    #[must_use]
    pub fn text(&self, name: &str) -> String {
        self.path(name).to_str().expect("temporary paths are UTF-8").to_owned()
    }

    /// The flags of a server with TLS that knows the CA of clients.
    #[must_use]
    pub fn flags(&self) -> Vec<String> {
        let files = [("certificate", "server.crt"), ("key", "server.key"), ("client-ca", "clients.ca")];
        files.iter().flat_map(|(flag, name)| [format!("--tls-{flag}-file"), self.text(name)]).collect()
    }

    /// The part `server` of a proxy's file with the same files.
    #[must_use]
    pub fn section(&self) -> String {
        let [certificate, key, ca] = ["server.crt", "server.key", "clients.ca"].map(|name| self.text(name));
        format!(
            "server:\n  tls:\n    certificate_file: {certificate}\n    key_file: {key}\n    client_ca_file: {ca}\n"
        )
    }

    /// A client that trusts the servers' CA.
    ///
    /// # Panics
    /// The options are wrong.
    #[must_use]
    pub fn connector(&self, protocol: Protocol) -> Connector {
        let options = ClientOptions { ca_file: Some(self.path("servers.ca")), ..ClientOptions::default() };
        Connector::new(options, Some(protocol)).expect("the options are right")
    }

    /// A client that shows this certificate, in PEM with its key, whatever it is worth: ours do not show one that has
    /// expired. Its sessions can be resumed.
    ///
    /// # Panics
    /// The certificate or the key is not one.
    #[must_use]
    pub fn showing(&self, protocol: Protocol, shown: Option<&(String, String)>) -> Arc<ClientConfig> {
        const WHY: &str = "the CA, the certificate and the key are right";
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.path("servers.ca")).expect(WHY)).expect(WHY);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.expect(WHY).with_root_certificates(roots);
        let mut config = match shown {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).expect(WHY);
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect(WHY);
                builder.with_client_auth_cert(vec![certificate], key).expect(WHY)
            }
        };
        config.alpn_protocols = vec![match protocol {
            Protocol::Http2 => b"h2".to_vec(),
            Protocol::Http1 => b"http/1.1".to_vec(),
        }];
        Arc::new(config)
    }

    /// A channel over one new connection with TLS.
    ///
    /// # Errors
    /// Why there is none, in words.
    pub async fn channel(&self, address: &str) -> Result<Channel, String> {
        Self::channel_by(&self.connector(Protocol::Http2), address).await
    }

    /// The same, from a client with the certificate `STEM.crt`.
    ///
    /// # Errors
    /// Why there is none, in words.
    pub async fn channel_as(&self, stem: &str, address: &str) -> Result<Channel, String> {
        let [certificate, key] = ["crt", "key"].map(|kind| self.path(&format!("{stem}.{kind}")));
        let options = ClientOptions {
            ca_file: Some(self.path("servers.ca")),
            certificate_file: Some(certificate),
            key_file: Some(key),
            server_name: None,
        };
        let connector = Connector::new(options, Some(Protocol::Http2)).map_err(|error| error.to_string())?;
        Self::channel_by(&connector, address).await
    }

    async fn channel_by(connector: &Connector, address: &str) -> Result<Channel, String> {
        let stream = dial_tls(&local(address), connector, PATIENCE).await;
        let stream = stream.map_err(|error| error.to_string())?;
        channel::over(stream, "localhost").await.map_err(|error| error.to_string())
    }

    /// The status and the body of a GET request over TLS.
    ///
    /// # Panics
    /// Nothing responds.
    pub async fn get(&self, address: &str, path: &str) -> (u16, String) {
        let connector = self.connector(Protocol::Http1);
        let mut stream = dial_tls(&local(address), &connector, PATIENCE).await.expect("it serves TLS");
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("it answers with text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status line");
        (status, body.to_owned())
    }

    /// A metric without labels.
    ///
    /// # Panics
    /// There is none of this name.
    pub async fn metric(&self, address: &str, name: &str) -> f64 {
        let (_, page) = self.get(address, "/metrics").await;
        let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        value.unwrap_or_else(|| panic!("no metric {name}:\n{page}"))
    }

    /// Polls a metric until its value is right.
    ///
    /// # Panics
    /// It is not right in time.
    pub async fn until_metric(&self, address: &str, name: &str, is_right: impl Fn(f64) -> bool) {
        let begun = Instant::now();
        while !is_right(self.metric(address, name).await) {
            assert!(begun.elapsed() < PATIENCE, "{name} stays wrong");
        }
    }
}

/// A new connection of such a client to a server for `localhost`. With TLS 1.3, a client that is refused may learn so only
/// when it reads.
///
/// # Errors
/// It was refused.
pub async fn connect(client: &Arc<ClientConfig>, address: &str) -> io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
    TlsConnector::from(Arc::clone(client)).connect(name, stream).await
}

/// An address of this machine by the name that the certificate has.
#[must_use]
pub fn by_name(address: &str) -> String {
    address.replace("127.0.0.1:", "localhost:")
}

fn local(address: &str) -> Address {
    by_name(address).parse().expect("an address")
}
