//! The configuration file: which namespaces there are, and which backend serves each.
//!
//! ```yaml
//! server:
//!   listen_address: "0.0.0.0:8980"
//! namespaces:
//!   - name: default
//!     pattern: keyvalue
//!     plugin:
//!       endpoint: "localhost:50051"
//! ```
//!
//! Types and unknown keys are checked while reading: the first mistake is reported, with its line. Every rule beyond
//! types is checked in one run, and each mistake told with its path and what was expected.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use prism_proto::limits;
use prism_runtime::listen::Address;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::endpoint::Endpoint;

/// The file that is read when none is named.
pub const DEFAULT_PATH: &str = "prism.yaml";

/// The configuration of a proxy, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to serve gRPC; `None` leaves the default.
    pub listen: Option<Address>,
    /// Where to serve HTTP; `None` leaves the default.
    pub http_listen: Option<Address>,
    /// The namespaces, each name once.
    pub namespaces: Vec<Namespace>,
    /// SHA-256 of the file's bytes, in hex.
    pub revision: String,
}

/// One namespace, checked.
#[derive(Clone, Debug)]
pub struct Namespace {
    /// Its name.
    pub name: String,
    /// What the plugin must offer at least.
    pub pattern: Pattern,
    /// Where the plugin is.
    pub endpoint: Endpoint,
    /// The only interfaces served, by full name; `None`: all that the plugin has.
    pub interfaces: Option<Vec<String>>,
    /// How long a unary call without a deadline of its own may take.
    pub timeout: Duration,
    /// The largest message that a client may send.
    pub message_bytes_max: usize,
}

/// A data pattern, and the interfaces it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pattern {
    /// Values by key.
    KeyValue,
    /// Ordered lists.
    List,
}

impl Pattern {
    /// The full name of the interface that a plugin must have to offer this pattern.
    #[must_use]
    pub fn interface(self) -> &'static str {
        match self {
            Self::KeyValue => "prism.interfaces.keyvalue.KeyValueBasicInterface",
            Self::List => "prism.interfaces.list.ListBasicInterface",
        }
    }
}

/// 30 s: longer than any client should wait, short enough that a hung backend does not hold calls for good.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);
const TIMEOUT_MIN: Duration = Duration::from_millis(1);
const TIMEOUT_MAX: Duration = Duration::from_secs(60 * 60);

/// The file as it is written.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    server: ServerSection,
    #[serde(default)]
    namespaces: Vec<NamespaceSection>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct ServerSection {
    listen_address: Option<String>,
    http_listen_address: Option<String>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct NamespaceSection {
    name: String,
    pattern: Pattern,
    plugin: PluginSection,
    interfaces: Option<Vec<String>>,
    timeout: Option<String>,
    max_message_bytes: Option<u64>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct PluginSection {
    endpoint: String,
}

/// Why a configuration cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}: {why}")]
    Read {
        /// The file.
        path: String,
        /// What the system said.
        why: String,
    },
    /// The file is not YAML of the right types.
    #[error("{path}{}: {why}", place(*line, field))]
    Parse {
        /// The file.
        path: String,
        /// The line, from 1.
        line: Option<usize>,
        /// The path within the file, such as `namespaces[0].plugin`.
        field: String,
        /// What is wrong.
        why: String,
    },
    /// Rules are broken.
    #[error("{path}: {}", list(mistakes))]
    Invalid {
        /// The file.
        path: String,
        /// All of them.
        mistakes: Vec<Mistake>,
    },
}

/// A broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where, such as `namespaces[0].name`.
    pub field: String,
    /// What is wrong and what was expected.
    pub why: String,
}

fn place(line: Option<usize>, field: &str) -> String {
    let line = line.map_or_else(String::new, |line| format!(":{line}"));
    match field {
        "." | "" => line,
        field => format!("{line}: {field}"),
    }
}

fn list(mistakes: &[Mistake]) -> String {
    let lines: Vec<_> =
        mistakes.iter().map(|mistake| format!("{}: {}", mistake.field, mistake.why)).collect();
    match lines.as_slice() {
        [one] => one.clone(),
        many => format!("{} mistakes:\n  {}", many.len(), many.join("\n  ")),
    }
}

impl Config {
    /// What a proxy serves without a file: namespace `default` from `localhost:50051`.
    #[must_use]
    pub fn without_file() -> Self {
        let authority = http::uri::Authority::from_static("localhost:50051");
        Self::single(Endpoint::Tcp(authority))
    }

    /// Namespace `default` and nothing else.
    #[must_use]
    pub fn single(endpoint: Endpoint) -> Self {
        let namespace = Namespace {
            name: limits::NAMESPACE_DEFAULT.to_owned(),
            pattern: Pattern::KeyValue,
            endpoint,
            interfaces: None,
            timeout: TIMEOUT_DEFAULT,
            message_bytes_max: limits::MESSAGE_BYTES_MAX,
        };
        Self { listen: None, http_listen: None, namespaces: vec![namespace], revision: String::new() }
    }

    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let shown = path.display().to_string();
        match std::fs::read(path) {
            Ok(bytes) => Self::parse(&shown, &bytes),
            Err(error) => Err(ConfigError::Read { path: shown, why: error.to_string() }),
        }
    }

    /// Reads and checks the bytes of a file. `path` is for messages.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn parse(path: &str, bytes: &[u8]) -> Result<Self, ConfigError> {
        let parse_error = |line, field, why| ConfigError::Parse { path: path.to_owned(), line, field, why };
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let line = 1 + bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
            parse_error(Some(line), String::new(), "the file is not UTF-8 text".to_owned())
        })?;
        let file = if text.trim().is_empty() {
            File::default()
        } else {
            serde_path_to_error::deserialize(serde_yaml::Deserializer::from_str(text)).map_err(|error| {
                let field = error.path().to_string();
                let error = error.into_inner();
                parse_error(error.location().map(|location| location.line()), field, reason(&error))
            })?
        };
        let mut mistakes = Mistakes::default();
        let config = file.check(&mut mistakes, format!("{:x}", Sha256::digest(bytes)));
        match mistakes.0.as_slice() {
            [] => Ok(config),
            _ => Err(ConfigError::Invalid { path: path.to_owned(), mistakes: mistakes.0 }),
        }
    }
}

