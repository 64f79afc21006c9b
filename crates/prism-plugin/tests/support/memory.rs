//! An in-memory backend, as simple as possible: the reference that passes every case. Given a case's name, it breaks
//! that case's rule and no other.

mod blocking;
mod lists;
mod reserve;
mod retries;
mod transfer;
mod values;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream;
use prism_plugin::keyvalue::{KeyValue, Page, Pages, Range, Start, ValueAndTtl};
use prism_plugin::list::{End, List};
use prism_plugin::types::{Key, Namespace, Ttl};
use prism_plugin::usage::{Usage, Used};
use prism_plugin::{Capabilities, Context, Durability, Error, ErrorReason};
use reserve::Lease;
use retries::Records;

/// The namespace and name of a key or list.
type Place = (String, String);

/// A key, its value and the time that it has left to live.
type Scanned = ((Key, Bytes), Option<Duration>);

/// How many keys a scan reads at a time.
const PAGE: usize = 16;

#[derive(Clone)]
struct Entry {
    value: Bytes,
    expires: Option<Instant>,
    /// The number of the write that created it.
    written: u64,
    /// The previous value.
    previous: Bytes,
}

impl Entry {
    fn is_live(&self) -> bool {
        self.expires.is_none_or(|at| Instant::now() < at)
    }
}

#[derive(Default)]
struct Store {
    keys: BTreeMap<Place, Entry>,
    lists: BTreeMap<Place, VecDeque<Bytes>>,
    writes: u64,
    /// For the variants: every key and list that was ever written, and counters and deadlines that should be gone.
    ever: BTreeSet<Place>,
    ghosts: BTreeSet<Place>,
    sets: BTreeMap<Place, u64>,
    deadlines: BTreeMap<Place, Instant>,
    longest: BTreeMap<Place, usize>,
    readers: BTreeMap<Place, isize>,
    /// The numbers of those who wait for a list.
    waiting: BTreeMap<Place, VecDeque<u64>>,
    leases: BTreeMap<u64, Lease>,
    /// How often values have been delivered: those that have, in lists whose values differ.
    deliveries: BTreeMap<(Place, Bytes), u32>,
    records: Records,
    /// Lists that lose the value which is pushed next.
    losing: BTreeSet<Place>,
    /// Values on their way to a dead letter list.
    arriving: Vec<(Place, Bytes)>,
}

/// The backend. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Memory {
    store: Arc<Mutex<Store>>,
    capabilities: Capabilities,
    broken: &'static str,
}

impl Memory {
    /// Keeps every rule except that of the case called `broken`, or all rules if no case has that name.
    pub(crate) fn new(broken: &'static str) -> Self {
        let promised =
            !["scan/start-after-needs-order", "scan/reverse-and-before-need-order"].contains(&broken);
        let capabilities = Capabilities {
            ordered: promised,
            scan_exactly_once: true,
            exact_count: true,
            linearizable: true,
            in_memory: true,
            resumable: true,
            evicts: false,
            durability: Some(Durability::None),
            idempotent_retries: true,
        };
        Self { store: Arc::default(), capabilities, broken }
    }

    pub(crate) fn promising(self, capabilities: Capabilities) -> Self {
        Self { capabilities, ..self }
    }

    /// The keys and lists that exist.
    pub(crate) fn left(&self) -> Vec<String> {
        let store = self.store();
        store
            .keys
            .keys()
            .chain(store.lists.keys())
            .chain(store.leases.values().map(|lease| &lease.place))
            .map(|(namespace, name)| format!("{namespace}: {name}"))
            .collect()
    }

    fn breaks(&self, case: &str) -> bool {
        self.broken == case
    }

    /// The same for a flaw that other cases would notice as well: only where the name, or the prefix, is one of that case.
    fn breaks_at(&self, case: &str, name: &str) -> bool {
        self.breaks(case) && name.contains(case)
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        let mut store = self.store.lock().unwrap();
        store.end_leases(self.broken);
        store
    }

    /// Whether a read overlaps another of the same place; slow enough that concurrent ones do.
    async fn meets_another(&self, place: &Place) -> bool {
        let count = |by: isize| {
            let mut store = self.store();
            let readers = store.readers.entry(place.clone()).or_default();
            *readers += by;
            *readers
        };
        let readers = count(1);
        tokio::time::sleep(Duration::from_millis(5)).await;
        count(-1);
        readers > 1
    }

