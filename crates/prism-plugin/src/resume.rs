//! Resume tokens: a backend's own position, wrapped so that no other scan accepts it.
//!
//! ```text
//! | version | flags   | epoch   | check   | length of end | end … | position …
//! | 1 byte  | 1 byte  | 8 bytes | 8 bytes | 2 bytes       |       | as the backend wrote it
//! ```
//!
//! The flags say whether there is an epoch (1) and an end (2): the key in front of which the scan ends, which a request with a
//! token does not repeat. Without an end, its length is left out, too.
//!
//! The check is the beginning of a SHA-256 of everything else and of what the token belongs to: the kind of backend, the
//! method, the namespace, the prefix and the direction. So a token that was damaged, or comes from another scan, namespace or kind of
//! backend, is refused as RESUME_INVALID. It is no secret: whoever forges a token can only choose where to continue in a
//! namespace that they may scan anyway.
//!
//! No state is kept for tokens, so two stores of the same kind are told apart by their epoch alone: a token of one that
//! was replaced, and a token of another one, both end with SCAN_INTERRUPTED. A backend without an epoch has to recognize
//! its own data by the position, or by [`identity`](crate::KeyValue::identity).

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use prism_proto::limits::RESUME_BYTES_MAX;
use sha2::{Digest as _, Sha256};

use crate::error::{Error, ErrorReason};
use crate::types::Key;
use crate::validate::resume_invalid;

/// Changes when the layout does, so that a token that an older version wrote is refused instead of misread.
const VERSION: u8 = 1;

/// Enough that a damaged token passes once in 2^64.
const CHECK_BYTES: usize = 8;

/// The bytes before the position.
const HEAD_BYTES: usize = 1 + 1 + 8 + CHECK_BYTES;

/// The flags.
const HAS_EPOCH: u8 = 1;
const HAS_END: u8 = 2;

/// Where a scan continues, and the key in front of which it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) position: Bytes,
    pub(crate) end: Option<Key>,
}

/// What the tokens of one scan belong to.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    /// The hash of everything that is the same in all tokens of the scan.
    hash: Sha256,
    epoch: Option<u64>,
}

impl Scope {
    /// `epoch` was read before the scan began.
    pub(crate) fn new(
        identity: &str,
        method: &str,
        namespace: &str,
        prefix: &str,
        reverse: bool,
        epoch: Option<u64>,
    ) -> Self {
        let mut hash = Sha256::new();
        let parts = [identity, method, namespace, prefix];
        for part in parts.into_iter().chain(reverse.then_some("reverse")) {
            // With its length, so that no two lists of parts look alike.
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Self { hash, epoch }
    }

    /// The token for a position; `None` if it would be too long.
    pub(crate) fn token(&self, position: &[u8], end: Option<&Key>) -> Option<Bytes> {
        let mut body = BytesMut::new();
        if let Some(end) = end {
            body.put_u16(u16::try_from(end.len()).ok()?);
            body.put_slice(end.as_bytes());
        }
        body.put_slice(position);
        if HEAD_BYTES + body.len() > RESUME_BYTES_MAX {
            return None;
        }
        let flags =
            if self.epoch.is_some() { HAS_EPOCH } else { 0 } | if end.is_some() { HAS_END } else { 0 };
        let mut token = BytesMut::with_capacity(HEAD_BYTES + body.len());
        token.put_u8(VERSION);
        token.put_u8(flags);
        token.put_u64(self.epoch.unwrap_or_default());
        token.put_slice(&self.check(flags, self.epoch, &body));
        token.put_slice(&body);
        Some(token.freeze())
    }

    /// The place that a token stands for.
    ///
    /// # Errors
    /// RESUME_INVALID if it is not a token of this scan; SCAN_INTERRUPTED if the data is no longer what it was.
    pub(crate) fn place(&self, token: &Bytes) -> Result<Place, Error> {
        if token.len() > RESUME_BYTES_MAX {
            let found = format!("is {} bytes long, and a token has at most {RESUME_BYTES_MAX}", token.len());
            return Err(resume_invalid(&found)
                .with("limit", RESUME_BYTES_MAX.to_string())
                .with("size", token.len().to_string()));
        }
        let no_token = || resume_invalid("is not a resume token, or one from another version of the backend");
        let Parts { flags, epoch, check, body } = parse(token).ok_or_else(no_token)?;
        if check != self.check(flags, epoch, body) {
            return Err(resume_invalid(
                "is damaged, or a token of another method, namespace, prefix, direction or backend",
            ));
        }
        if epoch != self.epoch {
            return Err(Error::new(
                ErrorReason::ScanInterrupted,
                "the scan cannot be continued: since the token was issued, the backend has lost its data, or the namespace \
                 has moved to another backend; start the scan over",
            ));
        }
        place(flags, body).ok_or_else(no_token)
    }

    fn check(&self, flags: u8, epoch: Option<u64>, body: &[u8]) -> [u8; CHECK_BYTES] {
        let mut hash = self.hash.clone();
        hash.update([flags]);
        hash.update(epoch.unwrap_or_default().to_be_bytes());
        hash.update(body);
        let mut check = [0; CHECK_BYTES];
        check.copy_from_slice(&hash.finalize()[..CHECK_BYTES]);
        check
    }
}

struct Parts<'a> {
    flags: u8,
    epoch: Option<u64>,
    check: [u8; CHECK_BYTES],
    body: &'a [u8],
}