/// The parser's message without the place, which is said before it.
fn reason(error: &serde_yaml::Error) -> String {
    let message = error.to_string();
    let place = error.location().map(|place| format!(" at line {} column {}", place.line(), place.column()));
    let message = place.map_or(message.clone(), |place| message.replace(&place, ""));
    match message.split_once(": ") {
        Some((path, rest)) if !path.contains(' ') => rest.to_owned(),
        _ => message,
    }
}

#[derive(Default)]
struct Mistakes(Vec<Mistake>);

impl Mistakes {
    fn add(&mut self, field: impl fmt::Display, why: impl fmt::Display) {
        self.0.push(Mistake { field: field.to_string(), why: why.to_string() });
    }

    /// The value, or its default and one mistake more.
    fn checked<T, E: fmt::Display>(&mut self, field: impl fmt::Display, value: Result<T, E>) -> Option<T> {
        value.map_err(|why| self.add(field, why)).ok()
    }
}

impl File {
    fn check(self, mistakes: &mut Mistakes, revision: String) -> Config {
        let mut address = |field: &str, text: Option<String>| {
            text.and_then(|text| mistakes.checked(format!("server.{field}"), text.parse::<Address>()))
        };
        let listen = address("listen_address", self.server.listen_address);
        let http_listen = address("http_listen_address", self.server.http_listen_address);
        let mut seen = HashMap::new();
        let mut namespaces = Vec::with_capacity(self.namespaces.len());
        for (index, section) in self.namespaces.into_iter().enumerate() {
            if let Some(first) = seen.insert(section.name.clone(), index) {
                mistakes.add(
                    format!("namespaces[{index}].name"),
                    format!(
                        "{:?} is already the name of namespaces[{first}]; each name may stand once",
                        section.name
                    ),
                );
            }
            namespaces.extend(section.check(index, mistakes));
        }
        Config { listen, http_listen, namespaces, revision }
    }
}

impl NamespaceSection {
    fn check(self, index: usize, mistakes: &mut Mistakes) -> Option<Namespace> {
        let field = |name: &str| format!("namespaces[{index}].{name}");
        if !limits::is_namespace(&self.name) {
            let why = format!(
                "{:?} is not a name; expected 1 to {} characters of a-z, 0-9 and -, starting with a letter",
                self.name,
                limits::NAMESPACE_BYTES_MAX
            );
            mistakes.add(field("name"), why);
        }
        for (place, interface) in self.interfaces.iter().flatten().enumerate() {
            if !interface.starts_with(prism_proto::INTERFACES_PREFIX) {
                let why = format!(
                    "{interface:?} is not an interface; expected a full name such as {}",
                    self.pattern.interface()
                );
                mistakes.add(field(&format!("interfaces[{place}]")), why);
            }
        }
        if let Some(interfaces) = &self.interfaces
            && !interfaces.iter().any(|interface| interface == self.pattern.interface())
        {
            let why = format!("{} is missing, which the pattern stands for", self.pattern.interface());
            mistakes.add(field("interfaces"), why);
        }
        let endpoint = mistakes.checked(field("plugin.endpoint"), self.plugin.endpoint.parse::<Endpoint>());
        let timeout = mistakes.checked(field("timeout"), timeout(self.timeout.as_deref()));
        let bytes_max =
            mistakes.checked(field("max_message_bytes"), message_bytes_max(self.max_message_bytes));
        Some(Namespace {
            name: self.name,
            pattern: self.pattern,
            endpoint: endpoint?,
            interfaces: self.interfaces,
            timeout: timeout?,
            message_bytes_max: bytes_max?,
        })
    }
}

fn timeout(text: Option<&str>) -> Result<Duration, String> {
    let Some(text) = text else { return Ok(TIMEOUT_DEFAULT) };
    match humantime::parse_duration(text) {
        Ok(timeout) if (TIMEOUT_MIN..=TIMEOUT_MAX).contains(&timeout) => Ok(timeout),
        _ => Err(format!("{text:?} is not a time from 1ms to 1h; expected a number and a unit, such as 30s")),
    }
}

fn message_bytes_max(bytes: Option<u64>) -> Result<usize, String> {
    let Some(bytes) = bytes else { return Ok(limits::MESSAGE_BYTES_MAX) };
    match usize::try_from(bytes) {
        Ok(bytes) if (1024..=limits::MESSAGE_BYTES_MAX).contains(&bytes) => Ok(bytes),
        _ => Err(format!("{bytes} is out of range; expected 1024 to {} bytes", limits::MESSAGE_BYTES_MAX)),
    }
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
