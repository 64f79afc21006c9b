//! What a write does to lists, as steps of a batch: values come and go, under leases too, and are handed to those who wait.

use std::hash::{BuildHasher as _, RandomState};

use bytes::Bytes;
use prism_plugin::Error;
use prism_plugin::list::{End, Filling, Reservation, Reserved};

use crate::clock;
use crate::layout::leases::{LAST, Lease, lease, lease_of, leases, named};
use crate::layout::retries::Call;
use crate::layout::{self, Ends};
use crate::txn::{Txn, decoded};
use crate::waiters::{Given, Handed, Place, Waiter, Wish};

/// A list within a write.
pub(crate) struct Opened<'a, 'b> {
    txn: &'a mut Txn<'b>,
    place: &'a Place,
    pub(crate) ends: Ends,
    existed: bool,
}

impl<'a, 'b> Opened<'a, 'b> {
    pub(crate) fn new(txn: &'a mut Txn<'b>, place: &'a Place) -> Result<Self, Error> {
        let encoded = txn.get(&layout::list(&place.0, place.1.as_bytes()))?;
        let existed = encoded.is_some();
        let ends =
            encoded.map(|encoded| decoded(Ends::decode(&encoded), "the ends of a list")).transpose()?;
        Ok(Self { txn, place, ends: ends.unwrap_or_default(), existed })
    }

    pub(crate) fn element(&self, position: i64) -> Vec<u8> {
        layout::element(&self.place.0, self.place.1.as_bytes(), position)
    }

    pub(crate) fn value(&mut self, position: i64) -> Result<Bytes, Error> {
        let element = self.element(position);
        decoded(self.txn.get(&element)?, "a list without one of its values")
    }

    pub(crate) fn put(&mut self, position: i64, value: Bytes) {
        let element = self.element(position);
        self.txn.put(element, value);
    }

    pub(crate) fn remove(&mut self, position: i64) {
        let element = self.element(position);
        self.txn.remove(element);
    }

    /// The position of the value at an end, of a list that has values.
    pub(crate) fn last(&self, end: End) -> i64 {
        match end {
            End::Left => self.ends.head,
            End::Right => self.ends.tail - 1,
        }
    }

    pub(crate) fn add(&mut self, end: End, value: Bytes) {
        let position = match end {
            End::Left => {
                self.ends.head -= 1;
                self.ends.head
            }
            End::Right => {
                self.ends.tail += 1;
                self.ends.tail - 1
            }
        };
        self.put(position, value);
    }

    /// How often the value at a position has been delivered.
    pub(crate) fn deliveries(&mut self, position: i64) -> Result<u32, Error> {
        if self.ends.delivered == 0 {
            return Ok(0);
        }
        let key = layout::leases::deliveries(&self.place.0, self.place.1.as_bytes(), position);
        let Some(encoded) = self.txn.get(&key)? else { return Ok(0) };
        let count = encoded.first_chunk().map(|count| u32::from_be_bytes(*count));
        decoded(count, "the deliveries of a value")
    }

    pub(crate) fn set_deliveries(&mut self, position: i64, count: u32) -> Result<(), Error> {
        let was_delivered = self.deliveries(position)? > 0;
        if count == 0 && !was_delivered {
            return Ok(());
        }
        let key = layout::leases::deliveries(&self.place.0, self.place.1.as_bytes(), position);
        if count == 0 {
            self.ends.delivered = self.ends.delivered.saturating_sub(1);
            self.txn.remove(key);
        } else {
            self.ends.delivered += u64::from(!was_delivered);
            self.txn.put(key, Bytes::copy_from_slice(&count.to_be_bytes()));
        }
        Ok(())
    }

    /// Removes the value at an end of a list that has values.
    pub(crate) fn cut(&mut self, end: End) -> Result<(), Error> {
        self.set_deliveries(self.last(end), 0)?;
        self.remove(self.last(end));
        match end {
            End::Left => self.ends.head += 1,
            End::Right => self.ends.tail -= 1,
        }
        Ok(())
    }

    pub(crate) fn push(mut self, end: End, value: Bytes) -> Result<u64, Error> {
        self.add(end, value);
        self.close()
    }

