//! What the reference serves besides plain values: times to live, conditions, counters, batches.

use std::time::{Duration, Instant};

use bytes::Bytes;
use prism_plugin::keyvalue::{
    Condition, Conditional, KeyValue, KeyValueBatch, KeyValueCas, KeyValueCounter, KeyValueTtl, ValueAndTtl,
    incremented,
};
use prism_plugin::types::{Key, Namespace, Ttl};
use prism_plugin::{Context, Error};

use super::{Entry, Memory, Place, Store};

impl Store {
    fn live(&self, place: &Place) -> Option<&Entry> {
        self.keys.get(place).filter(|entry| entry.is_live())
    }

    fn put(&mut self, place: &Place, value: Bytes, expires: Option<Instant>) {
        self.writes += 1;
        let written = self.writes;
        self.ever.insert(place.clone());
        *self.sets.entry(place.clone()).or_default() += 1;
        self.keys.insert(place.clone(), Entry { value, expires, written, previous: Bytes::new() });
    }
}

fn deadline(ttl: Option<Ttl>) -> Option<Instant> {
    ttl.and_then(|ttl| Instant::now().checked_add(ttl.as_duration()))
}

fn left(entry: &Entry) -> Option<Duration> {
    entry.expires.map(|at| at.saturating_duration_since(Instant::now()))
}

impl Memory {
    pub(super) fn value_and_ttl(&self, entry: &Entry) -> ValueAndTtl {
        (entry.value.clone(), left(entry))
    }
}

impl KeyValueTtl for Memory {
    async fn ttl_left(
        &self,
        _: &Context,
        namespace: Namespace,
        key: Key,
    ) -> Result<Option<Option<Duration>>, Error> {
        let store = self.store();
        let entry = store.live(&self.place(&namespace, &key));
        let left = entry.map(left);
        if self.breaks_at("ttl/get-ttl-returns-what-is-left", &key) {
            return Ok(left.map(|left| left.map(|left| left * 1000)));
        }
        Ok(left)
    }

    async fn expire(&self, _: &Context, namespace: Namespace, key: Key, ttl: Ttl) -> Result<bool, Error> {
        let place = self.place(&namespace, &key);
        let mut store = self.store();
        let Some(entry) = store.live(&place).cloned() else {
            return Ok(self.breaks_at("ttl/missing-key-has-no-ttl", &key));
        };
        let mut expires = deadline(Some(ttl));
        if self.breaks_at("ttl/expire-replaces-ttl", &key) {
            expires = expires.max(entry.expires);
        }
        let mut value = entry.value;
        if self.breaks_at("ttl/expire-keeps-the-value", &key) {
            value = value.slice(..value.len() / 2);
        }
        store.put(&place, value, expires);
        Ok(true)
    }

    async fn persist(&self, _: &Context, namespace: Namespace, key: Key) -> Result<Option<bool>, Error> {
        let place = self.place(&namespace, &key);
        let mut store = self.store();
        let Some(entry) = store.live(&place).cloned() else { return Ok(None) };
        if !self.breaks_at("ttl/persist-removes-ttl", &key) {
            store.put(&place, entry.value, None);
        }
        Ok(Some(entry.expires.is_some()))
    }
}

impl KeyValueCas for Memory {
    async fn set_if(
        &self,
        _: &Context,
        namespace: Namespace,
        key: Key,
        (value, ttl): (Bytes, Option<Ttl>),
        condition: Condition,
        return_current: bool,
    ) -> Result<Conditional, Error> {
        let place = self.place(&namespace, &key);
        let before = self.store().live(&place).cloned();
        if self.breaks_at("cas/one-of-many-wins", &key) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let mut store = self.store();
        let before =
            if self.breaks_at("cas/one-of-many-wins", &key) { before } else { store.live(&place).cloned() };
        let current = before.as_ref().map(|entry| &*entry.value);
        let mut applied = condition.holds(current);
        applied |= match condition {
            Condition::Absent => self.breaks_at("cas/set-if-absent", &key) && before.is_some(),
            Condition::Present => self.breaks_at("cas/set-if-present", &key) && before.is_none(),
            Condition::Equals(_) => self.breaks_at("cas/set-if-equals", &key) && before.is_some(),
            Condition::EqualsSha256(_) => {
                self.breaks_at("cas/set-if-equals-sha256", &key) && before.is_some()
            }
            Condition::Differs(_) => self.breaks_at("cas/set-if-differs", &key) && before.is_none(),
        };
        let current = before.as_ref().map(|entry| entry.value.clone()).filter(|_| return_current);
        let current = if self.breaks_at("cas/current-is-what-stood", &key) && applied {
            Some(value.clone())
        } else {
            current
        };
        if applied {
            let kept = before
                .and_then(|entry| entry.expires)
                .filter(|_| self.breaks_at("cas/set-if-replaces-ttl", &key));
            store.put(&place, value, kept.or(deadline(ttl)));
        } else if self.breaks_at("cas/unapplied-changes-nothing", &key) && store.live(&place).is_some() {
            store.put(&place, Bytes::from_static(b"touched"), None);
        }
        Ok(Conditional { applied, current })
    }

