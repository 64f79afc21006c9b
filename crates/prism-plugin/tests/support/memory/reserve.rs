//! Values under leases. Whoever locks the store first returns the values of leases that have ended.

use std::time::{Duration, Instant};

use bytes::Bytes;
use prism_plugin::list::{End, Filling, ListReserve, Reservation, Reserved, ReservedValue};
use prism_plugin::types::{Key, Namespace};
use prism_plugin::{Context, Error};

use super::blocking::{LOOK_EVERY, Ticket};
use super::lists::{pop, push};
use super::{Memory, Place, Store};

/// A lease of values, each with the number of its deliveries.
pub(super) struct Lease {
    pub(super) place: Place,
    until: Instant,
    wanted: Reservation,
    pub(super) values: Vec<(Bytes, u32)>,
}

impl Store {
    /// Returns the values of leases that have ended.
    pub(super) fn end_leases(&mut self, broken: &str) {
        let late = |lease: &Lease| {
            let is_of = |case| broken == case && lease.place.1.contains(case);
            match () {
                () if is_of("list-reserve/every-call-returns-ended-leases") => Duration::from_millis(500),
                () if is_of("list-reserve/sweep-serves-waiters") => Duration::from_secs(4),
                () => Duration::ZERO,
            }
        };
        let now = Instant::now();
        let ended = self.leases.iter().filter(|(_, lease)| lease.until + late(lease) <= now);
        let ended: Vec<_> = ended.map(|(number, _)| *number).collect();
        for number in ended.into_iter().rev() {
            self.end_lease(number, broken);
        }
    }

    /// Ends a lease and returns how many values it had.
    fn end_lease(&mut self, number: u64, broken: &str) -> u64 {
        let Some(Lease { place, wanted, mut values, .. }) = self.leases.remove(&number) else { return 0 };
        let is_of = |case| broken == case && place.1.contains(case);
        let count = values.len() as u64;
        let mut end = wanted.end;
        if is_of("list-reserve/lease-that-ends-returns-its-values") {
            end = End::Right;
        }
        if let Some(limit) = wanted.deliveries {
            let dead = values.extract_if(.., |(_, deliveries)| *deliveries >= limit.max);
            let dead_letter = (place.0.clone(), limit.dead_letter.into_string());
            let list = self.lists.entry(dead_letter.clone()).or_default();
            let dead_end =
                if is_of("list-reserve/max-deliveries-moves-values") { End::Left } else { End::Right };
            dead.for_each(|(value, _)| push(list, dead_end, value));
            if list.is_empty() {
                self.lists.remove(&dead_letter);
            }
        }
        if !is_of("list-reserve/release-returns-at-once") {
            values.reverse();
        }
        for (value, deliveries) in values {
            push(self.lists.entry(place.clone()).or_default(), end, value.clone());
            self.deliveries.insert((place.clone(), value), deliveries);
        }
        count
    }

    /// Reserves what is there.
    fn reserve(&mut self, place: &Place, wanted: &Reservation, broken: &str) -> Option<Reserved> {
        let is_of = |case| broken == case && place.1.contains(case);
        let list = self.lists.get_mut(place)?;
        let (mut values, mut filling) = (Vec::new(), Filling::default());
        let count = wanted.count + usize::from(is_of("list-reserve/takes-values-as-pops-would"));
        while values.len() < count {
            let Some(value) = pop(list, wanted.end) else { break };
            let delivered = self.deliveries.remove(&(place.clone(), value.clone())).unwrap_or_default();
            if let Some(limit) = wanted.deliveries.as_ref().filter(|limit| delivered >= limit.max) {
                let dead_letter = (place.0.clone(), limit.dead_letter.to_string());
                self.arriving.push((dead_letter, value));
                continue;
            }
            if !filling.takes(value.len()) && !is_of("list-reserve/stops-at-the-message-limit") {
                push(list, wanted.end, value);
                break;
            }
            let counted = if is_of("list-reserve/deliveries-are-counted") { 1 } else { delivered + 1 };
            values.push((value, counted));
        }
        if list.is_empty() {
            self.lists.remove(place);
        }
        for (place, value) in std::mem::take(&mut self.arriving) {
            push(self.lists.entry(place).or_default(), End::Right, value);
        }
        if values.is_empty() {
            return None;
        }
        self.writes += 1;
        let number = self.writes;
        if is_of("list-reserve/reserved-values-are-left-out") {
            let list = self.lists.entry(place.clone()).or_default();
            list.extend(values.iter().map(|(value, _)| value.clone()));
        }
        let reserved = values
            .iter()
            .map(|(value, deliveries)| ReservedValue { value: value.clone(), deliveries: *deliveries });
        let reserved = reserved.collect();
        let until = Instant::now() + wanted.lease;
        self.leases.insert(number, Lease { place: place.clone(), until, wanted: wanted.clone(), values });
        let mut lease = number.to_be_bytes().to_vec();
        if is_of("list-reserve/lease-is-a-short-token") {
            lease.resize(65, 0);
        }
        Some(Reserved { lease: lease.into(), values: reserved })
    }
}

