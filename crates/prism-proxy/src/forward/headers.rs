//! Which of a call's headers go on to its backend.

use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderName};

/// The headers that go on: all but the credentials, which are the proxy's, and `prism-*`, which a client may not
/// claim.
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
