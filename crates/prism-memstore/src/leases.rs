//! Which values of lists are reserved, and until when.
//!
//! ```text
//!            reserve             ack
//!  (in list) ───────▶ reserved ───────▶ (gone)
//!      ▲                 │
//!      │                 │ release, or the lease ends
//!      │                 ├──────────────────────────────▶ back at its end of the list
//!      │                 │ the same, delivered too often
//!      │                 └──────────▶ arriving ─────────▶ in the dead letter list
//!      └── undone: a waiter has gone
//! ```
//!
//! The lock of the table is the last to be taken: a list's map shard may be locked before, and nothing after. A step that takes values
//! out of a list or returns them has both, so nobody sees a value twice or not at all. Two lists cannot be locked together, so what
//! moves to a dead letter list is put into the table, where it belongs to that list already: each call on a list first looks there.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasher as _, RandomState};
use std::mem::size_of;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use prism_plugin::list::{DeliveryLimit, End, ReservedValue};
use prism_plugin::types::{Key, Namespace};
use tokio::sync::Notify;

use crate::clock::Time;
use crate::memory::allocation_bytes;

/// A list by its namespace and name.
pub(crate) type Place = (Namespace, Key);

/// What a lease takes besides its values: itself, its slots in three trees and maps, two thirds full, and their nodes.
const LEASE_BYTES: u64 = 400;

/// The leases of a store.
#[derive(Default)]
pub(crate) struct Leases {
    /// How many lists have any, so that calls cost nothing more while there are none.
    lists: AtomicUsize,
    table: Mutex<Table>,
    pub(crate) told: Notify,
    /// So that nobody can guess the name of another's lease.
    secret: RandomState,
}

#[derive(Default)]
pub(crate) struct Table {
    lists: HashMap<Arc<Place>, OfList>,
    /// When leases end, with their numbers.
    ends: BTreeSet<(Time, u64, Arc<Place>)>,
    given: u64,
}

/// What a list has in the table.
#[derive(Default)]
struct OfList {
    leases: BTreeMap<u64, Lease>,
    /// Values that belong at its right end.
    arriving: Vec<Box<[u8]>>,
}

/// A lease.
pub(crate) struct Lease {
    pub(crate) until: Time,
    pub(crate) end: End,
    /// How often they have been delivered, and the values, in the order in which they were popped. At least one.
    pub(crate) values: Vec<(u32, Box<[u8]>)>,
    pub(crate) deliveries: Option<DeliveryLimit>,
}

impl Lease {
    /// What it takes, along with its values.
    pub(crate) fn charged_bytes(&self, place: &Place) -> u64 {
        let dead_letter = self.deliveries.as_ref().map_or(0, |limit| limit.dead_letter.len());
        let names = place.0.len() + place.1.len() + dead_letter;
        let slots = self.values.len() * size_of::<(u32, Box<[u8]>)>();
        let values = self.values.iter().map(|(_, value)| allocation_bytes(value.len())).sum::<u64>();
        LEASE_BYTES + allocation_bytes(names) + allocation_bytes(slots) + values
    }

    pub(crate) fn to_reserved_values(&self) -> Vec<ReservedValue> {
        let copy = |(deliveries, value): &(u32, Box<[u8]>)| ReservedValue {
            value: Bytes::copy_from_slice(value),
            deliveries: *deliveries,
        };
        self.values.iter().map(copy).collect()
    }

    /// Undoes the delivery for which it was made.
    pub(crate) fn uncount(&mut self) {
        self.values.iter_mut().for_each(|(deliveries, _)| *deliveries -= 1);
    }

    /// Takes those values that have been delivered as often as they may be, and names the list for them.
    pub(crate) fn take_dead(&mut self) -> Option<(Key, Vec<Box<[u8]>>)> {
        let limit = self.deliveries.as_ref()?;
        let dead = self.values.extract_if(.., |(deliveries, _)| *deliveries >= limit.max);
        let dead: Vec<_> = dead.map(|(_, value)| value).collect();
        (!dead.is_empty()).then(|| (limit.dead_letter.clone(), dead))
    }
}

impl Leases {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many lists have leases.
    pub(crate) fn lists(&self) -> usize {
        self.lists.load(SeqCst)
    }

    /// Whether any list has leases.
    pub(crate) fn are_there(&self) -> bool {
        self.lists() > 0
    }