    /// Whether reads may see an entry, given the flaw of one case.
    fn sees(&self, entry: &Entry, case: &str) -> bool {
        entry.is_live() || self.breaks(case)
    }

    /// The key as the store names it.
    fn place(&self, namespace: &Namespace, key: &Key) -> Place {
        let key = if self.breaks("keys/any-utf8-is-kept-apart") { key.trim_end() } else { key };
        (namespace.to_string(), key.to_owned())
    }

    /// One page of a scan, behind a key, with the times that its keys have left to live.
    fn page(&self, range: &Range, after: Option<&str>, begun: u64, values: bool) -> Vec<Scanned> {
        let store = self.store();
        let everywhere = self.breaks("namespaces/scans-are-isolated") && !range.prefix.is_empty()
            || self.breaks_at("transfer/export-sees-its-namespace-only", &range.prefix);
        let begin = |at: &str| (range.namespace.to_string(), at.to_owned());
        let prefix = match range.prefix.strip_suffix('*') {
            Some(prefix) if self.breaks("scan/prefix-is-matched-byte-by-byte") => prefix,
            _ => &range.prefix,
        };
        let hides = |key: &str, entry: &Entry| {
            (self.breaks("scan/empty-prefix-matches-all") && prefix.is_empty())
                || (self.breaks("scan/longest-prefix-is-accepted") && key.len() == 4096)
                || (self.breaks("scan/keys-are-those-of-scan") && !values && entry.value.is_empty())
                || (self.breaks("scan/stable-keys-appear-exactly-once") && entry.written > begun)
        };
        let from = match everywhere || range.reverse {
            true => (String::new(), String::new()),
            false => begin(after.unwrap_or_default()),
        };
        let reverse = range.reverse && !self.breaks_at("scan/reverse-is-backwards", &range.prefix);
        let end =
            range.end.as_deref().filter(|_| !self.breaks_at("scan/before-ends-the-scan", &range.prefix));
        let is_within = |key: &str| {
            let (behind, in_front) = match reverse {
                false => (after, end),
                true => (end, after),
            };
            behind.is_none_or(|behind| key > behind) && in_front.is_none_or(|in_front| key < in_front)
        };
        let upwards: Vec<_> = store.keys.range(from..).collect();
        let in_order: Box<dyn Iterator<Item = _>> =
            if reverse { Box::new(upwards.into_iter().rev()) } else { Box::new(upwards.into_iter()) };
        let page = if self.breaks("scan/page-bytes-bounds-a-page") {
            PAGE
        } else {
            range.page_bytes.unwrap_or(PAGE)
        };
        in_order
            .filter(|((namespace, key), _)| (everywhere || *namespace == *range.namespace) && is_within(key))
            .filter(|((_, key), _)| key.starts_with(prefix))
            .filter(|((_, key), entry)| {
                !hides(key, entry) && self.sees(entry, "ttl/expired-key-is-not-scanned")
            })
            .map(|((_, key), entry)| {
                let (value, left) = self.value_and_ttl(entry);
                (
                    (Key::stored(key.clone()), value),
                    left.filter(|_| !self.breaks("scan/returns-ttls-if-asked")),
                )
            })
            .take(page.clamp(1, PAGE))
            .collect()
    }

