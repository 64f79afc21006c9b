//! Which connection carries the next call, and how many calls are in flight.

use std::sync::{Arc, Mutex};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::dial::Target;
use super::lease::{Lease, Load};
use super::slot::{NoConnection, Slot};

/// How many calls a connection carries before the next one is used. Calls that share a connection also share its reads
/// and writes, which costs both sides less than a connection each; beyond some 16 there is little left to gain.
const CALLS_SHARED: usize = 16;

// `pick` balances loads in steps of CALLS_SHARED, so a connection's share of a full pool is exact only in such steps.
const _: () = assert!(super::STREAMS_PER_CONNECTION.is_multiple_of(CALLS_SHARED));

/// A fixed number of slots, and permits for the calls in them.
#[derive(Debug)]
pub(crate) struct Pool {
    slots: Box<[Arc<Slot>]>,
    permits: Arc<Semaphore>,
    /// Held while a slot is chosen and its load increased, never across an await.
    picking: Mutex<()>,
}

impl Pool {
    /// `connections` slots that together carry `calls_max` calls; further calls wait.
    pub(crate) fn new(target: Target, connections: usize, calls_max: usize) -> Self {
        let target = Arc::new(target);
        Self {
            slots: (0..connections).map(|_| Arc::new(Slot::new(target.clone()))).collect(),
            permits: Arc::new(Semaphore::new(calls_max)),
            picking: Mutex::new(()),
        }
    }

    /// Waits for a permit, then for a connection, for one call.
    pub(crate) async fn lease(&self) -> Result<Lease, NoConnection> {
        let permit = self.permits.clone().acquire_owned().await.map_err(|_| NoConnection::Closed)?;
        let load = self.pick(permit);
        let sender = load.slot().connection().await?;
        Ok(Lease::new(sender, load))
    }

    /// How many connections have been made so far.
    pub(crate) fn connections_made(&self) -> u64 {
        self.slots.iter().map(|slot| slot.connections_made()).sum()
    }

    /// Ends every wait and releases the connections, which close when the calls in flight are done.
    pub(crate) fn close(&self) {
        self.permits.close();
        self.slots.iter().for_each(|slot| slot.close());
    }

    /// The slot with the least load, counted in steps of [`CALLS_SHARED`]; the first of equals. While it has no
    /// connection yet, another slot that has one takes the call, unless that one is full.
    fn pick(&self, permit: OwnedSemaphorePermit) -> Load {
        let _picking = self.picking.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let step = |slot: &Arc<Slot>| slot.load() / CALLS_SHARED;
        let least = self.slots.iter().min_by_key(|slot| step(slot)).expect("a pool has a slot");
        let chosen = if least.is_ready() {
            least
        } else {
            let has_room = |slot: &&Arc<Slot>| slot.load() < super::STREAMS_PER_CONNECTION && slot.is_ready();
            let ready = self.slots.iter().filter(has_room).min_by_key(|slot| step(slot));
            if ready.is_some() {
                least.prepare();
            }
            ready.unwrap_or(least)
        };
        Load::add(chosen.clone(), permit)
    }
}