    pub(crate) fn pop(mut self, end: End) -> Result<Option<Bytes>, Error> {
        if self.ends.len() == 0 {
            return Ok(None);
        }
        let value = self.value(self.last(end))?;
        self.cut(end)?;
        self.close()?;
        Ok(Some(value))
    }

    /// Writes the ends, and returns how many values there are.
    pub(crate) fn close(self) -> Result<u64, Error> {
        let len = self.ends.len();
        let key = layout::list(&self.place.0, self.place.1.as_bytes());
        match len {
            0 if self.existed => self.txn.remove(key),
            0 => {}
            _ => self.txn.put(key, self.ends.encode()),
        }
        match (self.existed, len > 0) {
            (false, true) => self.txn.count(&self.place.0, |counts| counts.lists += 1)?,
            (true, false) => {
                self.txn.count(&self.place.0, |counts| counts.lists = counts.lists.saturating_sub(1))?;
            }
            _ => {}
        }
        Ok(len)
    }
}

/// Hands the values of a list to those who wait for it.
pub(crate) fn serve(txn: &mut Txn<'_>, place: &Place) -> Result<(), Error> {
    if !txn.waiters.are_there() {
        return Ok(());
    }
    while let Some(waiter) = txn.waiters.next(place) {
        match take(txn, place, &waiter) {
            Ok(Some(given)) => txn.handed.push(Handed { place: place.clone(), waiter, given }),
            nothing => {
                txn.waiters.enter(place.clone(), waiter);
                return nothing.map(drop);
            }
        }
    }
    Ok(())
}

/// Takes out of a list what a waiter wishes, and records it as the answer to its call.
fn take(txn: &mut Txn<'_>, place: &Place, waiter: &Waiter) -> Result<Option<Given>, Error> {
    match &waiter.wish {
        Wish::Pop(end) => {
            let value = Opened::new(txn, place)?.pop(*end)?;
            record(txn, waiter, &value)?;
            Ok(value.map(|value| Given::Value(*end, value)))
        }
        Wish::Reserve(wanted) => {
            let reserved = reserve(txn, place, wanted)?;
            record(txn, waiter, &reserved)?;
            Ok(reserved.map(Given::Reserved))
        }
    }
}

/// Records the answer to the call of a waiter that is given something.
fn record<R: 'static>(txn: &mut Txn<'_>, waiter: &Waiter, given: &Option<R>) -> Result<(), Error> {
    match waiter.context.attempt().filter(|_| given.is_some()) {
        Some(attempt) => txn.record_answer(attempt, given),
        None => Ok(()),
    }
}

/// Puts back what nobody took, and forgets that it was the answer to a call.
pub(crate) fn put_back(
    txn: &mut Txn<'_>,
    place: &Place,
    given: &Given,
    call: Option<&Call>,
) -> Result<(), Error> {
    if let Some(call) = call {
        txn.forget_answer(call)?;
    }
    match given {
        Given::Value(end, value) => {
            Opened::new(txn, place)?.push(*end, value.clone())?;
            serve(txn, place)
        }
        Given::Reserved(reserved) => undo(txn, place, &reserved.lease),
    }
}

/// The lease of a list with this name, and its key.
pub(crate) fn live(
    txn: &mut Txn<'_>,
    place: &Place,
    token: &[u8],
) -> Result<Option<(Vec<u8>, Lease)>, Error> {
    let Some((number, check)) = named(token) else { return Ok(None) };
    let key = lease(&place.0, place.1.as_bytes(), number);
    let Some(encoded) = txn.get(&key)? else { return Ok(None) };
    let lease = decoded(Lease::decode(encoded), "a lease")?;
    Ok((lease.check == check).then_some((key, lease)))
}