    /// Lets `change` change the table. Under the lock of the list's map shard.
    pub(crate) fn change<R>(&self, change: impl FnOnce(&mut Table) -> R) -> R {
        let mut table = self.lock();
        let changed = change(&mut table);
        let before = self.lists.swap(table.lists.len(), SeqCst);
        if before == 0 && !table.lists.is_empty() {
            self.told.notify_one();
        }
        changed
    }

    /// The name of a lease: its number, and what only this store knows about it.
    pub(crate) fn token(&self, number: u64) -> Bytes {
        let check = self.secret.hash_one(number);
        [number.to_be_bytes(), check.to_be_bytes()].concat().into()
    }

    /// The number of the lease with this name; `None` if this store has not given it.
    pub(crate) fn number(&self, token: &[u8]) -> Option<u64> {
        let (number, check) = token.split_first_chunk()?;
        let number = u64::from_be_bytes(*number);
        (*check == self.secret.hash_one(number).to_be_bytes()).then_some(number)
    }
}

impl Table {
    /// Adds a lease and returns its number.
    pub(crate) fn add(&mut self, place: &Place, lease: Lease) -> u64 {
        self.given += 1;
        let place = self.name(place).unwrap_or_else(|| Arc::new(place.clone()));
        self.ends.insert((lease.until, self.given, Arc::clone(&place)));
        self.lists.entry(place).or_default().leases.insert(self.given, lease);
        self.given
    }

    /// Gives a list values at its right end.
    pub(crate) fn give(&mut self, place: Place, values: Vec<Box<[u8]>>) {
        self.lists.entry(Arc::new(place)).or_default().arriving.extend(values);
    }

    /// Whether a list is to be given anything.
    pub(crate) fn is_due(&self, place: &Place, now: Time) -> bool {
        self.lists.get(place).is_some_and(|list| {
            !list.arriving.is_empty() || list.leases.values().any(|lease| lease.until <= now)
        })
    }

    /// Removes the leases of a list for which `ends` holds, and returns them in the order in which they were made.
    pub(crate) fn end(&mut self, place: &Place, mut ends: impl FnMut(u64, &mut Lease) -> bool) -> Vec<Lease> {
        let Some(name) = self.name(place) else { return Vec::new() };
        let Some(list) = self.lists.get_mut(place) else { return Vec::new() };
        let ended =
            list.leases.iter_mut().filter_map(|(number, lease)| ends(*number, lease).then_some(*number));
        let ended: Vec<_> = ended.collect();
        let mut leases = Vec::with_capacity(ended.len());
        for number in ended {
            if let Some(lease) = list.leases.remove(&number) {
                self.ends.remove(&(lease.until, number, Arc::clone(&name)));
                leases.push(lease);
            }
        }
        self.tidy(place);
        leases
    }

    /// Takes the values that belong at the right end of a list.
    pub(crate) fn take_arriving(&mut self, place: &Place) -> Vec<Box<[u8]>> {
        let arriving = self.lists.get_mut(place).map(|list| std::mem::take(&mut list.arriving));
        self.tidy(place);
        arriving.unwrap_or_default()
    }

    fn name(&self, place: &Place) -> Option<Arc<Place>> {
        self.lists.get_key_value(place).map(|(name, _)| Arc::clone(name))
    }

    /// Removes a list that has nothing here.
    fn tidy(&mut self, place: &Place) {
        if self.lists.get(place).is_some_and(|list| list.leases.is_empty() && list.arriving.is_empty()) {
            self.lists.remove(place);
        }
    }

    /// Lets a live lease end at another moment, and returns whether there is one.
    pub(crate) fn extend(&mut self, place: &Place, number: u64, now: Time, duration: Duration) -> bool {
        let Some(place) = self.name(place) else { return false };
        let lease = self.lists.get_mut(&place).and_then(|list| list.leases.get_mut(&number));
        let Some(lease) = lease.filter(|lease| now < lease.until) else { return false };
        self.ends.remove(&(lease.until, number, Arc::clone(&place)));
        lease.until = now.plus(duration);
        self.ends.insert((lease.until, number, place));
        true
    }

    /// Lists that have leases which have ended: some of them, if there are many.
    pub(crate) fn ended(&self, now: Time, max: usize) -> Vec<Arc<Place>> {
        let due = self.ends.iter().take_while(|(until, ..)| *until <= now);
        due.take(max).map(|(.., place)| Arc::clone(place)).collect()
    }
}
