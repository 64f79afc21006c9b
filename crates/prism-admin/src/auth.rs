//! Bearer tokens: a file with the SHA-256 of each. The hash needs neither salt nor stretching, because a token is 256
//! random bits and cannot be guessed.
//!
//! ```text
//! # NAME ROLE sha256:HASH
//! ci write sha256:6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b
//! ```
//!
//! The file is read on every request, so that tokens can be added and removed without a restart.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::ValueEnum;
use prism_auth::file::warn_of_exposed_secret;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use utoipa::ToSchema;

use crate::error::{Kind, Problem};

/// Whether an `authorization` header is meant for the admin, and not for a proxy in front of it.
pub(crate) fn is_bearer(header: &str) -> bool {
    header.split_ascii_whitespace().next().is_some_and(|scheme| scheme.eq_ignore_ascii_case("bearer"))
}

/// What a token allows; each role includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Configuration and metrics.
    Read,
    /// Also keys and values.
    Data,
    /// Everything.
    Write,
}

impl Role {
    fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Data => "data",
            Self::Write => "write",
        }
    }
}

/// The SHA-256 of a token.
pub type TokenHash = [u8; 32];

/// Who sends a request, and what they may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The token's name.
    pub name: String,
    /// Its role.
    pub role: Role,
}

/// How many unknown tokens are answered as such before the answers are rate-limited.
const FAILURES_MAX: u32 = 20;

/// How long it takes until one more is.
const FAILURE_INTERVAL: Duration = Duration::from_secs(1);

/// The file of tokens. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tokens {
    file: PathBuf,
    failures: Arc<Mutex<Failures>>,
}

/// The unknown tokens that were sent lately, of all senders together: behind a TLS proxy they share one address. A known
/// token is never refused for those of others, which costs no safety, since a token cannot be guessed.
#[derive(Debug)]
struct Failures {
    count: u32,
    since: Instant,
}

impl Failures {
    /// Counts one more; `false` if there have been too many.
    fn add(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.since).as_secs() / FAILURE_INTERVAL.as_secs();
        if passed > 0 {
            self.count = self.count.saturating_sub(u32::try_from(passed).unwrap_or(u32::MAX));
            self.since = now;
        }
        let is_within = self.count < FAILURES_MAX;
        self.count += u32::from(is_within);
        is_within
    }
}

impl Tokens {
    /// The tokens in a file.
    #[must_use]
    pub fn new(file: PathBuf) -> Self {
        Self { file, failures: Arc::new(Mutex::new(Failures { count: 0, since: Instant::now() })) }
    }

    /// Reads the file to check it, and warns if others may use it.
    ///
    /// # Errors
    /// It cannot be read, or a line is invalid.
    pub fn check(&self) -> Result<(), String> {
        self.entries()?;
        warn_of_exposed_secret(&self.file);
        Ok(())
    }

    /// Identifies the sender of an `authorization` header.
    ///
    /// # Errors
    /// The token is unknown, or the file cannot be used: then nobody is admitted.
    pub fn identify(&self, authorization: Option<&str>) -> Result<Identity, Problem> {
        let Some(header) = authorization.filter(|header| is_bearer(header)) else {
            self.entries().map_err(|why| Problem::new(Kind::Storage, why))?;
            let detail = "send a token as `authorization: Bearer TOKEN`; prism-admin token creates one";
            return Err(Problem::new(Kind::Unauthenticated, detail));
        };
        let token = header.split_once(' ').map_or("", |(_, token)| token.trim());
        self.identify_hash(&Sha256::digest(token.as_bytes()).into())
    }

    /// Identifies the owner of the token with this hash.
    ///
    /// # Errors
    /// As for [`identify`](Self::identify).
    pub fn identify_hash(&self, hash: &TokenHash) -> Result<Identity, Problem> {
        let entries = self.entries().map_err(|why| Problem::new(Kind::Storage, why))?;
        // Every entry is compared, each in constant time.
        let mut found = None;
        for (identity, known) in entries {
            if bool::from(hash.as_slice().ct_eq(&known)) {
                found = Some(identity);
            }
        }
        found.ok_or_else(|| self.unknown())
    }

    fn entries(&self) -> Result<Vec<(Identity, Vec<u8>)>, String> {
        let shown = self.file.display();
        let text = std::fs::read_to_string(&self.file)
            .map_err(|error| format!("cannot read the tokens in {shown}: {error}"))?;
        let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
        let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let entry = |(number, line): (usize, &str)| {
            entry(line).ok_or_else(|| {
                format!(
                    "{shown}:{number}: expected NAME ROLE sha256:HASH, with a role of read, data or write"
                )
            })
        };
        lines.map(entry).collect()
    }

    fn unknown(&self) -> Problem {
        if self.failures.lock().unwrap_or_else(PoisonError::into_inner).add(Instant::now()) {
            return Problem::new(Kind::Unauthenticated, "unknown token; it may have been replaced");
        }
        let detail = format!(
            "unknown token, and too many others before it: more than {FAILURES_MAX} are answered once every {} s; a known \
             token works at any time",
            FAILURE_INTERVAL.as_secs()
        );
        Problem::new(Kind::Limited, detail)
    }
}

