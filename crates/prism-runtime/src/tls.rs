//! TLS of a server's ports: the flags.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use prism_net::tls::server::{Loaded, ServerFiles, ServerTls};

use crate::exit::ServerError;

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
