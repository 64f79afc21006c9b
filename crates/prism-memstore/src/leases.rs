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

use std::collections::{BTreeSet, HashMap};
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

/// What a lease takes besides its values: itself and its slots in a map and a tree. By the sizes of those, some 200 bytes among many of a
/// list, and 800 as the only one of its list, whose place in the table is among them.
const LEASE_BYTES: u64 = 400;

/// The capacity below which a list's map of leases is never shrunk.
const CAPACITY_MIN: usize = 16;

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
    /// When the first lease of each list ends.
    due: BTreeSet<(Time, Arc<Place>)>,
    given: u64,
}

/// What a list has in the table. However many leases it has, a call on one of them costs the same on average.
#[derive(Default)]
struct OfList {
    leases: HashMap<u64, Lease>,
    /// When they end, with their numbers.
    ends: BTreeSet<(Time, u64)>,
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

impl OfList {
    fn first_end(&self) -> Option<Time> {
        self.ends.first().map(|(until, _)| *until)
    }

    fn live(&mut self, number: u64, now: Time) -> Option<&mut Lease> {
        self.leases.get_mut(&number).filter(|lease| now < lease.until)
    }

    fn remove(&mut self, number: u64) -> Option<Lease> {
        let lease = self.leases.remove(&number)?;
        self.ends.remove(&(lease.until, number));
        let capacity = self.leases.capacity();
        if capacity > CAPACITY_MIN && self.leases.len() < capacity / 4 {
            self.leases.shrink_to(capacity / 2);
        }
        Some(lease)
    }
}

impl Table {
    /// Adds a lease and returns its number.
    pub(crate) fn add(&mut self, place: &Place, lease: Lease) -> u64 {
        self.given += 1;
        let number = self.given;
        if !self.lists.contains_key(place) {
            self.lists.insert(Arc::new(place.clone()), OfList::default());
        }
        self.change(place, |list| {
            list.ends.insert((lease.until, number));
            list.leases.insert(number, lease);
        });
        number
    }

    /// Gives a list values at its right end.
    pub(crate) fn give(&mut self, place: Place, values: Vec<Box<[u8]>>) {
        self.lists.entry(Arc::new(place)).or_default().arriving.extend(values);
    }

    /// Whether a list is to be given anything.
    pub(crate) fn is_due(&self, place: &Place, now: Time) -> bool {
        self.lists.get(place).is_some_and(|list| {
            !list.arriving.is_empty() || list.first_end().is_some_and(|first| first <= now)
        })
    }

    /// Removes the leases of a list that end until then, and returns them in the order in which they were made.
    pub(crate) fn take_until(&mut self, place: &Place, until: Time) -> Vec<Lease> {
        let taken = self.change(place, |list| {
            let ended = list.ends.iter().take_while(|(end, _)| *end <= until);
            let mut numbers: Vec<_> = ended.map(|(_, number)| *number).collect();
            numbers.sort_unstable();
            numbers.into_iter().filter_map(|number| list.remove(number)).collect()
        });
        taken.unwrap_or_default()
    }

    /// Removes a lease, whether or not it has ended.
    pub(crate) fn take(&mut self, place: &Place, number: u64) -> Option<Lease> {
        self.change(place, |list| list.remove(number)).flatten()
    }

    /// Removes a live lease.
    pub(crate) fn take_live(&mut self, place: &Place, number: u64, now: Time) -> Option<Lease> {
        self.change(place, |list| {
            list.live(number, now)?;
            list.remove(number)
        })
        .flatten()
    }

    /// Takes the values that belong at the right end of a list.
    pub(crate) fn take_arriving(&mut self, place: &Place) -> Vec<Box<[u8]>> {
        self.change(place, |list| std::mem::take(&mut list.arriving)).unwrap_or_default()
    }

    /// Lets a live lease end at another moment, and returns whether there is one.
    pub(crate) fn extend(&mut self, place: &Place, number: u64, now: Time, duration: Duration) -> bool {
        let extended = self.change(place, |list| {
            let lease = list.live(number, now)?;
            let before = std::mem::replace(&mut lease.until, now.plus(duration));
            let after = lease.until;
            list.ends.remove(&(before, number));
            list.ends.insert((after, number));
            Some(())
        });
        extended.flatten().is_some()
    }

