//! The tokens of a file, line by line.

use std::path::Path;
use std::time::SystemTime;

use prism_grpc::identity::{Identity, NAME_BYTES_MAX, Source, is_name};
use prism_proto::Error;
use rustc_hash::FxHashMap;
use sha2::{Digest as _, Sha256};

use crate::accepted::Accepted;
use crate::error::{FileError, refused};

/// The SHA-256 of a token.
type TokenHash = [u8; 32];

/// The tokens of a file.
#[derive(Default)]
pub struct Tokens(FxHashMap<TokenHash, Entry>);

/// One token, without itself.
struct Entry {
    owner: Identity,
    expires: Option<SystemTime>,
}

/// One line of a file.
pub(super) struct Line<'a> {
    pub(super) name: &'a str,
    hash: TokenHash,
    pub(super) expires: Option<SystemTime>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tokens({})", self.0.len())
    }
}

impl Tokens {
    /// Reads the text of a file; `path` is for messages.
    ///
    /// # Errors
    /// A line is invalid, or two have the same token.
    pub fn parse(path: &Path, text: &str) -> Result<Self, FileError> {
        let mut tokens: FxHashMap<TokenHash, Entry> = FxHashMap::default();
        for (number, line) in lines(text) {
            let wrong = |why: String| FileError::new(path, Some(number), why);
            let Line { name, hash, expires } = Line::parse(line).map_err(wrong)?;
            // Names are checked with the line.
            let Some(owner) = Identity::new(Source::Token, name) else { continue };
            if let Some(first) = tokens.insert(hash, Entry { owner, expires }) {
                let why = format!(
                    "the token is there already, as one of {}; expected each once",
                    first.owner.name()
                );
                return Err(wrong(why));
            }
        }
        Ok(Self(tokens))
    }

    /// The owner of a token; `None` if it is unknown. The time that this takes depends on the token's hash only, from
    /// which nobody learns a token.
    ///
    /// # Errors
    /// The token has expired.
    pub(crate) fn owner(&self, token: &str, now: SystemTime) -> Result<Option<Accepted>, Error> {
        let hash: TokenHash = Sha256::digest(token.as_bytes()).into();
        let Some(Entry { owner, expires }) = self.0.get(&hash) else { return Ok(None) };
        if expires.is_some_and(|expires| expires <= now) {
            return Err(refused("the token has expired; ask for another"));
        }
        Ok(Some(Accepted { identity: owner.clone(), expires: *expires }))
    }
}

/// The lines with a token, with their numbers from 1.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

impl<'a> Line<'a> {
    /// Reads one line; the error has nothing of its hash.
    pub(super) fn parse(line: &'a str) -> Result<Self, String> {
        const EXPECTED: &str = "expected NAME sha256:HASH [expires=TIME]";
        let mut words = line.split_ascii_whitespace();
        let (Some(name), Some(hash), expires, None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(EXPECTED.to_owned());
        };
        if !is_name(name) {
            return Err(format!(
                "the name is not valid; expected 1 to {NAME_BYTES_MAX} visible ASCII characters"
            ));
        }
        let digits = hash.strip_prefix("sha256:");
        let hash = digits.and_then(from_hex).ok_or_else(|| {
            format!("the hash of {name} is not valid; expected sha256: and 64 hexadecimal digits")
        })?;
        let expires = expires.map(|word| {
            let time = word.strip_prefix("expires=").and_then(time);
            time.ok_or_else(|| {
                format!("the expiry of {name} is not valid; expected expires=2027-01-31 or expires=2027-01-31T12:00:00Z")
            })
        });
        Ok(Self { name, hash, expires: expires.transpose()? })
    }
}

/// A day, which means its first moment, or a moment, in UTC.
fn time(text: &str) -> Option<SystemTime> {
    let day = |text: &str| humantime::parse_rfc3339(&format!("{text}T00:00:00Z"));
    humantime::parse_rfc3339(text).or_else(|_| day(text)).ok()
}

fn from_hex(digits: &str) -> Option<TokenHash> {
    let mut hash = TokenHash::default();
    if digits.len() != 2 * hash.len() || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (index, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn line(name: &str, token: &str, rest: &str) -> String {
        format!("{name} sha256:{:x} {rest}\n", Sha256::digest(token))
    }

    fn parsed(text: &str) -> Result<Tokens, String> {
        Tokens::parse(Path::new("tokens"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn each_token_of_a_name_is_known_until_it_expires() {
        let text = format!(
            "# tokens\n\n{}{}{}",
            line("orders", "one", ""),
            line("orders", "two", "expires=2030-01-01"),
            line("report", "three", "expires=2030-01-01T00:00:00Z")
        );
        let tokens = parsed(&text).unwrap();
        let expiry = humantime::parse_rfc3339("2030-01-01T00:00:00Z").unwrap();
        let before = expiry - Duration::from_secs(1);
        let owner = |token, now| {
            tokens.owner(token, now).map(|owner| owner.map(|accepted| accepted.identity.to_string()))
        };
        for (token, name) in [("one", "orders"), ("two", "orders"), ("three", "report")] {
            assert_eq!(owner(token, before).unwrap(), Some(format!("token:{name}")));
        }
        assert!(owner("one", expiry).is_ok());
        for expired in ["two", "three"] {
            assert!(owner(expired, expiry).unwrap_err().message.contains("expired"));
        }
        for unknown in ["", "four", "onE"] {
            assert_eq!(owner(unknown, before), Ok(None));
        }
    }

    #[test]
    fn a_wrong_line_is_told_with_its_number_and_without_its_hash() {
        let hash = format!("{:x}", Sha256::digest("one"));
        for (wrong, expected) in [
            ("orders", "expected NAME sha256:HASH"),
            (&format!("orders {hash}"), "expected sha256: and 64 hexadecimal digits"),
            (&format!("orders sha256:{}", &hash[1..]), "expected sha256: and 64"),
            (&format!("orders sha256:+{}", &hash[1..]), "expected sha256: and 64"),
            (&format!("orders sha256:{hash} expires=tomorrow"), "the expiry of orders is not valid"),
            (&format!("orders sha256:{hash} 2030-01-01"), "the expiry of orders is not valid"),
            (&format!("orders sha256:{hash} expires=2030-01-01 x"), "expected NAME sha256:HASH"),
            (&format!("{} sha256:{hash}", "a".repeat(257)), "1 to 256 visible ASCII"),
            (&format!("ä sha256:{hash}"), "1 to 256 visible ASCII"),
            (&format!("report sha256:{hash}\norders sha256:{hash}"), "tokens:3: the token is there already"),
        ] {
            let error = parsed(&format!("# one\n{wrong}\n")).unwrap_err();
            assert!(error.starts_with("tokens:") && error.contains(expected), "{wrong}: {error}");
            assert!(!error.contains(&hash[1..]), "{error}");
        }
    }

    #[test]
    fn a_file_without_tokens_admits_nobody() {
        assert!(parsed("").unwrap().0.is_empty());
    }
}
