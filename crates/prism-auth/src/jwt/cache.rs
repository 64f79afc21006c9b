//! Tokens that were accepted before: verifying a signature takes 50 to 100 µs, finding one here less than 1 µs.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::RwLock;
use std::time::SystemTime;

use prism_grpc::identity::Identity;
use rustc_hash::FxHashMap;

/// The most tokens that are remembered; with the longest credentials these are 32 MiB.
const ENTRIES_MAX: usize = 4096;

/// See the module. A token is found by a keyed hash of 64 bits and then compared whole: how long that takes says nothing
/// to those who do not know the key.
#[derive(Default)]
pub(super) struct Cache {
    hasher: RandomState,
    entries: RwLock<FxHashMap<u64, Entry>>,
}

struct Entry {
    token: Box<str>,
    identity: Identity,
    expires: SystemTime,
}

impl Cache {
    /// The caller that an accepted token names, and when the token expires, which is later.
    pub(super) fn get(&self, token: &str, now: SystemTime) -> Option<(Identity, SystemTime)> {
        let entries = self.entries.read().ok()?;
        let entry = entries.get(&self.hasher.hash_one(token))?;
        (*entry.token == *token && now < entry.expires).then(|| (entry.identity.clone(), entry.expires))
    }

    pub(super) fn insert(&self, token: &str, identity: &Identity, expires: SystemTime, now: SystemTime) {
        let Ok(mut entries) = self.entries.write() else { return };
        if entries.len() >= ENTRIES_MAX {
            entries.retain(|_, entry| now < entry.expires);
        }
        // As many as this are more than a proxy has callers: it starts anew, and each is verified once more.
        if entries.len() >= ENTRIES_MAX {
            entries.clear();
        }
        let entry = Entry { token: token.into(), identity: identity.clone(), expires };
        entries.insert(self.hasher.hash_one(token), entry);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use prism_grpc::identity::Source;

    use super::*;

    #[test]
    fn a_token_is_known_until_it_expires_and_there_is_a_limit() {
        let (cache, now) = (Cache::default(), SystemTime::now());
        let identity = Identity::new(Source::Jwt, "orders").unwrap();
        let later = now + Duration::from_secs(1);
        cache.insert("a.b.c", &identity, later, now);
        assert_eq!(cache.get("a.b.c", now), Some((identity.clone(), later)));
        assert_eq!((cache.get("a.b.d", now), cache.get("a.b.c", later)), (None, None));
        for number in 0..2 * ENTRIES_MAX {
            cache.insert(&format!("{number}"), &identity, later, now);
            assert!(cache.entries.read().unwrap().len() <= ENTRIES_MAX);
        }
    }
}
