//! Which of a call's headers are forwarded to its backend, and the one that detects loops of proxies.
//!
//! `via` is HTTP's own header for that (RFC 9110, 7.6.3): when a proxy forwards a call to what may be another proxy, it
//! adds its name, a random one; a call that comes back with that name has gone in a circle. A backend whose reflection
//! lists a plugin's interfaces is not a proxy, and gets no such header, which would cost some percent of each call.

use std::sync::LazyLock;

use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue, VIA};
use prism_proto::{Error, ErrorReason};

/// What this process adds to `via`: HTTP/2, and its own name.
static OWN_VIA: LazyLock<HeaderValue> = LazyLock::new(|| {
    let name = format!("2 prism-{:016x}", fastrand::u64(..));
    HeaderValue::try_from(name).expect("hexadecimal digits are a header value")
});

/// The maximum number of proxies that a call may pass.
const HOPS_MAX: usize = 8;

/// Refuses a call that this process has already forwarded, or that has passed too many proxies.
///
/// # Errors
/// FORWARDING_LOOP.
pub(super) fn check_for_loop(headers: &HeaderMap) -> Result<(), Error> {
    if !headers.contains_key(VIA) {
        return Ok(());
    }
    let own = OWN_VIA.as_bytes();
    let hops = || headers.get_all(VIA).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    if hops().any(|hop| hop.trim_ascii() == own) {
        let why = "the call came back to this proxy: a namespace's backend leads to the proxy itself, through others";
        return Err(Error::new(ErrorReason::ForwardingLoop, why));
    }
    if hops().count() > HOPS_MAX {
        let why = format!(
            "the call passed more than {HOPS_MAX} proxies; each may be a backend of the previous one"
        );
        return Err(Error::new(ErrorReason::ForwardingLoop, why).with("limit", HOPS_MAX.to_string()));
    }
    Ok(())
}

/// The headers to forward: all except the credentials, which are meant for the proxy, and `prism-*`, which a client may
/// not set.
pub(super) fn passed_on(headers: &HeaderMap) -> HeaderMap {
    let mut passed_on = headers.clone();
    passed_on.remove(AUTHORIZATION);
    let is_ours = |name: &&HeaderName| name.as_str().starts_with("prism-");
    let ours: Vec<_> = headers.keys().filter(is_ours).cloned().collect();
    for name in ours {
        passed_on.remove(name);
    }
    passed_on
}

/// Adds this proxy to those that the call has passed.
pub(super) fn add_via(headers: &mut HeaderMap) {
    headers.append(VIA, OWN_VIA.clone());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn via(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (VIA, HeaderValue::from_str(value).unwrap())).collect()
    }

    #[test]
    fn a_call_that_comes_back_is_refused_and_other_proxies_are_not() {
        assert_eq!(check_for_loop(&HeaderMap::new()), Ok(()));
        assert_eq!(check_for_loop(&via(&["1.1 nginx, 2 prism-0123456789abcdef"])), Ok(()));
        let mut passed = passed_on(&via(&["1.1 nginx"]));
        assert_eq!(check_for_loop(&passed), Ok(()));
        add_via(&mut passed);
        assert_eq!(check_for_loop(&passed).unwrap_err().reason, ErrorReason::ForwardingLoop);
        let joined = format!("1.1 a,{} , 1.1 b", OWN_VIA.to_str().unwrap());
        assert!(check_for_loop(&via(&[&joined])).is_err());
    }

    #[test]
    fn a_call_may_come_through_a_few_proxies() {
        let hops = |count| check_for_loop(&via(&vec!["2 prism-00"; count]));
        assert_eq!(hops(HOPS_MAX), Ok(()));
        assert_eq!(hops(HOPS_MAX + 1).unwrap_err().fact("limit"), Some("8"));
    }
}