/// `None` if it is not a token.
fn parse(mut token: &[u8]) -> Option<Parts<'_>> {
    if token.try_get_u8().ok()? != VERSION {
        return None;
    }
    let flags = token.try_get_u8().ok().filter(|flags| *flags <= HAS_EPOCH | HAS_END)?;
    let epoch = token.try_get_u64().ok()?;
    let (check, body) = token.split_first_chunk()?;
    Some(Parts { flags, epoch: (flags & HAS_EPOCH != 0).then_some(epoch), check: *check, body })
}

/// The position is copied, because a slice would keep the whole request in memory as long as the scan.
fn place(flags: u8, mut body: &[u8]) -> Option<Place> {
    let mut end = None;
    if flags & HAS_END != 0 {
        let len = usize::from(body.try_get_u16().ok()?);
        let (key, rest) = body.split_at_checked(len)?;
        end = Some(Key::stored(String::from_utf8(key.to_vec()).ok()?));
        body = rest;
    }
    Some(Place { position: Bytes::copy_from_slice(body), end })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(epoch: Option<u64>) -> Scope {
        Scope::new("store", "Scan", "default", "a", false, epoch)
    }

    fn refusal(scope: &Scope, token: &Bytes) -> ErrorReason {
        scope.place(token).unwrap_err().reason
    }

    #[test]
    fn a_position_survives_its_token() {
        for epoch in [None, Some(0), Some(u64::MAX)] {
            for position in [&b""[..], b"key", &[0xFF; RESUME_BYTES_MAX - HEAD_BYTES][..]] {
                let token = scope(epoch).token(position, None).unwrap();
                assert_eq!(
                    scope(epoch).place(&token).unwrap(),
                    Place { position: Bytes::copy_from_slice(position), end: None }
                );
            }
        }
        assert_eq!(scope(None).token(&[0; RESUME_BYTES_MAX - HEAD_BYTES + 1], None), None);
    }

    #[test]
    fn an_end_survives_its_token() {
        let end = Some(Key::stored("z\u{e9}".to_owned()));
        for position in [&b""[..], b"key"] {
            let token = scope(Some(1)).token(position, end.as_ref()).unwrap();
            let place = Place { position: Bytes::copy_from_slice(position), end: end.clone() };
            assert_eq!(scope(Some(1)).place(&token).unwrap(), place);
        }
        let longest = Key::stored("k".repeat(4096));
        assert_eq!(
            scope(None).token(longest.as_bytes(), Some(&longest)),
            None,
            "two of the longest keys are too long"
        );
    }

    /// Tokens are kept outside the process, so the next version has to understand them or refuse them.
    #[test]
    fn the_layout_is_pinned() {
        let token = scope(Some(2)).token(b"key", None).unwrap();
        assert_eq!(token, &b"\x01\x01\0\0\0\0\0\0\0\x02\xA1\x24\xA2\xA7\x65\x53\x91\x2Dkey"[..]);
    }

    #[test]
    fn a_token_of_another_scan_is_refused() {
        let token = scope(Some(1)).token(b"key", None).unwrap();
        for other in [
            Scope::new("other", "Scan", "default", "a", false, Some(1)),
            Scope::new("store", "ScanKeys", "default", "a", false, Some(1)),
            Scope::new("store", "Scan", "other", "a", false, Some(1)),
            Scope::new("store", "Scan", "default", "", false, Some(1)),
            Scope::new("store", "Scan", "defaul", "ta", false, Some(1)),
            Scope::new("store", "Scan", "default", "a", true, Some(1)),
        ] {
            assert_eq!(refusal(&other, &token), ErrorReason::ResumeInvalid);
        }
    }

    #[test]
    fn a_token_of_another_epoch_interrupts_the_scan() {
        for (issued, now) in [(Some(1), Some(2)), (Some(1), None), (None, Some(1)), (None, Some(0))] {
            let token = scope(issued).token(b"key", None).unwrap();
            assert_eq!(refusal(&scope(now), &token), ErrorReason::ScanInterrupted);
        }
    }

    #[test]
    fn each_damaged_byte_is_noticed() {
        let token = scope(Some(1)).token(b"key", None).unwrap();
        for at in 0..token.len() {
            let mut damaged = token.to_vec();
            damaged[at] ^= 1;
            assert_eq!(refusal(&scope(Some(1)), &damaged.into()), ErrorReason::ResumeInvalid, "{at}");
            assert_eq!(refusal(&scope(Some(1)), &token.slice(..at)), ErrorReason::ResumeInvalid, "{at}");
        }
        let long = Bytes::from(vec![VERSION; RESUME_BYTES_MAX + 1]);
        let error = scope(None).place(&long).unwrap_err();
        assert_eq!(
            (error.fact("field"), error.fact("limit"), error.fact("size")),
            (Some("resume"), Some("8192"), Some("8193"))
        );
    }
}