fn entry(line: &str) -> Option<(Identity, Vec<u8>)> {
    let mut words = line.split_ascii_whitespace();
    let (name, role) = (words.next()?.to_owned(), Role::from_str(words.next()?, false).ok()?);
    let hash = words.next()?.strip_prefix("sha256:")?;
    let byte = |at: usize| u8::from_str_radix(hash.get(at..at + 2)?, 16).ok();
    let hash =
        (0..hash.len()).step_by(2).map(byte).collect::<Option<Vec<_>>>().filter(|hash| hash.len() == 32)?;
    words.next().is_none().then_some((Identity { name, role }, hash))
}

/// Creates a token, adds its hash to the file, which is created if necessary, and returns the token. It is not stored
/// anywhere.
///
/// # Errors
/// The system has no randomness, or the file cannot be written.
pub fn issue(file: &Path, name: &str, role: Role) -> io::Result<String> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
    let token = format!("prism_{}", URL_SAFE_NO_PAD.encode(random));
    let line = format!("{name} {} sha256:{:x}\n", role.word(), Sha256::digest(token.as_bytes()));
    let before = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    let newline = if before.last().is_some_and(|last| *last != b'\n') { "\n" } else { "" };
    let mut file = File::options().create(true).append(true).mode(0o600).open(file)?;
    file.write_all(format!("{newline}{line}").as_bytes())?;
    file.sync_all()?;
    Ok(token)
}

/// Checks the name of a token: 1 to 64 of letters, digits, `.`, `_` and `-`.
///
/// # Errors
/// It is something else.
pub fn token_name(text: &str) -> Result<String, String> {
    let known = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if (1..=64).contains(&text.len()) && text.chars().all(known) {
        Ok(text.to_owned())
    } else {
        Err("expected 1 to 64 letters, digits, dots, underscores and dashes".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_until_its_line_goes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tokens");
        std::fs::write(&file, "# ours").unwrap();
        let (ci, eye) = (issue(&file, "ci", Role::Write).unwrap(), issue(&file, "eye", Role::Read).unwrap());
        assert!(ci.len() > 40 && ci != eye);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(!text.contains(&ci), "only the hash is kept");

        let tokens = Tokens::new(file.clone());
        let who =
            |token: &str| tokens.identify(Some(&format!("Bearer {token}"))).map(|who| (who.name, who.role));
        assert_eq!(who(&ci).unwrap(), ("ci".to_owned(), Role::Write));
        assert_eq!(who(&eye).unwrap(), ("eye".to_owned(), Role::Read));
        for wrong in [None, Some("Bearer x"), Some(ci.as_str()), Some("Basic eDp5"), Some("")] {
            assert_eq!(tokens.identify(wrong).unwrap_err().status, 401);
        }
        let rest: Vec<_> = text.lines().filter(|line| !line.starts_with("ci ")).collect();
        std::fs::write(&file, rest.join("\n")).unwrap();
        assert_eq!(who(&ci).unwrap_err().status, 401);
        assert!(who(&eye).is_ok());
    }

    #[test]
    fn a_file_that_cannot_be_read_lets_nobody_in() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tokens");
        assert_eq!(Tokens::new(file.clone()).identify(Some("Bearer x")).unwrap_err().status, 503);
        for wrong in [
            "a write",
            "a admin sha256:00",
            "a write sha256:00",
            "a write md5:00",
            "\u{e9} write sha256:\u{e9}\u{e9}",
        ] {
            std::fs::write(&file, format!("\n{wrong}\n")).unwrap();
            let problem = Tokens::new(file.clone()).identify(Some("Bearer x")).unwrap_err();
            assert!(
                problem.status == 503 && problem.detail.contains("tokens:2: expected"),
                "{wrong}: {problem:?}"
            );
        }
    }

    #[test]
    fn unknown_tokens_are_limited_and_known_ones_never() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tokens");
        let known = issue(&file, "ci", Role::Write).unwrap();
        let tokens = Tokens::new(file);
        let status = |token: &str| tokens.identify(Some(&format!("Bearer {token}"))).map_err(|no| no.status);
        let told: Vec<_> = (0..100).filter_map(|_| status("guess").err()).collect();
        let limited = told.iter().filter(|status| **status == 429).count();
        assert!(limited > 0 && told[..20] == [401; 20], "{told:?}");
        assert!(status(&known).is_ok());
    }

    #[test]
    fn one_more_failure_is_answered_each_second() {
        let begun = Instant::now();
        let mut failures = Failures { count: 0, since: begun };
        let mut answered = |at: u64| {
            let now = begun + Duration::from_secs(at);
            (0..100).filter(|_| failures.add(now)).count()
        };
        assert_eq!([answered(0), answered(0), answered(1), answered(6), answered(3600)], [20, 0, 1, 5, 20]);
    }

    #[test]
    fn roles_grow() {
        assert!(Role::Read < Role::Data && Role::Data < Role::Write);
    }
}