/// Reserves what is there, and moves what has been delivered too often.
pub(crate) fn reserve(
    txn: &mut Txn<'_>,
    place: &Place,
    wanted: &Reservation,
) -> Result<Option<Reserved>, Error> {
    let mut list = Opened::new(txn, place)?;
    let (mut values, mut dead, mut filling) = (Vec::new(), Vec::new(), Filling::default());
    while values.len() < wanted.count && list.ends.len() > 0 {
        let position = list.last(wanted.end);
        let (deliveries, value) = (list.deliveries(position)?, list.value(position)?);
        if wanted.deliveries.as_ref().is_some_and(|limit| deliveries >= limit.max) {
            if !values.is_empty() {
                break;
            }
            dead.push(value);
        } else if filling.takes(value.len()) {
            values.push((deliveries.saturating_add(1), value));
        } else {
            break;
        }
        list.cut(wanted.end)?;
    }
    list.close()?;
    if let Some(limit) = wanted.deliveries.as_ref().filter(|_| !dead.is_empty()) {
        let dead_letter = (place.0.clone(), limit.dead_letter.clone());
        bury(txn, &dead_letter, dead)?;
        serve(txn, &dead_letter)?;
    }
    if values.is_empty() {
        return Ok(None);
    }
    let last = txn.get(LAST)?.and_then(|number| number.first_chunk().copied());
    let number = last.map_or(0, u64::from_be_bytes) + 1;
    let until = clock::deadline(txn.now, wanted.lease);
    let check = RandomState::new().hash_one(number);
    let lease = Lease { until, check, end: wanted.end, deliveries: wanted.deliveries.clone(), values };
    txn.put(LAST.to_vec(), Bytes::copy_from_slice(&number.to_be_bytes()));
    txn.put(self::lease(&place.0, place.1.as_bytes(), number), lease.encode());
    Ok(Some(lease.reserved(number)))
}

/// Adds values at the right end of a dead letter list.
fn bury(txn: &mut Txn<'_>, dead_letter: &Place, dead: Vec<Bytes>) -> Result<(), Error> {
    let mut list = Opened::new(txn, dead_letter)?;
    dead.into_iter().for_each(|value| list.add(End::Right, value));
    list.close().map(drop)
}

/// Returns the values of leases that have been removed, in the order in which they were made.
pub(crate) fn give_back(txn: &mut Txn<'_>, place: &Place, mut leases: Vec<Lease>) -> Result<(), Error> {
    let mut dead_letters = Vec::new();
    for (list_key, dead) in leases.iter_mut().filter_map(Lease::take_dead) {
        let dead_letter = (place.0.clone(), list_key);
        bury(txn, &dead_letter, dead)?;
        dead_letters.push(dead_letter);
    }
    let mut list = Opened::new(txn, place)?;
    // The lease that was made last took the values behind those of the others.
    for lease in leases.into_iter().rev() {
        for (deliveries, value) in lease.values.into_iter().rev() {
            list.add(lease.end, value);
            list.set_deliveries(list.last(lease.end), deliveries)?;
        }
    }
    list.close()?;
    serve(txn, place)?;
    dead_letters.iter().try_for_each(|dead_letter| serve(txn, dead_letter))
}

/// Returns the values of a lease that nobody has been given, as if there had been none.
pub(crate) fn undo(txn: &mut Txn<'_>, place: &Place, token: &[u8]) -> Result<(), Error> {
    let Some((key, mut lease)) = live(txn, place, token)? else { return Ok(()) };
    lease.values.iter_mut().for_each(|(deliveries, _)| *deliveries = deliveries.saturating_sub(1));
    txn.remove(key);
    give_back(txn, place, vec![lease])
}

/// Returns the values of leases that have ended, by their keys.
pub(crate) fn end_leases(txn: &mut Txn<'_>, mut keys: Vec<Vec<u8>>) {
    // Those of a list come together, in the order in which they were made.
    keys.sort_unstable();
    let mut left = keys.into_iter().filter_map(|key| Some((lease_of(&key)?.0, key))).peekable();
    while let Some((place, first)) = left.next() {
        let mut of_list = vec![first];
        while let Some((_, key)) = left.next_if(|(other, _)| *other == place) {
            of_list.push(key);
        }
        let ended = txn.step(|txn| {
            let mut leases = Vec::new();
            for key in of_list {
                if let Some(encoded) = txn.get(&key)? {
                    leases.push(decoded(Lease::decode(encoded), "a lease")?);
                    txn.remove(key);
                }
            }
            give_back(txn, &place, leases)
        });
        if let Err(error) = ended {
            tracing::error!(%error, list = %&*place.1, "the values of an ended lease cannot be put back");
        }
    }
}

/// Removes all leases of a list along with their values.
pub(crate) fn clear_leases(txn: &mut Txn<'_>, place: &Place) -> Result<(), Error> {
    let (from, to) = leases(&place.0, place.1.as_bytes());
    for key in txn.keys(&from, &to)? {
        txn.remove(key);
    }
    Ok(())
}
