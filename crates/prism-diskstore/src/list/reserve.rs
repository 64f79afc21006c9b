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

use std::time::Duration;

use bytes::Bytes;
use prism_plugin::list::{ListReserve, Reservation, Reserved};
use prism_plugin::types::{Key, Namespace};
use prism_plugin::{Context, Error};

use super::blocking::wait_for;
use crate::clock;
use crate::layout::leases::Lease;
use crate::lists::{give_back, live};
use crate::store::DiskStore;
use crate::waiters::{Given, Wish};

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
