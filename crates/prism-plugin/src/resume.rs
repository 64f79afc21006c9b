//! Resume tokens: a backend's own position, wrapped so that no other scan accepts it.
//!
//! ```text
//! | version | has epoch | epoch   | check   | position …
//! | 1 byte  | 1 byte    | 8 bytes | 8 bytes | as the backend wrote it
//! ```
//!
//! The check is the beginning of a SHA-256 of everything else and of what the token belongs to: the kind of backend, the
//! method, the namespace and the prefix. So a token that was damaged, or comes from another scan, namespace or kind of
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
use crate::validate::resume_invalid;

/// Changes when the layout does, so that a token that an older version wrote is refused instead of misread.
const VERSION: u8 = 1;

/// Enough that a damaged token passes once in 2^64.
const CHECK_BYTES: usize = 8;

/// The bytes before the position.
const HEAD_BYTES: usize = 1 + 1 + 8 + CHECK_BYTES;

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
        epoch: Option<u64>,
    ) -> Self {
        let mut hash = Sha256::new();
        for part in [identity, method, namespace, prefix] {
            // With its length, so that no two lists of parts look alike.
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Self { hash, epoch }
    }

    /// The token for a position; `None` if the position is too long for one.
    pub(crate) fn token(&self, position: &[u8]) -> Option<Bytes> {
        if HEAD_BYTES + position.len() > RESUME_BYTES_MAX {
            return None;
        }
        let mut token = BytesMut::with_capacity(HEAD_BYTES + position.len());
        token.put_u8(VERSION);
        token.put_u8(self.epoch.is_some().into());
        token.put_u64(self.epoch.unwrap_or_default());
        token.put_slice(&self.check(self.epoch, position));
        token.put_slice(position);
        Some(token.freeze())
    }

    /// The position in a token.
    ///
    /// # Errors
    /// RESUME_INVALID if it is not a token of this scan; SCAN_INTERRUPTED if the data is no longer what it was.
    pub(crate) fn position(&self, token: &Bytes) -> Result<Bytes, Error> {
        if token.len() > RESUME_BYTES_MAX {
            let found = format!("is {} bytes long, and a token has at most {RESUME_BYTES_MAX}", token.len());
            return Err(resume_invalid(&found)
                .with("limit", RESUME_BYTES_MAX.to_string())
                .with("size", token.len().to_string()));
        }
        let (epoch, check, position) = parse(token).ok_or_else(|| {
            resume_invalid("is not a resume token, or one from another version of the backend")
        })?;
        if check != self.check(epoch, &position) {
            return Err(resume_invalid(
                "is damaged, or a token of another method, namespace, prefix or backend",
            ));
        }
        if epoch != self.epoch {
            return Err(Error::new(
                ErrorReason::ScanInterrupted,
                "the scan cannot be continued: since the token was issued, the backend has lost its data, or the namespace \
                 has moved to another backend; start the scan over",
            ));
        }
        Ok(position)
    }

    fn check(&self, epoch: Option<u64>, position: &[u8]) -> [u8; CHECK_BYTES] {
        let mut hash = self.hash.clone();
        hash.update([u8::from(epoch.is_some())]);
        hash.update(epoch.unwrap_or_default().to_be_bytes());
        hash.update(position);
        let mut check = [0; CHECK_BYTES];
        check.copy_from_slice(&hash.finalize()[..CHECK_BYTES]);
        check
    }
}

/// Epoch, check and position; `None` if it is not a token. The position is copied, because a slice would keep the whole
/// request in memory as long as the scan.
fn parse(mut token: &[u8]) -> Option<(Option<u64>, [u8; CHECK_BYTES], Bytes)> {
    if token.try_get_u8().ok()? != VERSION {
        return None;
    }
    let has_epoch = match token.try_get_u8().ok()? {
        0 => false,
        1 => true,
        _ => return None,
    };
    let epoch = token.try_get_u64().ok()?;
    let (check, position) = token.split_first_chunk()?;
    Some((has_epoch.then_some(epoch), *check, Bytes::copy_from_slice(position)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(epoch: Option<u64>) -> Scope {
        Scope::new("store", "Scan", "default", "a", epoch)
    }

    fn refusal(scope: &Scope, token: &Bytes) -> ErrorReason {
        scope.position(token).unwrap_err().reason
    }

    #[test]
    fn a_position_survives_its_token() {
        for epoch in [None, Some(0), Some(u64::MAX)] {
            for position in [&b""[..], b"key", &[0xFF; RESUME_BYTES_MAX - HEAD_BYTES]] {
                let token = scope(epoch).token(position).unwrap();
                assert_eq!(scope(epoch).position(&token).unwrap(), position);
            }
        }
        assert_eq!(scope(None).token(&[0; RESUME_BYTES_MAX - HEAD_BYTES + 1]), None);
    }

    /// Tokens are kept outside the process, so the next version has to understand them or refuse them.
    #[test]
    fn the_layout_is_pinned() {
        let token = scope(Some(2)).token(b"key").unwrap();
        assert_eq!(token, &b"\x01\x01\0\0\0\0\0\0\0\x02\xA1\x24\xA2\xA7\x65\x53\x91\x2Dkey"[..]);
    }

    #[test]
    fn a_token_of_another_scan_is_refused() {
        let token = scope(Some(1)).token(b"key").unwrap();
        for other in [
            Scope::new("other", "Scan", "default", "a", Some(1)),
            Scope::new("store", "ScanKeys", "default", "a", Some(1)),
            Scope::new("store", "Scan", "other", "a", Some(1)),
            Scope::new("store", "Scan", "default", "", Some(1)),
            Scope::new("store", "Scan", "defaul", "ta", Some(1)),
        ] {
            assert_eq!(refusal(&other, &token), ErrorReason::ResumeInvalid);
        }
    }

    #[test]
    fn a_token_of_another_epoch_interrupts_the_scan() {
        for (issued, now) in [(Some(1), Some(2)), (Some(1), None), (None, Some(1)), (None, Some(0))] {
            let token = scope(issued).token(b"key").unwrap();
            assert_eq!(refusal(&scope(now), &token), ErrorReason::ScanInterrupted);
        }
    }

    #[test]
    fn each_damaged_byte_is_noticed() {
        let token = scope(Some(1)).token(b"key").unwrap();
        for at in 0..token.len() {
            let mut damaged = token.to_vec();
            damaged[at] ^= 1;
            assert_eq!(refusal(&scope(Some(1)), &damaged.into()), ErrorReason::ResumeInvalid, "{at}");
            assert_eq!(refusal(&scope(Some(1)), &token.slice(..at)), ErrorReason::ResumeInvalid, "{at}");
        }
        let long = Bytes::from(vec![VERSION; RESUME_BYTES_MAX + 1]);
        let error = scope(None).position(&long).unwrap_err();
        assert_eq!(
            (error.fact("field"), error.fact("limit"), error.fact("size")),
            (Some("resume"), Some("8192"), Some("8193"))
        );
    }
}
