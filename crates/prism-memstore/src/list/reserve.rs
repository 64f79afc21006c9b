//! Values under leases.

use std::time::Duration;

use bytes::Bytes;
use prism_plugin::list::{ListReserve, Reservation, Reserved};
use prism_plugin::types::{Key, Namespace};
use prism_plugin::{Context, Error};

use crate::leases::Place;
use crate::store::MemStore;
use crate::waiters::{Given, Wish};

impl MemStore {
    /// Reserves what is there, and searches for expired keys if there is no room for the lease.
    async fn reserve_now(&self, place: &Place, wanted: &Reservation) -> Result<Option<Reserved>, Error> {
        self.write(|| {
            let attempt = self.shared.try_reserve(place, wanted);
            if let Some(limit) = wanted.deliveries.as_ref().filter(|_| attempt.moved) {
                self.shared.settle(&place.0, &limit.dead_letter);
            }
            attempt.reserved
        })
        .await
    }
}

impl ListReserve for MemStore {
    async fn reserve(
        &self,
        _: &Context,
        namespace: Namespace,
        list_key: Key,
        reservation: Reservation,
    ) -> Result<Option<Reserved>, Error> {
        self.shared.settle(&namespace, &list_key);
        let place = (namespace, list_key);
        // Nobody is served before those who wait already.
        if !self.shared.waiters.wait_for(&place.0, &place.1)
            && let Some(reserved) = self.reserve_now(&place, &reservation).await?
        {
            return Ok(Some(reserved));
        }
        let wait = reservation.wait;
        if wait.is_zero() {
            return Ok(None);
        }
        let mut waiting = self.shared.enter(place.0, place.1, Wish::Reserve(reservation));
        match tokio::time::timeout(wait, waiting.given()).await {
            Ok(Some(Given::Reserved(reserved))) => Ok(Some(reserved)),
            Ok(Some(Given::Full)) => Err(self.shared.memory_limit()),
            _ => Ok(None),
        }
    }

    async fn ack(
        &self,
        _: &Context,
        namespace: Namespace,
        list_key: Key,
        lease: Bytes,
    ) -> Result<Option<u64>, Error> {
        self.shared.settle(&namespace, &list_key);
        Ok(self.shared.ack(&(namespace, list_key), &lease))
    }

    async fn extend(
        &self,
        _: &Context,
        namespace: Namespace,
        list_key: Key,
        lease: Bytes,
        duration: Duration,
    ) -> Result<bool, Error> {
        self.shared.settle(&namespace, &list_key);
        Ok(self.shared.extend(&(namespace, list_key), &lease, duration))
    }

    async fn release(
        &self,
        _: &Context,
        namespace: Namespace,
        list_key: Key,
        lease: Bytes,
    ) -> Result<Option<u64>, Error> {
        self.shared.settle(&namespace, &list_key);
        Ok(self.shared.release(&(namespace, list_key), &lease))
    }
}
