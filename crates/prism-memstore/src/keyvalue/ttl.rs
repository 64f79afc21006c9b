//! Times to live.

use std::time::Duration;

use prism_plugin::keyvalue::KeyValueTtl;
use prism_plugin::types::{Key, Namespace, Ttl};
use prism_plugin::{Context, Error};

use super::change::Change;
use crate::clock::Time;
use crate::entry::Entry;
use crate::store::MemStore;

impl KeyValueTtl for MemStore {
    async fn ttl_left(
        &self,
        _: &Context,
        namespace: Namespace,
        key: Key,
    ) -> Result<Option<Option<Duration>>, Error> {
        let now = self.shared.clock.now();
        let read = |entry: &Entry| entry.is_live(now).then(|| entry.left(now));
        Ok(self.shared.keys.read(&namespace, |keys| keys.read(&key, read)).flatten().flatten())
    }

    async fn expire(
        &self,
        context: &Context,
        namespace: Namespace,
        key: Key,
        ttl: Ttl,
    ) -> Result<bool, Error> {
        let deadline = self.shared.clock.now().plus(ttl.as_duration());
        let decide = |live: Option<&Entry>| {
            let entry = live.map(|live| Entry::new(&key, live.value(), deadline));
            Ok((entry.map_or(Change::Keep, Change::Put), live.is_some()))
        };
        self.change(context, &namespace, &key, decide).await
    }

    async fn persist(
        &self,
        context: &Context,
        namespace: Namespace,
        key: Key,
    ) -> Result<Option<bool>, Error> {
        let decide = |live: Option<&Entry>| {
            let expiring = live.filter(|live| live.expires());
            let entry = expiring.map(|live| Entry::new(&key, live.value(), Time::NEVER));
            Ok((entry.map_or(Change::Keep, Change::Put), live.map(Entry::expires)))
        };
        self.change(context, &namespace, &key, decide).await
    }
}
