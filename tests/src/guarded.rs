//! A proxy whose namespaces have callers: tokens, and an issuer of JSON web tokens.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prism_grpc::message::framed;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

use crate::process::{Process, Proxy, command};
use crate::tls::Site;

const ISSUER: &str = "https://issuer.example";
const AUDIENCE: &str = "prism";

/// An issuer of JSON web tokens with one key.
#[derive(Debug)]
pub struct Issuer {
    id: &'static str,
    key: Ed25519KeyPair,
}

impl Issuer {
    /// An issuer whose key has this `kid`.
    ///
    /// # Panics
    /// The system has no random bits.
    #[must_use]
    pub fn new(id: &'static str) -> Self {
        let key = Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new());
        let key = key.ok().and_then(|key| Ed25519KeyPair::from_pkcs8(key.as_ref()).ok());
        Self { id, key: key.expect("the system has random bits") }
    }

    /// The public key, as a JSON Web Key.
    #[must_use]
    pub fn public(&self) -> Value {
        let x = URL_SAFE_NO_PAD.encode(self.key.public_key());
        json!({"kty": "OKP", "crv": "Ed25519", "kid": self.id, "x": x})
    }

    /// A token for `name` that expires so many seconds from now.
    ///
    /// # Panics
    /// The clock is before 1970.
    #[must_use]
    pub fn token(&self, name: &str, expires: i64) -> String {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is after 1970");
        let exp = i64::try_from(now.as_secs()).expect("it is before the end of time") + expires;
        let header = json!({"alg": "EdDSA", "kid": self.id}).to_string();
        let claims = json!({"iss": ISSUER, "aud": AUDIENCE, "sub": name, "exp": exp}).to_string();
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = URL_SAFE_NO_PAD.encode(self.key.sign(message.as_bytes()));
        format!("{message}.{signature}")
    }
}

/// Creates a token with the tool.
///
/// # Panics
/// The tool fails.
#[must_use]
pub fn issue(file: &Path, name: &str, more: &[&str]) -> String {
    let output = command("prism").args(["token", "new", name, "--token-file"]).arg(file).args(more).output();
    let output = output.expect("the tool starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("the tool prints text");
    text.split_whitespace().last().expect("the token is the last word").to_owned()
}

/// Files of credentials, and where they are.
#[derive(Debug)]
pub struct Files {
    folder: tempfile::TempDir,
    /// Signs with the key that is in the file.
    pub issuer: Issuer,
}

impl Files {
    /// The keys of one issuer, and no tokens.
    ///
    /// # Panics
    /// They cannot be written.
    #[must_use]
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let files = Self { folder, issuer: Issuer::new("current") };
        let keys = json!({"keys": [files.issuer.public()]}).to_string();
        std::fs::write(files.path("jwks.json"), keys).expect("the keys can be written");
        std::fs::write(files.path("tokens"), "").expect("the file of tokens can be written");
        files
    }

    /// A file in the folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A new token.
    #[must_use]
    pub fn token(&self, name: &str) -> String {
        issue(&self.path("tokens"), name, &[])
    }

    /// The section `server` that enables both, and has these further keys.
    #[must_use]
    pub fn server(&self, more: &str) -> String {
        let (tokens, keys) = (self.path("tokens"), self.path("jwks.json"));
        format!(
            "server:\n  token_file: {tokens:?}\n  jwt: {{jwks_file: {keys:?}, issuer: {ISSUER:?}, audience: {AUDIENCE}}}\n{more}"
        )
    }
}

impl Default for Files {
    fn default() -> Self {
        Self::new()
    }
}

/// A proxy with the namespaces `mine` and `theirs` in memory, and `open`.
#[derive(Debug)]
pub struct Guarded {
    /// The proxy.
    pub proxy: Proxy,
    /// The plugin of all three.
    pub store: Process,
    /// Its files.
    pub files: Files,
}

impl Guarded {
    /// Starts a proxy. In `mine`, `reader` may read and `writer` may write; `theirs` is `other`'s; `operator` operates; each
    /// as a token and as a JSON web token.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn start(files: Files, flags: &[&str]) -> Self {
        Self::with(files, None, flags)
    }

    /// The same with TLS, and with certificates of the same callers: see [`uri_of`].
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn start_with_tls(files: Files, site: &Site, flags: &[&str]) -> Self {
        Self::with(files, Some(site), flags)
    }

    fn with(files: Files, site: Option<&Site>, flags: &[&str]) -> Self {
        let store = Process::start("prism-memstore", ["--listen", "127.0.0.1:0"]);
        let callers = |name: &str| {
            let certificate = site.map(|_| format!("cert:{}", uri_of(name)));
            [format!("token:{name}"), format!("jwt:{name}")].into_iter().chain(certificate)
        };
        let each = |name: &str, rights: &str| -> String {
            callers(name).map(|name| format!("      - {{ name: '{name}', rights: [{rights}] }}\n")).collect()
        };
        let namespace = |name: &str, access: &str| {
            let access = if access.is_empty() { String::new() } else { format!("    access:\n{access}") };
            format!(
                "  - name: {name}\n    pattern: keyvalue\n    plugin: {{ endpoint: {:?} }}\n{access}",
                store.grpc()
            )
        };
        let operators: Vec<_> = callers("operator").map(|name| format!("'{name}'")).collect();
        let operators = format!("  operators: [{}]\n", operators.join(", "));
        let tls = site.map(|site| site.section().replace("server:\n", "")).unwrap_or_default();
        let text = [
            files.server(&(operators + &tls)),
            "namespaces:\n".to_owned(),
            namespace("mine", &(each("reader", "read") + &each("writer", "write"))),
            namespace("theirs", &each("other", "read, write")),
            namespace("open", ""),
        ]
        .concat();
        Self { proxy: Proxy::with_flags(&text, flags), store, files }
    }
}

/// The URI in the certificate of a caller.
#[must_use]
pub fn uri_of(name: &str) -> String {
    format!("spiffe://corp/{name}")
}

/// A request with nothing but its namespace, framed.
#[must_use]
pub fn request_of(namespace: &str) -> Vec<u8> {
    let mut message = vec![0x0a, u8::try_from(namespace.len()).unwrap_or(u8::MAX)];
    message.extend_from_slice(namespace.as_bytes());
    framed(&message).to_vec()
}

/// How long something may take that another process does on its own.
pub const PATIENCE: Duration = Duration::from_secs(60);
