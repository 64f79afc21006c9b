//! The configuration file: which namespaces exist, and which backend serves each.
//!
//! ```yaml
//! server:
//!   listen_address: "0.0.0.0:8980"
//! backends:
//!   - name: fast
//!     embedded: memstore
//!     options: { memory_limit: 512MiB }
//! namespaces:
//!   - name: default
//!     pattern: keyvalue
//!     plugin: { backend: fast }
//!   - name: legacy
//!     pattern: list
//!     plugin: { endpoint: "localhost:50051" }
//! ```
//!
//! Types and unknown keys are checked while reading: the first mistake is reported, with its line. All other rules are
//! checked in one run, and each mistake is reported with its path and what was expected. Options of backends are checked
//! by their drivers: see [`crate::route::check`].

mod every;
mod file;
mod settings;

use std::io::Read as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use self::file::{File, Mistakes};
pub use self::settings::{Backend, Config, Mistake, Namespace, Pattern, Place, Plugin};

/// The file that is read by default.
pub const DEFAULT_PATH: &str = "prism.yaml";

/// The maximum size of the file: ten thousand namespaces with few settings take less than 1 MiB.
pub const FILE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The deepest nesting of brackets. The parser's time grows with its square, and a file needs three.
const BRACKETS_MAX: usize = 100;

/// YAML's key for merging another mapping.
const MERGE: &str = "<<";

/// Why a configuration cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}: {why}")]
    Read {
        /// The file.
        path: String,
        /// The system's error.
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
        /// All broken rules.
        mistakes: Vec<Mistake>,
    },
}

impl ConfigError {
    /// The mistakes, one by one. Of wrong types it has only the first: see [`every_mistake`](Self::every_mistake).
    #[must_use]
    pub fn mistakes(&self) -> Vec<Mistake> {
        match self {
            Self::Read { why, .. } => vec![Mistake { field: String::new(), why: why.clone(), line: None }],
            Self::Parse { line, field, why, .. } => {
                // A missing field is reported by its own path, not by that of the mapping that lacks it.
                let missing = why.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'));
                let field = match (missing, field.as_str()) {
                    (Some(missing), "." | "") => missing.to_owned(),
                    (Some(missing), field) => format!("{field}.{missing}"),
                    (None, field) => field.to_owned(),
                };
                vec![Mistake { field, why: why.clone(), line: *line }]
            }
            Self::Invalid { mistakes, .. } => mistakes.clone(),
        }
    }
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
    /// Reads, parses and checks a file.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Self::parse(&path.display().to_string(), &read(path)?)
    }

    /// Parses and checks the bytes of a file. `path` is for messages.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn parse(path: &str, bytes: &[u8]) -> Result<Self, ConfigError> {
        let text = text(path, bytes)?;
        let file: File =
            serde_path_to_error::deserialize(serde_yaml::Deserializer::from_str(text)).map_err(|error| {
                let field = error.path().to_string();
                let error = error.into_inner();
                let line = error.location().map(|location| location.line());
                ConfigError::Parse { path: path.to_owned(), line, field, why: reason(&error) }
            })?;
        let mut mistakes = Mistakes::default();
        let config = file.check(&mut mistakes, revision(bytes));
        match mistakes.0.as_slice() {
            [] => Ok(config),
            _ => Err(ConfigError::Invalid { path: path.to_owned(), mistakes: mistakes.0 }),
        }
    }
}

/// Reads the bytes of a file, at most [`FILE_BYTES_MAX`] of them.
///
/// # Errors
/// [`ConfigError::Read`], also for a larger file.
pub fn read(path: &Path) -> Result<Vec<u8>, ConfigError> {
    let read = || {
        let file = std::fs::File::open(path)?;
        // A pipe would block the reader until somebody writes.
        if !file.metadata()?.is_file() {
            return Err(std::io::Error::other("it is not a regular file"));
        }
        let mut bytes = Vec::new();
        file.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
        if bytes.len() > FILE_BYTES_MAX {
            return Err(std::io::Error::other(format!("it has more than {FILE_BYTES_MAX} bytes, the limit")));
        }
        Ok(bytes)
    };
    read().map_err(|error| ConfigError::Read { path: path.display().to_string(), why: error.to_string() })
}

/// The text of a file, if it is safe to give to a YAML parser.
///
/// # Errors
/// [`ConfigError::Parse`]: it is not UTF-8, empty, or nested so deeply that a parser would take minutes.
pub fn text<'a>(path: &str, bytes: &'a [u8]) -> Result<&'a str, ConfigError> {
    let wrong = |line, why| ConfigError::Parse { path: path.to_owned(), line, field: String::new(), why };
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = 1 + bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
        wrong(Some(line), "the file is not UTF-8 text".to_owned())
    })?;
    if text.trim().is_empty() {
        let why = "the file is empty; expected namespaces, or `namespaces: []` to serve none";
        return Err(wrong(None, why.to_owned()));
    }
    if nests_deeper(text, BRACKETS_MAX) {
        let why = format!("brackets are nested too deeply; the maximum is {BRACKETS_MAX}");
        return Err(wrong(None, why));
    }
    Ok(text)
}

/// The SHA-256 of a file's bytes, in hex.
#[must_use]
pub fn revision(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// Whether more than `max` brackets are open anywhere. Those in comments and strings count, which is harmless.
fn nests_deeper(text: &str, max: usize) -> bool {
    let mut depth: usize = 0;
    text.bytes().any(|byte| {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > max
    })
}

/// The parser's message without the location, which is printed before it.
fn reason(error: &serde_yaml::Error) -> String {
    let message = error.to_string();
    let place = error.location().map(|place| format!(" at line {} column {}", place.line(), place.column()));
    let message = place.map_or(message.clone(), |place| message.replace(&place, ""));
    if message.contains(&format!("unknown field `{MERGE}`")) {
        return "merge keys (`<<`) are not supported; repeat the keys, or use an alias (`*`) for a whole value".to_owned();
    }
    let message = match message.split_once(": ") {
        Some((path, rest)) if !path.contains(' ') => rest,
        _ => &message,
    };
    in_words(message)
}

/// The parser's message in the terms of the file, not in those of the code that reads it.
fn in_words(why: &str) -> String {
    const WORDS: [(&str, &str); 8] = [
        ("unit value", "null"),
        ("struct File", "a mapping with the key namespaces"),
        ("struct ServerTlsSection", "a mapping such as {certificate_file: FILE, key_file: FILE}"),
        ("struct BackendTlsSection", "a mapping such as {ca_file: FILE}, or {} to trust the system's CAs"),
        ("struct ServerSection", "a mapping such as {listen_address: HOST:PORT}"),
        ("struct NamespaceSection", "a namespace: a mapping with the keys name, pattern and plugin"),
        ("struct PluginSection", "a mapping such as {endpoint: HOST:PORT} or {backend: NAME}"),
        ("struct BackendSection", "a backend: a mapping with the keys name and embedded or endpoint"),
    ];
    WORDS.iter().fold(why.to_owned(), |why, (code, word)| why.replace(code, word))
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
