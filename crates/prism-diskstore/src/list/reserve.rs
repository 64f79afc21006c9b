//! Values under leases.
//!
//! ```text
//!            reserve             ack
//!  (in list) ───────▶ reserved ───────▶ (gone)
//!      ▲                 │
//!      │                 │ release, or the lease ends, or its waiter has gone
//!      │                 ├───────────────────────▶ back at its end of the list
//!      │                 │ the same, delivered too often
//!      └─────────────────┴───────────────────────▶ in the dead letter list
//! ```
//!
//! A lease is a record with its values, so each of these is a step of a batch. A batch begins with what has ended, so that each call
//! on a list meets it as it must be.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use bytes::Bytes;
use prism_plugin::list::{End, Filling, ListReserve, Reservation, Reserved};
use prism_plugin::types::{Key, Namespace};
use prism_plugin::{Context, Error};

use super::blocking::wait_for;
use super::{Opened, serve};
use crate::clock;
use crate::layout::leases::{LAST, Lease, lease, lease_of, leases, named};
use crate::store::DiskStore;
use crate::txn::{Txn, decoded};
use crate::waiters::{Given, Place, Wish};

impl ListReserve for DiskStore {
    async fn reserve(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        reservation: Reservation,
    ) -> Result<Option<Reserved>, Error> {
        let wait = reservation.wait;
        let wish = Wish::Reserve(reservation);
        match wait_for(self, context, (namespace, list_key), wish, wait).await? {
            Some(Given::Reserved(reserved)) => Ok(Some(reserved)),
            _ if context.attempt().is_some() => self.write(context, false, 0, |_| Ok(None)).await,
            _ => Ok(None),
        }
    }

    async fn ack(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        lease: Bytes,
    ) -> Result<Option<u64>, Error> {
        let place = (namespace, list_key);
        self.write(context, false, place.1.len(), move |txn| {
            let Some((key, lease)) = live(txn, &place, &lease)? else { return Ok(None) };
            txn.remove(key);
            Ok(Some(lease.values.len() as u64))
        })
        .await
    }

    async fn extend(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        lease: Bytes,
        duration: Duration,
    ) -> Result<bool, Error> {
        let place = (namespace, list_key);
        self.write(context, false, place.1.len(), move |txn| {
            let Some((key, lease)) = live(txn, &place, &lease)? else { return Ok(false) };
            let until = clock::deadline(txn.now, duration);
            txn.put(key, Lease { until, ..lease }.encode());
            Ok(true)
        })
        .await
    }

    async fn release(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        lease: Bytes,
    ) -> Result<Option<u64>, Error> {
        let place = (namespace, list_key);
        self.write(context, false, place.1.len(), move |txn| {
            let Some((key, lease)) = live(txn, &place, &lease)? else { return Ok(None) };
            let count = lease.values.len() as u64;
            txn.remove(key);
            give_back(txn, &place, vec![lease])?;
            Ok(Some(count))
        })
        .await
    }
}

/// The lease of a list with this name, and its key.
fn live(txn: &mut Txn<'_>, place: &Place, token: &[u8]) -> Result<Option<(Vec<u8>, Lease)>, Error> {
    let Some((number, check)) = named(token) else { return Ok(None) };
    let key = lease(&place.0, place.1.as_bytes(), number);
    let Some(encoded) = txn.get(&key)? else { return Ok(None) };
    let lease = decoded(Lease::decode(encoded), "a lease")?;
    Ok((lease.check == check).then_some((key, lease)))
}

/// Reserves what is there, and moves what has been delivered too often.
pub(super) fn reserve(
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
fn give_back(txn: &mut Txn<'_>, place: &Place, mut leases: Vec<Lease>) -> Result<(), Error> {
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
pub(super) fn undo(txn: &mut Txn<'_>, place: &Place, token: &[u8]) -> Result<(), Error> {
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
pub(super) fn clear(txn: &mut Txn<'_>, place: &Place) -> Result<(), Error> {
    let (from, to) = leases(&place.0, place.1.as_bytes());
    for key in txn.keys(&from, &to)? {
        txn.remove(key);
    }
    Ok(())
}