    fn scan_pages<T: Send + 'static>(
        &self,
        range: Range,
        values: bool,
        item: fn((Key, Bytes)) -> T,
    ) -> Pages<T> {
        let mut range = range;
        let start = match std::mem::take(&mut range.start) {
            Start::Beginning => None,
            Start::After(key) => {
                let mut start = key.into_string();
                let is_there = self.store().keys.contains_key(&(range.namespace.to_string(), start.clone()));
                if self.breaks("scan/start-after-needs-no-key") && !is_there {
                    start.clear();
                }
                if self.breaks("scan/start-after-is-exclusive") && is_there {
                    start.pop();
                }
                Some(start)
            }
            // A position is the last key.
            Start::Resume(position) => {
                if self.breaks("scan/resume-keeps-direction-and-end") {
                    range.end = None;
                }
                let mut start = String::from_utf8(position.to_vec()).unwrap();
                if self.breaks("scan/resume-leaves-no-gap") {
                    // The next key is skipped.
                    let next = self.page(&range, Some(&start), 0, false).into_iter().next();
                    start = next.map_or(start, |((key, _), _)| key.into_string());
                }
                // Not at the end, which would never come.
                let is_last = self.page(&range, Some(&start), 0, false).is_empty();
                if self.breaks("scan/resume-repeats-nothing-in-order") && !is_last {
                    start.pop();
                }
                Some(start)
            }
        };
        if self.breaks("scan/limit-bounds-the-answer") {
            range.limit = range.limit.map(|limit| limit + 1);
        }
        if self.breaks("scan/many-keys-arrive-whole") {
            range.limit = Some(range.limit.unwrap_or(usize::MAX).min(256));
        }
        let begun = self.store().writes;
        let memory = self.clone();
        let left = range.limit.unwrap_or(usize::MAX);
        Box::pin(stream::unfold((start, left), move |(after, left)| {
            let mut page = memory.page(&range, after.as_deref(), begun, values);
            page.truncate(left);
            let next = page.last().map(|((key, _), _)| (Some(key.to_string()), left - page.len()));
            let resume = page.last().map(|((key, _), _)| Bytes::copy_from_slice(key.as_bytes()));
            if memory.breaks("scan/keys-are-in-byte-order") {
                page.sort_by_key(|((key, _), _)| key.encode_utf16().collect::<Vec<_>>());
            }
            if memory.breaks("scan/returns-keys-with-their-values") {
                page.iter_mut().for_each(|((_, value), _)| value.clear());
            }
            let (items, ttls_left): (Vec<_>, Vec<_>) = page.into_iter().unzip();
            let items = items.into_iter().map(item).collect();
            std::future::ready(next.map(|next| (Ok(Page { items, ttls_left, resume }), next)))
        }))
    }
}

fn full(sentence: &'static str) -> Error {
    Error::new(ErrorReason::MemoryLimit, sentence)
}

impl Usage for Memory {
    async fn usage(&self, _: &Context, namespace: Namespace) -> Result<Used, Error> {
        let store = self.store();
        let count = |places: &mut dyn Iterator<Item = &Place>| {
            Some(places.filter(|(there, _)| *there == *namespace).count() as u64)
        };
        Ok(Used {
            keys: count(&mut store.keys.keys()),
            lists: count(&mut store.lists.keys()),
            ..Used::default()
        })
    }
}

impl KeyValue for Memory {
    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    async fn set(
        &self,
        _: &Context,
        namespace: Namespace,
        key: Key,
        value: Bytes,
        ttl: Option<Ttl>,
    ) -> Result<(), Error> {
        let place = self.place(&namespace, &key);
        let mut store = self.store();
        store.writes += 1;
        let old = store.keys.get(&place).cloned();
        let mut value = value;
        let life = ttl.map(Ttl::as_duration);
        let mut expires = life.and_then(|life| Instant::now().checked_add(life));

        if let Some(old) = &old {
            let kept =
                old.value.get(value.len()..).filter(|_| self.breaks("keyvalue/set-replaces-the-value"));
            if let Some(kept) = kept {
                value = [&value, kept].concat().into();
            }
            if self.breaks("ttl/set-without-ttl-removes-it") && old.is_live() {
                expires = expires.or(old.expires);
            }
            if self.breaks("ttl/expired-key-can-be-set-again") && !old.is_live() {
                expires = expires.or(old.expires);
            }
            if self.breaks("ttl/set-replaces-ttl") {
                expires = expires.map(|new| old.expires.map_or(new, |old| new.max(old)));
            }
        } else if self.breaks("ttl/deleted-key-takes-its-ttl-with-it") {
            expires = expires.or(store.deadlines.get(&place).copied());
        }
        if self.breaks("ttl/key-lives-its-time") {
            // Early enough that even a slow run sees it.
            expires = life.and_then(|life| Instant::now().checked_add(life.mul_f64(0.02)));
        }
        if self.breaks("ttl/millis-are-kept") && life.is_some_and(|life| life.subsec_millis() > 0) {
            expires = None;
        }
        if self.breaks("ttl/longest-is-accepted") && life > Some(Duration::from_secs(10 * 365 * 24 * 3600)) {
            return Err(full("a deadline so far away is not supported"));
        }
        if self.breaks("values/any-bytes-are-kept") {
            value = String::from_utf8_lossy(&value).into_owned().into();
        }
        if self.breaks("values/largest-is-stored") {
            value.truncate(4 * 1024 * 1024 - 17 * 1024);
        }
        if let Some(expires) = expires {
            store.deadlines.insert(place.clone(), expires);
        }
        *store.sets.entry(place.clone()).or_default() += 1;
        store.ever.insert(place.clone());
        let previous = old.map_or_else(Bytes::new, |old| old.value);
        let written = store.writes;
        store.keys.insert(place, Entry { value, expires, written, previous });
        Ok(())
    }

