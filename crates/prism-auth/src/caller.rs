//! The caller that a proxy names to a plugin, in the header `prism-caller`: `SOURCE:NAME`. Only a proxy sets it: it drops
//! what clients send.

use http::{HeaderMap, HeaderName, HeaderValue};
use prism_grpc::identity::{Identity, Source};
use prism_proto::{Error, ErrorReason};

/// The header.
pub const PRISM_CALLER: HeaderName = HeaderName::from_static("prism-caller");

/// Names the caller.
pub fn write(headers: &mut HeaderMap, caller: &Identity) {
    // A name is visible ASCII, which every header may have.
    if let Ok(value) = HeaderValue::try_from(caller.to_string()) {
        headers.insert(PRISM_CALLER, value);
    }
}

/// The caller that a trusted proxy names; `None` if it names none.
///
/// # Errors
/// MALFORMED_REQUEST: there are several, or it is not one.
pub fn read(headers: &HeaderMap) -> Result<Option<Identity>, Error> {
    let mut values = headers.get_all(PRISM_CALLER).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().ok().filter(|_| values.next().is_none());
    let identity = text.and_then(|text| {
        let (source, name) = text.split_once(':')?;
        let source = Source::ALL.into_iter().find(|known| known.as_str() == source)?;
        Identity::new(source, name)
    });
    let wrong = || {
        Error::new(
            ErrorReason::MalformedRequest,
            "prism-caller is not a caller; expected one SOURCE:NAME, as a proxy sends it",
        )
    };
    identity.map(Some).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_arrives_as_it_was_sent() {
        let mut headers = HeaderMap::new();
        assert_eq!(read(&headers), Ok(None));
        let caller = Identity::new(Source::Certificate, "spiffe://corp/report").unwrap();
        write(&mut headers, &caller);
        assert_eq!(read(&headers), Ok(Some(caller)));
        headers.append(PRISM_CALLER, HeaderValue::from_static("token:a"));
        assert!(read(&headers).is_err());
        for wrong in ["", "orders", "ldap:orders", "token:", "token:a b"] {
            let headers = HeaderMap::from_iter([(PRISM_CALLER, HeaderValue::from_static(wrong))]);
            assert_eq!(read(&headers).unwrap_err().reason, ErrorReason::MalformedRequest, "{wrong}");
        }
    }
}