    async fn delete_if(
        &self,
        _: &Context,
        namespace: Namespace,
        key: Key,
        condition: Condition,
        return_current: bool,
    ) -> Result<Conditional, Error> {
        let place = self.place(&namespace, &key);
        let mut store = self.store();
        let before = store.live(&place).map(|entry| entry.value.clone());
        let applied = condition.holds(before.as_deref());
        if applied && !self.breaks_at("cas/delete-if-removes", &key) {
            store.keys.remove(&place);
        }
        Ok(Conditional { applied, current: before.filter(|_| return_current) })
    }

    async fn get_and_set(
        &self,
        _: &Context,
        namespace: Namespace,
        key: Key,
        value: Bytes,
        ttl: Option<Ttl>,
    ) -> Result<Option<Bytes>, Error> {
        let place = self.place(&namespace, &key);
        let mut store = self.store();
        let before = store.live(&place).map(|entry| entry.value.clone());
        if !(self.breaks_at("cas/get-and-set", &key) && before.is_none()) {
            store.put(&place, value, deadline(ttl));
        }
        Ok(before)
    }

    async fn get_and_delete(
        &self,
        _: &Context,
        namespace: Namespace,
        key: Key,
    ) -> Result<Option<Bytes>, Error> {
        let place = self.place(&namespace, &key);
        let mut store = self.store();
        let before = store.live(&place).map(|entry| entry.value.clone());
        if !self.breaks_at("cas/get-and-delete", &key) {
            store.keys.remove(&place);
        }
        Ok(before)
    }
}

impl KeyValueCounter for Memory {
    async fn increment(
        &self,
        _: &Context,
        namespace: Namespace,
        key: Key,
        delta: i64,
        initial: i64,
        ttl: Option<Ttl>,
    ) -> Result<i64, Error> {
        let place = self.place(&namespace, &key);
        let before = self.store().live(&place).cloned();
        if self.breaks_at("counter/increments-are-atomic", &key) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let mut store = self.store();
        let before = if self.breaks_at("counter/increments-are-atomic", &key) {
            before
        } else {
            store.live(&place).cloned()
        };
        let initial = if self.breaks_at("counter/missing-key-counts-as-initial", &key) { 0 } else { initial };
        let text = before.as_ref().map(|entry| &*entry.value);
        let text = match text {
            Some(text) if self.breaks_at("counter/other-text-is-not-a-number", &key) => {
                text.strip_prefix(b"+").or(Some(text))
            }
            text => text,
        };
        let sum = match incremented(text, delta, initial) {
            Err(_)
                if self.breaks_at("counter/overflow-changes-nothing", &key)
                    && text.is_none_or(|text| text.len() > 10) =>
            {
                i64::MAX
            }
            sum => sum?,
        };
        let expires = match &before {
            Some(_) if self.breaks_at("counter/existing-key-keeps-its-ttl", &key) => None,
            Some(entry) => entry.expires,
            None => deadline(ttl),
        };
        let text = sum.to_string();
        let text = if self.breaks_at("counter/value-is-decimal-text", &key) && sum < 0 {
            format!("{sum} ")
        } else {
            text
        };
        let text = if self.breaks_at("counter/value-is-decimal-text", &key) && sum == 0 {
            "00".to_owned()
        } else {
            text
        };
        store.put(&place, text.into(), expires);
        Ok(sum)
    }
}

impl KeyValueBatch for Memory {
    async fn get_first(
        &self,
        _: &Context,
        namespace: &Namespace,
        keys: &[Key],
        _: bool,
    ) -> Vec<Result<Option<ValueAndTtl>, Error>> {
        let store = self.store();
        let mut places: Vec<_> = keys.iter().take(7).map(|key| self.place(namespace, key)).collect();
        if self.breaks_at("batch/answers-are-in-the-order-asked", keys.first().map_or("", |key| key)) {
            places.sort();
        }
        let value = |place: &Place| Ok(store.live(place).map(|entry| self.value_and_ttl(entry)));
        let mut values: Vec<_> = places.iter().map(value).collect();
        if self.breaks_at("batch/get-returns-ttls-if-asked", keys.first().map_or("", |key| key)) {
            values.iter_mut().flatten().flatten().for_each(|(_, left)| *left = None);
        }
        if self.breaks_at("batch/get-returns-more-than-a-message", keys.first().map_or("", |key| key)) {
            values.iter_mut().flatten().flatten().for_each(|(value, _)| value.truncate(1 << 20));
        }
        values
    }

    async fn set_each(
        &self,
        context: &Context,
        namespace: Namespace,
        mut items: Vec<(Key, Bytes, Option<Ttl>)>,
    ) -> Vec<Result<(), Error>> {
        if self.breaks("batch/items-apply-in-order") {
            items.reverse();
        }
        let mut results = Vec::new();
        for (key, value, ttl) in items {
            results.push(self.set(context, namespace.clone(), key, value, ttl).await);
        }
        results
    }

    async fn delete_each(
        &self,
        _: &Context,
        namespace: Namespace,
        keys: Vec<Key>,
    ) -> Vec<Result<bool, Error>> {
        let mut store = self.store();
        let delete = |key: &Key| {
            let removed = store.keys.remove(&self.place(&namespace, key));
            Ok(removed.is_some_and(|entry| entry.is_live())
                || self.breaks_at("batch/delete-says-what-was-there", keys.first().map_or("", |key| key)))
        };
        keys.iter().map(delete).collect()
    }
}
