//! Who makes a call: from its bearer credential or, without one, from the certificate of its connection.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::SystemTime;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use prism_grpc::Context;
use prism_grpc::identity::{Identity, Source};
use prism_net::tls::trust::ClientCertificate;
use prism_proto::Error;

use crate::accepted::Accepted;
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

/// Numbers what credentials are judged by, so that no two authenticators share a number.
static VERSIONS: AtomicU64 = AtomicU64::new(0);

/// Identifies callers, by files that are read again when they change.
#[derive(Debug)]
pub struct Authenticator {
    settings: AuthSettings,
    tokens: Option<Watched<Tokens>>,
    jwt: Option<Jwt>,
    /// A new number whenever a credential may be judged in another way.
    version: AtomicU64,
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
        let version = AtomicU64::new(VERSIONS.fetch_add(1, SeqCst));
        Ok(Self { settings, tokens, jwt, version })
    }

    /// What it was opened with.
    #[must_use]
    pub fn settings(&self) -> &AuthSettings {
        &self.settings
    }

    /// Who makes a call: see [`identify`](Self::identify). A credential that the connection has shown before is not verified anew.
    ///
    /// # Errors
    /// TOKEN_INVALID: the credential is not accepted.
    pub fn identify_call(&self, context: &Context) -> Result<Option<Identity>, Error> {
        let (headers, peer) = (&context.head().headers, context.peer());
        let Some(shown) = only_credential(headers) else {
            return self.identify(headers, peer.certificate());
        };
        // Before the files are looked at: what they say afterwards is another version.
        let version = self.version.load(SeqCst);
        if let Some(known) = peer.shown.recall(shown, version) {
            return Ok(Some(known));
        }
        let Some(token) = self.credential(headers)? else {
            return Ok(self.of_certificate(peer.certificate()));
        };
        let Accepted { identity, expires } = self.bearer(token)?;
        peer.shown.remember(shown, version, &identity, expires);
        Ok(Some(identity))
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
        match self.credential(headers)? {
            Some(token) => self.bearer(token).map(|accepted| Some(accepted.identity)),
            None => Ok(self.of_certificate(certificate)),
        }
    }

    fn credential<'a>(&self, headers: &'a HeaderMap) -> Result<Option<&'a str>, Error> {
        let reads_bearer = self.tokens.is_some() || self.jwt.is_some();
        if reads_bearer { credential(headers) } else { Ok(None) }
    }

    fn of_certificate(&self, certificate: Option<&ClientCertificate>) -> Option<Identity> {
        let certificate = certificate.filter(|shown| self.settings.certificates && shown.is_valid())?;
        Identity::shared(Source::Certificate, certificate.name()?)
    }

    fn bearer(&self, token: &str) -> Result<Accepted, Error> {
        let now = SystemTime::now();
        if let Some(jwt) = self.jwt.as_ref().filter(|_| Jwt::has_form(token)) {
            return jwt.identity(token, now);
        }
        if let Some(tokens) = &self.tokens
            && let Some(owner) = tokens.load().owner(token, now)?
        {
            return Ok(owner);
        }
        Err(refused("the token is unknown; it may have been revoked"))
    }

    /// Reads the files that have changed. Blocks.
    pub fn refresh(&self) {
        let tokens = self.tokens.as_ref().is_some_and(Watched::refresh);
        let keys = self.jwt.as_ref().is_some_and(|jwt| jwt.0.refresh());
        if tokens || keys {
            self.version.store(VERSIONS.fetch_add(1, SeqCst), SeqCst);
        }
    }

    /// Whether the last attempt to read each file succeeded.
    #[must_use]
    pub fn is_applied(&self) -> bool {
        self.tokens.as_ref().is_none_or(Watched::is_applied)
            && self.jwt.as_ref().is_none_or(|jwt| jwt.0.is_applied())
    }
}

/// The value of the header with credentials; `None` without one, or with several.
fn only_credential(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    values.next().filter(|_| values.next().is_none())
}
