//! The section `server`: where the proxy listens, and how callers prove who they are.

use std::path::PathBuf;

use prism_auth::jwt::{CLAIM_DEFAULT, JwtSettings};
use prism_auth::name::Sources;
use prism_net::address::Address;
use prism_net::tls::server::ServerFiles;
use serde::{Deserialize, Deserializer};

use super::access;
use super::mistakes::Mistakes;
use super::settings::Callers;

/// The section in its written form.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ServerSection {
    listen_address: Option<String>,
    http_listen_address: Option<String>,
    #[serde(default, deserialize_with = "present")]
    tls: Option<TlsSection>,
    #[serde(default, deserialize_with = "present")]
    token_file: Option<String>,
    #[serde(default, deserialize_with = "present")]
    jwt: Option<JwtSection>,
    #[serde(default, deserialize_with = "present")]
    operators: Option<Vec<String>>,
    #[serde(default)]
    require_secure: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TlsSection {
    certificate_file: PathBuf,
    key_file: PathBuf,
    client_ca_file: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct JwtSection {
    jwks_file: String,
    issuer: String,
    audience: String,
    claim: Option<String>,
}

/// The section, checked.
#[derive(Default)]
pub(super) struct Server {
    pub(super) listen: Option<Address>,
    pub(super) http_listen: Option<Address>,
    pub(super) tls: Option<ServerFiles>,
    pub(super) callers: Callers,
    /// The sources of names that the section enables.
    pub(super) sources: Sources,
}

/// Reads a key that must not be null: a key whose value is commented out would otherwise admit everybody.
pub(super) fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

impl ServerSection {
    /// Checks the section. With mistakes, the result is incomplete.
    pub(super) fn check(self, mistakes: &mut Mistakes) -> Server {
        // An invalid value enables its source, too: one mistake is not reported as several.
        let certificate = self.tls.as_ref().is_some_and(|tls| tls.client_ca_file.is_some());
        let sources = Sources { token: self.token_file.is_some(), certificate, jwt: self.jwt.is_some() };
        let mut address = |field: &str, text: Option<String>| {
            text.and_then(|text| mistakes.checked(format!("server.{field}"), text.parse::<Address>()))
        };
        let listen = address("listen_address", self.listen_address);
        let http_listen = address("http_listen_address", self.http_listen_address);
        let callers = Callers {
            token_file: mistakes.path("server.token_file", self.token_file),
            jwt: self.jwt.and_then(|jwt| jwt.check(mistakes)),
            certificates: sources.certificate,
            operators: self.operators.map(|names| access::operators(&names, sources, mistakes)),
            require_secure: self.require_secure,
        };
        let tls = self.tls.map(|files| ServerFiles {
            certificate_file: files.certificate_file,
            key_file: files.key_file,
            client_ca_file: files.client_ca_file,
        });
        Server { listen, http_listen, tls, callers, sources }
    }
}

impl JwtSection {
    fn check(self, mistakes: &mut Mistakes) -> Option<JwtSettings> {
        let claim = self.claim.unwrap_or_else(|| CLAIM_DEFAULT.to_owned());
        for (key, value, expected) in [
            ("issuer", &self.issuer, "the claim iss of the tokens"),
            ("audience", &self.audience, "the claim aud of the tokens"),
            ("claim", &claim, "the claim that has the caller's name, or no key for sub"),
        ] {
            if value.is_empty() {
                mistakes.add(format!("server.jwt.{key}"), format!("it is empty; expected {expected}"));
            }
        }
        let jwks_file: PathBuf = mistakes.path("server.jwt.jwks_file", Some(self.jwks_file))?;
        Some(JwtSettings { jwks_file, issuer: self.issuer, audience: self.audience, claim })
    }
}
