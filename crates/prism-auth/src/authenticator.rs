//! Who makes a call: from its bearer credential or, without one, from the certificate of its connection.

use std::path::PathBuf;
use std::time::SystemTime;

use http::HeaderMap;
use prism_grpc::identity::{Identity, Source};
use prism_net::tls::trust::ClientCertificate;
use prism_proto::Error;

use crate::bearer::credential;
use crate::error::{FileError, refused};
use crate::file::Content;
use crate::jwt::{Jwt, JwtSettings};
use crate::tokens::Tokens;
use crate::watched::Watched;

/// Which credentials are accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthSettings {
    /// The file of tokens.
    pub token_file: Option<PathBuf>,
    /// JSON web tokens.
    pub jwt: Option<JwtSettings>,
    /// Whether the name in a client certificate that the server trusts is accepted.
    pub certificates: bool,
}

impl AuthSettings {
    /// Whether nothing is accepted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Identifies callers, by files that are read again when they change.
#[derive(Debug)]
pub struct Authenticator {
    settings: AuthSettings,
    tokens: Option<Watched<Tokens>>,
    jwt: Option<Jwt>,
}

impl Authenticator {
    /// Reads the files. Blocks.
    ///
    /// # Errors
    /// The file that cannot be used.
    pub fn open(settings: AuthSettings) -> Result<Self, FileError> {
        let tokens = settings.token_file.as_deref();
        let tokens =
            tokens.map(|path| Watched::open(path, Content::Secret, Box::new(Tokens::parse))).transpose()?;
        let jwt = settings.jwt.as_ref().map(Jwt::open).transpose()?;
        Ok(Self { settings, tokens, jwt })
    }

    /// What it was opened with.
    #[must_use]
    pub fn settings(&self) -> &AuthSettings {
        &self.settings
    }

    /// Who makes a call with these headers, on a connection with this certificate; `None` without any credential. A bearer
    /// credential decides even beside a certificate. A certificate that has expired, or whose CA is not trusted any more,
    /// is none.
    ///
    /// # Errors
    /// TOKEN_INVALID: the credential is not accepted.
    pub fn identify(
        &self,
        headers: &HeaderMap,
        certificate: Option<&ClientCertificate>,
    ) -> Result<Option<Identity>, Error> {
        let reads_bearer = self.tokens.is_some() || self.jwt.is_some();
        if let Some(token) = if reads_bearer { credential(headers)? } else { None } {
            return self.bearer(token).map(Some);
        }
        let certificate = certificate.filter(|shown| self.settings.certificates && shown.is_valid());
        Ok(certificate.and_then(|shown| Identity::shared(Source::Certificate, shown.name()?)))
    }

    fn bearer(&self, token: &str) -> Result<Identity, Error> {
        let now = SystemTime::now();
        if let Some(jwt) = self.jwt.as_ref().filter(|_| Jwt::has_form(token)) {
            return jwt.identity(token, now);
        }
        if let Some(tokens) = &self.tokens
            && let Some(owner) = tokens.load().owner(token, now)?
        {
            return Ok(owner.clone());
        }
        Err(refused("the token is unknown; it may have been revoked"))
    }

    /// Reads the files that have changed. Blocks.
    pub fn refresh(&self) {
        self.tokens.iter().for_each(Watched::refresh);
        self.jwt.iter().for_each(|jwt| jwt.0.refresh());
    }

    /// Whether the last attempt to read each file succeeded.
    #[must_use]
    pub fn is_applied(&self) -> bool {
        self.tokens.as_ref().is_none_or(Watched::is_applied)
            && self.jwt.as_ref().is_none_or(|jwt| jwt.0.is_applied())
    }
}