    async fn get(&self, _: &Context, namespace: Namespace, key: Key) -> Result<Option<Bytes>, Error> {
        let place = self.place(&namespace, &key);
        let is_stale =
            self.breaks("keyvalue/calls-on-a-key-are-linearizable") && self.meets_another(&place).await;
        let mut store = self.store();
        let Some(entry) = store.keys.get(&place).cloned() else {
            if self.breaks("keyvalue/reads-create-nothing") && !store.ever.contains(&place) {
                store.ghosts.insert(place.clone());
                let written = store.writes;
                let entry = Entry { value: Bytes::new(), expires: None, written, previous: Bytes::new() };
                store.keys.insert(place, entry);
                return Ok(None);
            }
            let is_new = !store.ever.contains(&place);
            let found = self.breaks("keyvalue/get-of-missing-is-not-found") && is_new;
            return Ok(found.then(Bytes::new));
        };
        if store.ghosts.contains(&place) && entry.value.is_empty() {
            return Ok(None);
        }
        let value = if is_stale { entry.previous.clone() } else { entry.value.clone() };
        Ok(self.sees(&entry, "ttl/expired-key-is-not-returned").then_some(value))
    }

    fn reads_ttl(&self) -> bool {
        true
    }

    async fn get_with_ttl(
        &self,
        _: &Context,
        namespace: Namespace,
        key: Key,
    ) -> Result<Option<ValueAndTtl>, Error> {
        let store = self.store();
        let entry = store.keys.get(&self.place(&namespace, &key)).filter(|entry| entry.is_live());
        let (value, left) = match entry {
            Some(entry) => self.value_and_ttl(entry),
            None => return Ok(None),
        };
        Ok(Some((value, left.filter(|_| !self.breaks("ttl/get-returns-ttl-if-asked")))))
    }

    async fn delete(&self, _: &Context, namespace: Namespace, key: Key) -> Result<bool, Error> {
        let place = self.place(&namespace, &key);
        let mut store = self.store();
        if self.breaks("keyvalue/delete-removes") && !key.contains("scan/") {
            return Ok(store.keys.get(&place).is_some_and(Entry::is_live));
        }
        if self.breaks("namespaces/keyvalue-and-list-are-separate") {
            store.lists.remove(&place);
        }
        if self.breaks("namespaces/keys-are-isolated") {
            store.keys.retain(|(namespace, key), _| *namespace == place.0 || *key != place.1);
        }
        store.ghosts.remove(&place);
        let lies = self.breaks("keyvalue/delete-says-whether-it-was-there") && !store.ever.contains(&place);
        let removed = store.keys.remove(&place);
        Ok(lies || removed.is_some_and(|entry| self.sees(&entry, "ttl/expired-key-is-not-found-by-delete")))
    }

    async fn exists(&self, _: &Context, namespace: Namespace, key: Key) -> Result<bool, Error> {
        let place = self.place(&namespace, &key);
        let store = self.store();
        if self.breaks("keyvalue/exists-of-missing-is-an-answer") && key.ends_with("/missing") {
            return Ok(true);
        }
        if self.breaks("keys/longest-is-accepted") && key.len() == 4096 {
            return Ok(false);
        }
        let entry = store.keys.get(&place);
        if self.breaks("values/empty-is-stored") && entry.is_some_and(|entry| entry.value.is_empty()) {
            return Ok(false);
        }
        Ok(entry.is_some_and(|entry| self.sees(entry, "ttl/expired-key-does-not-exist")))
    }

    fn scan(&self, _: &Context, range: Range) -> Pages<(Key, Bytes)> {
        self.scan_pages(range, true, |item| item)
    }

    fn scan_keys(&self, _: &Context, range: Range) -> Pages<Key> {
        self.scan_pages(range, false, |(key, _)| key)
    }

