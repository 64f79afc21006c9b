//! The options of TLS, and a server as the options name it.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use prism_client::Builder;
use prism_net::address::Address;
use prism_net::dial::{dial, dial_tls};
use prism_net::stream::Stream;
use prism_net::tls::Protocol;
use prism_net::tls::client::{ClientOptions, Connector};

use crate::failure::Failure;
use crate::variable::Variable;

const TLS: &str = "PRISM_TLS";
const CA_FILE: &str = "PRISM_CA_FILE";
const CERTIFICATE_FILE: &str = "PRISM_CERTIFICATE_FILE";
const KEY_FILE: &str = "PRISM_KEY_FILE";
const SERVER_NAME: &str = "PRISM_SERVER_NAME";

/// How connections are secured.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Common options")]
pub(crate) struct TlsArgs {
    /// Connect with TLS, and trust the system's CAs. An address that begins with https:// and each of the following options
    /// imply it.
    #[arg(long, global = true, env = TLS)]
    tls: bool,

    /// CAs that sign the server's certificate, in PEM, instead of the system's.
    #[arg(long, global = true, env = CA_FILE, value_name = "FILE")]
    ca_file: Option<PathBuf>,

    /// Certificate to show the server, in PEM. Needs --key-file.
    #[arg(long, global = true, env = CERTIFICATE_FILE, value_name = "FILE", requires = "key_file")]
    certificate_file: Option<PathBuf>,

    /// Private key of the certificate, in PEM.
    #[arg(long, global = true, env = KEY_FILE, value_name = "FILE", requires = "certificate_file")]
    key_file: Option<PathBuf>,

    /// Name that the server's certificate must have [default: the host of the address].
    #[arg(long, global = true, env = SERVER_NAME, value_name = "NAME")]
    server_name: Option<String>,
}

/// A server: where it is, and how connections to it are secured.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) address: Address,
    /// `None` for plaintext.
    pub(crate) connector: Option<Connector>,
}

impl TlsArgs {
    /// As variables.
    pub(crate) fn variables(&self) -> [Variable; 5] {
        let path = |path: &Option<PathBuf>| path.as_ref().map(OsString::from);
        [
            (TLS, self.tls.then(|| "true".into())),
            (CA_FILE, path(&self.ca_file)),
            (CERTIFICATE_FILE, path(&self.certificate_file)),
            (KEY_FILE, path(&self.key_file)),
            (SERVER_NAME, self.server_name.as_ref().map(OsString::from)),
        ]
    }

    /// The server at an address, for connections that speak `protocol`.
    pub(crate) fn server(&self, address: &str, protocol: Protocol) -> Result<Server, Failure> {
        let options = self.options();
        let is_asked_for = self.tls || options != ClientOptions::default();
        let is_stated = address.starts_with("https://");
        if address.starts_with("http://") && is_asked_for {
            let message = format!("{address} is plaintext: for TLS, write https:// or, for gRPC, HOST:PORT");
            return Err(Failure::Usage(message));
        }
        let connector = (is_asked_for || is_stated).then(|| Connector::new(options, Some(protocol)));
        let connector = connector.transpose().map_err(|error| Failure::Usage(error.to_string()))?;
        Ok(Server { address: to_dial(address), connector })
    }

    /// The server at a URL, or at a Unix socket, for HTTP/1.1. The variables may be meant for another server: `http://`
    /// is plaintext regardless of them.
    pub(crate) fn web(&self, url: &str) -> Result<Server, Failure> {
        match url.starts_with("http://") {
            true => Ok(Server { address: to_dial(url), connector: None }),
            false => self.server(url, Protocol::Http1),
        }
    }

    /// Gives a client the same settings.
    pub(crate) fn apply(&self, builder: Builder) -> Builder {
        let options = self.options();
        let mut builder = builder.tls(self.tls);
        if let Some(file) = options.ca_file {
            builder = builder.ca_file(file);
        }
        if let Some(file) = options.certificate_file {
            builder = builder.certificate_file(file);
        }
        if let Some(file) = options.key_file {
            builder = builder.key_file(file);
        }
        match options.server_name {
            Some(name) => builder.server_name(name),
            None => builder,
        }
    }

    fn options(&self) -> ClientOptions {
        ClientOptions {
            ca_file: self.ca_file.clone(),
            certificate_file: self.certificate_file.clone(),
            key_file: self.key_file.clone(),
            server_name: self.server_name.clone(),
        }
    }
}

impl Server {
    /// Connects within `limit`.
    pub(crate) async fn dial(&self, limit: Duration) -> io::Result<Stream> {
        match &self.connector {
            Some(connector) => dial_tls(&self.address, connector, limit).await,
            None => dial(&self.address, limit).await,
        }
    }

    /// The scheme of requests to it.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.connector.is_some() { "https" } else { "http" }
    }
}

/// An address that has been checked, in the form in which it is dialled.
fn to_dial(text: &str) -> Address {
    match text.strip_prefix("unix:") {
        Some(path) => Address::Unix(path.into()),
        None => {
            let authority =
                text.strip_prefix("http://").or_else(|| text.strip_prefix("https://")).unwrap_or(text);
            Address::Tcp(authority.strip_suffix('/').unwrap_or(authority).to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_an_address_are_read() {
        for (text, authority) in [
            ("localhost:8980", "localhost:8980"),
            ("http://[::1]:80/", "[::1]:80"),
            ("https://gateway:443", "gateway:443"),
            ("unix:/run/prism.sock", "localhost"),
        ] {
            assert_eq!(to_dial(text).authority(), authority);
        }
    }
}