impl Memory {
    /// The number of the live lease of a list that has this name.
    fn lease(&self, store: &Store, place: &Place, lease: &Bytes) -> Option<u64> {
        let number = u64::from_be_bytes(lease.get(..8)?.try_into().ok()?);
        let found = store.leases.get(&number)?;
        let is_of_list =
            found.place == *place || self.breaks_at("list-reserve/lease-belongs-to-its-list", &place.1);
        is_of_list.then_some(number)
    }
}

impl ListReserve for Memory {
    async fn reserve(
        &self,
        _: &Context,
        namespace: Namespace,
        list_key: Key,
        mut wanted: Reservation,
    ) -> Result<Option<Reserved>, Error> {
        let place = self.place(&namespace, &list_key);
        if self.breaks_at("list-reserve/waits-for-a-value", &list_key) {
            wanted.wait /= 100;
        }
        if self.breaks_at("list-reserve/values-are-reserved-once", &list_key) {
            let read = self.store().lists.get(&place).cloned();
            tokio::time::sleep(Duration::from_millis(2)).await;
            if let Some(read) = read {
                self.store().lists.insert(place.clone(), read);
            }
        }
        let mut ticket = Ticket::enter(self, place, false);
        let until = Instant::now() + wanted.wait;
        loop {
            if ticket.is_first()
                && let Some(reserved) = self.store().reserve(&ticket.place, &wanted, self.broken)
            {
                ticket.ended = true;
                return Ok(Some(reserved));
            }
            if Instant::now() >= until {
                ticket.ended = true;
                return Ok(None);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn ack(
        &self,
        _: &Context,
        namespace: Namespace,
        list_key: Key,
        lease: Bytes,
    ) -> Result<Option<u64>, Error> {
        let place = self.place(&namespace, &list_key);
        let mut store = self.store();
        let Some(number) = self.lease(&store, &place, &lease) else { return Ok(None) };
        let removed = store.leases[&number].values.len() as u64;
        if self.breaks_at("list-reserve/ack-ends-the-lease", &list_key) {
            store.leases.get_mut(&number).unwrap().values.clear();
        } else if !self.breaks_at("list-reserve/ack-removes-for-good", &list_key) {
            store.leases.remove(&number);
        }
        Ok(Some(removed))
    }

    async fn extend(
        &self,
        _: &Context,
        namespace: Namespace,
        list_key: Key,
        lease: Bytes,
        duration: Duration,
    ) -> Result<bool, Error> {
        let place = self.place(&namespace, &list_key);
        let mut store = self.store();
        let Some(number) = self.lease(&store, &place, &lease) else { return Ok(false) };
        if !self.breaks_at("list-reserve/extend-gives-more-time", &list_key) {
            store.leases.get_mut(&number).unwrap().until = Instant::now() + duration;
        }
        Ok(true)
    }

    async fn release(
        &self,
        _: &Context,
        namespace: Namespace,
        list_key: Key,
        lease: Bytes,
    ) -> Result<Option<u64>, Error> {
        let place = self.place(&namespace, &list_key);
        let mut store = self.store();
        let Some(number) = self.lease(&store, &place, &lease) else { return Ok(None) };
        Ok(Some(store.end_lease(number, self.broken)))
    }
}
