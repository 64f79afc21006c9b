//! The bearer credential of a call (RFC 6750).

use http::HeaderMap;
use http::header::AUTHORIZATION;
use prism_proto::Error;

use crate::error::refused;

/// The longest credential: more than any token of an issuer that clients send with each call.
const CREDENTIAL_BYTES_MAX: usize = 8 << 10;

/// The credential that a call presents; `None` without one. Other schemes than Bearer are meant for somebody else.
///
/// # Errors
/// There are two, it is empty or too long, or it has characters that no token has.
pub(crate) fn credential(headers: &HeaderMap) -> Result<Option<&str>, Error> {
    let mut found = None;
    for value in headers.get_all(AUTHORIZATION) {
        let value = value.as_bytes();
        let scheme = value.split(|byte| *byte == b' ').next().unwrap_or_default();
        if !scheme.eq_ignore_ascii_case(b"bearer") {
            continue;
        }
        let token = value.get(scheme.len()..).unwrap_or_default().trim_ascii();
        if token.len() > CREDENTIAL_BYTES_MAX {
            return Err(refused("the credential is longer than 8192 bytes, the limit"));
        }
        let token = std::str::from_utf8(token)
            .ok()
            .filter(|token| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()));
        let token =
            token.ok_or_else(|| refused("the credential is empty, or has characters that no token has"))?;
        if found.replace(token).is_some() {
            return Err(refused("the call has several credentials; send one"));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(values: &[&[u8]]) -> Result<Option<String>, String> {
        let value = |value: &&[u8]| (AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        let headers: HeaderMap = values.iter().map(value).collect();
        credential(&headers).map(|token| token.map(str::to_owned)).map_err(|error| error.to_string())
    }

    #[test]
    fn one_bearer_credential_is_read() {
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[b"Basic dXNlcjpwYXNz"]), Ok(None));
        for value in ["Bearer abc", "bearer abc", "BEARER  abc "] {
            assert_eq!(read(&[b"Basic x", value.as_bytes()]), Ok(Some("abc".to_owned())), "{value}");
        }
        let long = |len| format!("Bearer {}", "a".repeat(len));
        assert!(read(&[long(CREDENTIAL_BYTES_MAX).as_bytes()]).is_ok());
        assert!(read(&[long(CREDENTIAL_BYTES_MAX + 1).as_bytes()]).unwrap_err().contains("8192"));
        for wrong in [&b"Bearer"[..], b"Bearer ", b"Bearer a b", b"Bearer \xff"] {
            assert!(read(&[wrong]).unwrap_err().contains("no token has"), "{wrong:?}");
        }
        assert!(read(&[b"Bearer a", b"Bearer a"]).unwrap_err().contains("several"));
    }
}
