//! What must hold for a write of a value: `If-Match` and `If-None-Match` as a condition that the backend compares in the
//! step of the write. The ETag of a value is the SHA-256 of its bytes.

use bytes::Bytes;
use prism_client::Condition;

use crate::api::request::{Terms, strong};
use crate::error::{Kind, Problem};
use crate::file::snapshot::sha256;

/// The digits of a SHA-256.
const DIGITS: usize = 64;

/// The ETag of a value.
pub(super) fn tag(value: &[u8]) -> String {
    format!("\"{}\"", sha256(value))
}

/// The condition of a request; `None`: it has none.
pub(super) fn of(terms: &Terms) -> Result<Option<Condition>, Problem> {
    match (terms.if_match(), terms.if_none_match().map(str::trim)) {
        (None, None) => Ok(None),
        (Some(tag), None) => matching(tag.trim()).map(Some),
        (None, Some("*")) => Ok(Some(Condition::Absent)),
        _ => Err(malformed("if-none-match: expected *, and no if-match beside it")),
    }
}

fn matching(tag: &str) -> Result<Condition, Problem> {
    if tag == "*" {
        return Ok(Condition::Present);
    }
    let digits = strong(tag).strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let digest = digits
        .and_then(digest)
        .ok_or_else(|| malformed("if-match: expected * or the one ETag of a value"))?;
    Ok(Condition::EqualsSha256(digest))
}

fn digest(digits: &str) -> Option<Bytes> {
    if digits.len() != DIGITS || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    digits
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

/// The problem of a condition that did not hold.
pub(super) fn failed() -> Problem {
    let detail = "the key has another value than the one that the condition names, or none, and nothing was changed; read it \
                  again before you decide";
    Problem::new(Kind::PreconditionFailed, detail)
}

fn malformed(detail: &str) -> Problem {
    Problem::new(Kind::Malformed, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_etag_of_a_value_names_its_digest() {
        let Ok(Condition::EqualsSha256(digest)) = matching(&tag(b"v")) else { panic!("it names a digest") };
        assert_eq!((digest.len(), digest[0], digest[31]), (32, 0x4c, 0x80));
        let weak = format!("W/{}", tag(b"v"));
        assert_eq!(matching(&weak).unwrap(), Condition::EqualsSha256(digest));
        assert_eq!(matching("*").unwrap(), Condition::Present);
        let two = format!("{}, {}", tag(b"v"), tag(b"w"));
        for wrong in [
            "",
            "\"\"",
            "v",
            "\"+c\"",
            &two,
            &tag(b"v")[1..],
            &format!("\"{}\"", "+c".repeat(32)),
            &"é".repeat(32),
        ] {
            assert!(matching(wrong).is_err(), "{wrong}");
        }
    }
}
