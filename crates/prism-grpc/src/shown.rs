//! The credential that a connection has shown and that was accepted: its next call, which nearly always shows the same, is not
//! verified anew.

use std::fmt;
use std::sync::Mutex;
use std::time::SystemTime;

use http::HeaderValue;

use crate::identity::Identity;

/// The longest credential that is remembered: many connections remember one each.
const REMEMBERED_BYTES_MAX: usize = 2 << 10;

/// The last credential that was accepted on a connection. Nothing shows it.
#[derive(Default)]
pub struct Shown(Mutex<Option<Accepted>>);

struct Accepted {
    credential: Box<[u8]>,
    /// Of what accepted it.
    version: u64,
    expires: Option<SystemTime>,
    identity: Identity,
}

impl Shown {
    /// Whose credential this is, if it is the one that was remembered, has not expired, and would be judged as then.
    #[must_use]
    pub fn recall(&self, credential: &HeaderValue, version: u64) -> Option<Identity> {
        // Calls of a connection are judged one after the other.
        let accepted = self.0.try_lock().ok()?;
        let accepted = accepted.as_ref().filter(|accepted| accepted.version == version)?;
        let is_live = || accepted.expires.is_none_or(|expires| SystemTime::now() < expires);
        (is_same(&accepted.credential, credential.as_bytes()) && is_live()).then(|| accepted.identity.clone())
    }

    /// Remembers a credential that was accepted by what had this version before it judged.
    pub fn remember(
        &self,
        credential: &HeaderValue,
        version: u64,
        identity: &Identity,
        expires: Option<SystemTime>,
    ) {
        if credential.len() <= REMEMBERED_BYTES_MAX
            && let Ok(mut accepted) = self.0.try_lock()
        {
            let (credential, identity) = (credential.as_bytes().into(), identity.clone());
            *accepted = Some(Accepted { credential, version, expires, identity });
        }
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shown")
    }
}

/// Whether two credentials are the same. How long that takes depends on their lengths alone: a gateway may show credentials of
/// several callers on one connection.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |all, (one, other)| all | (one ^ other)) == 0
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::identity::Source;

    #[test]
    fn only_the_same_credential_is_recalled_while_it_and_the_version_last() {
        let (shown, orders) = (Shown::default(), Identity::new(Source::Token, "orders").unwrap());
        let credential = HeaderValue::from_static("Bearer abc");
        assert_eq!(shown.recall(&credential, 1), None);
        shown.remember(&credential, 1, &orders, None);
        assert_eq!(shown.recall(&credential, 1), Some(orders.clone()));
        for other in ["Bearer abd", "Bearer ab", "Bearer abcd", "", "xearer abc"] {
            assert_eq!(shown.recall(&HeaderValue::from_static(other), 1), None, "{other}");
        }
        assert_eq!(shown.recall(&credential, 2), None);
        let now = SystemTime::now();
        shown.remember(&credential, 1, &orders, Some(now + Duration::from_secs(3600)));
        assert!(shown.recall(&credential, 1).is_some());
        shown.remember(&credential, 1, &orders, Some(now));
        assert_eq!(shown.recall(&credential, 1), None);
        let long = HeaderValue::try_from("a".repeat(REMEMBERED_BYTES_MAX + 1)).unwrap();
        shown.remember(&long, 1, &orders, None);
        assert_eq!(shown.recall(&long, 1), None);
        assert_eq!(format!("{shown:?}"), "Shown");
    }
}