    async fn count(&self, _: &Context, namespace: Namespace, prefix: String) -> Result<u64, Error> {
        let store = self.store();
        let matching = store.keys.iter().filter(|((other, key), entry)| {
            *other == *namespace
                && key.starts_with(&prefix)
                && self.sees(entry, "ttl/expired-key-is-not-counted")
        });
        if self.breaks("scan/count-is-exact") {
            return Ok(matching.map(|(place, _)| store.sets.get(place).copied().unwrap_or(1)).sum());
        }
        Ok(matching.count() as u64)
    }
}

impl List for Memory {
    async fn push(
        &self,
        _: &Context,
        namespace: Namespace,
        list_key: Key,
        end: End,
        value: Bytes,
    ) -> Result<u64, Error> {
        let place = self.place(&namespace, &list_key);
        if self.breaks("list/pushes-are-atomic") {
            let read = self.store().lists.get(&place).cloned().unwrap_or_default();
            tokio::time::sleep(Duration::from_millis(2)).await;
            self.store().lists.insert(place.clone(), read);
        }
        let mut store = self.store();
        if store.losing.remove(&place) {
            return Ok(1);
        }
        store.ever.insert(place.clone());
        let list = store.lists.entry(place.clone()).or_default();
        let before = list.len();
        match end {
            End::Right if self.breaks("list/push-right-adds-at-the-tail") && before == 4 => {
                list.insert(1, value)
            }
            End::Left if self.breaks("list/push-left-adds-at-the-head") && before == 2 => {
                list.insert(1, value)
            }
            End::Left => list.push_front(value),
            End::Right => list.push_back(value),
        }
        let after = list.len();
        store.longest.insert(place, after);
        let lies = self.breaks("list/push-returns-the-new-length") && before >= 2;
        Ok(if lies { before } else { after } as u64)
    }

    async fn pop(
        &self,
        _: &Context,
        namespace: Namespace,
        list_key: Key,
        end: End,
    ) -> Result<Option<Bytes>, Error> {
        let place = self.place(&namespace, &list_key);
        if self.breaks("list/pops-are-atomic") {
            let read = self.store().lists.get(&place).cloned();
            tokio::time::sleep(Duration::from_millis(1)).await;
            if let Some(read) = read {
                self.store().lists.insert(place.clone(), read);
            }
        }
        let mut store = self.store();
        if self.breaks("list/pop-of-missing-is-an-answer") && list_key.ends_with("/missing") {
            return Err(Error::new(ErrorReason::KeyNotFound, "there is no such list"));
        }
        if self.breaks("namespaces/lists-are-isolated") {
            store.lists.retain(|(namespace, name), _| *namespace == place.0 || *name != place.1);
        }
        let was_ever = store.ever.contains(&place);
        let Some(list) = store.lists.get_mut(&place) else {
            if self.breaks("list/pops-and-length-create-nothing") && !was_ever {
                store.lists.insert(place, VecDeque::from([Bytes::new()]));
            }
            return Ok(None);
        };
        let len = list.len();
        let end = match end {
            End::Left if self.breaks("list/pop-left-takes-the-head") && len == 6 => End::Right,
            End::Right if self.breaks("list/pop-right-takes-the-tail") && len == 4 => End::Left,
            end => end,
        };
        let value = match end {
            End::Left => list.pop_front(),
            End::Right => list.pop_back(),
        };
        if list.is_empty() {
            store.lists.remove(&place);
        }
        Ok(value)
    }

    async fn length(&self, _: &Context, namespace: Namespace, list_key: Key) -> Result<u64, Error> {
        let place = self.place(&namespace, &list_key);
        let is_stale =
            self.breaks("list/calls-on-a-list-are-linearizable") && self.meets_another(&place).await;
        let store = self.store();
        let len = store.lists.get(&place).map_or(0, VecDeque::len);
        let longest = store.longest.get(&place).copied().unwrap_or_default();
        if self.breaks("list/length-of-missing-is-zero") && list_key.ends_with("/missing") {
            return Err(Error::new(ErrorReason::KeyNotFound, "there is no such list"));
        }
        let len = match len {
            0 if self.breaks("list/emptied-list-is-gone") => longest,
            1.. if self.breaks("list/length-counts-the-values") => longest,
            len if is_stale => len.saturating_sub(1),
            len => len,
        };
        Ok(len as u64)
    }
}