    /// Lets `change` change what a list has here, which is removed with the last of it. `None` if it has nothing.
    fn change<R>(&mut self, place: &Place, change: impl FnOnce(&mut OfList) -> R) -> Option<R> {
        let (name, _) = self.lists.get_key_value(place)?;
        let name = Arc::clone(name);
        let list = self.lists.get_mut(place)?;
        let before = list.first_end();
        let changed = change(list);
        let after = list.first_end();
        if list.leases.is_empty() && list.arriving.is_empty() {
            self.lists.remove(place);
        }
        if before != after {
            if let Some(before) = before {
                self.due.remove(&(before, Arc::clone(&name)));
            }
            self.due.extend(after.map(|after| (after, name)));
        }
        Some(changed)
    }

    /// Lists that have leases which have ended: some of them, if there are many.
    pub(crate) fn ended(&self, now: Time, max: usize) -> Vec<Arc<Place>> {
        let due = self.due.iter().take_while(|(first, _)| *first <= now);
        due.take(max).map(|(_, place)| Arc::clone(place)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn place(number: u8) -> Place {
        let namespace = Namespace::new("queues".to_owned()).expect("a valid name");
        (namespace, Key::new("list_key", format!("list-{number}")).expect("a valid key"))
    }

    fn lease(until: Time) -> Lease {
        Lease { until, end: End::Left, values: vec![(1, Box::default())], deliveries: None }
    }

    #[test]
    fn a_list_whose_leases_have_gone_returns_their_memory() {
        let mut table = Table::default();
        let numbers: Vec<_> = (0..10_000).map(|_| table.add(&place(0), lease(Time::NEVER))).collect();
        for number in &numbers[1..] {
            assert!(table.take(&place(0), *number).is_some());
        }
        let list = &table.lists[&place(0)];
        assert!(list.leases.len() == 1 && list.leases.capacity() <= 2 * CAPACITY_MIN);
    }

    /// Random steps, and a model that looks at each lease.
    #[test]
    fn the_table_knows_which_lists_have_leases_that_have_ended() {
        let (mut table, mut model) = (Table::default(), BTreeMap::new());
        let mut random = fastrand::Rng::with_seed(5);
        for step in 0..20_000 {
            let now = Time::START.plus(Duration::from_secs(step));
            let of = random.u8(..4);
            let number = random.u64(..=table.given);
            let duration = Duration::from_secs(random.u64(..20));
            let live = model.get(&number).is_some_and(|(list, until)| *list == of && now < *until);
            match random.u8(..10) {
                0..4 => {
                    let number = table.add(&place(of), lease(now.plus(duration)));
                    model.insert(number, (of, now.plus(duration)));
                }
                4..6 => {
                    assert_eq!(table.extend(&place(of), number, now, duration), live);
                    model.entry(number).and_modify(|(_, until)| {
                        if live {
                            *until = now.plus(duration)
                        }
                    });
                }
                6 => {
                    assert_eq!(table.take_live(&place(of), number, now).is_some(), live);
                    model.retain(|other, _| *other != number || !live);
                }
                7 => {
                    let is_there = model.get(&number).is_some_and(|(list, _)| *list == of);
                    assert_eq!(table.take(&place(of), number).is_some(), is_there);
                    model.retain(|other, _| *other != number || !is_there);
                }
                8 => {
                    let ended: Vec<_> =
                        table.take_until(&place(of), now).iter().map(|lease| lease.until).collect();
                    let expected = model.extract_if(.., |_, (list, until)| *list == of && *until <= now);
                    assert_eq!(ended, expected.map(|(_, (_, until))| until).collect::<Vec<_>>());
                }
                _ => {
                    let ended: BTreeSet<_> =
                        table.ended(now, 10).iter().map(|place| (**place).clone()).collect();
                    let expected =
                        model.values().filter(|(_, until)| *until <= now).map(|(list, _)| place(*list));
                    assert_eq!(ended, expected.collect());
                    assert!(
                        (0..4).all(|list| table.is_due(&place(list), now) == ended.contains(&place(list)))
                    );
                }
            }
        }
        (0..4).for_each(|list| drop(table.take_until(&place(list), Time::NEVER)));
        assert!(table.lists.is_empty() && table.due.is_empty());
    }
}
