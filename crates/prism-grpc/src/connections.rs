//! The open connections, their limit, and which of them makes room for a new one.
//!
//! While there is room, every connection is accepted. Once the table is full, the connection that has been idle longest
//! is asked to leave. Above three quarters, an address that holds a quarter of the table evicts its own connections, so
//! that one host cannot keep the others out; Unix sockets have no address and are exempt. Each new connection asks a
//! different one to leave, because a client that does not answer takes a while to go.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::counters::Counters;
use crate::peer::{Peer, PeerAddress};

/// The table.
#[derive(Debug)]
pub(crate) struct Connections {
    max: usize,
    permits: Arc<Semaphore>,
    open: Mutex<FxHashMap<u64, Arc<Peer>>>,
    next: AtomicU64,
    counters: Arc<Counters>,
}

impl Connections {
    pub(crate) fn new(max: usize, counters: Arc<Counters>) -> Arc<Self> {
        // A semaphore's own limit is far above any number of descriptors.
        let permits = Arc::new(Semaphore::new(max.min(Semaphore::MAX_PERMITS)));
        Arc::new(Self { max, permits, open: Mutex::default(), next: AtomicU64::new(0), counters })
    }

    /// Adds a connection once there is a slot for it. `None`: its address has used up its share, and none of its
    /// connections is idle.
    pub(crate) async fn enter(self: &Arc<Self>, peer: Arc<Peer>) -> Option<Entry> {
        if let Some(address) = ip(&peer)
            && !self.leaves_room_for(address)
        {
            return None;
        }
        let permit = match Arc::clone(&self.permits).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                self.evict_idlest(|_| true);
                Arc::clone(&self.permits).acquire_owned().await.ok()?
            }
        };
        let id = self.next.fetch_add(1, Relaxed);
        self.locked().insert(id, Arc::clone(&peer));
        Some(Entry { connections: Arc::clone(self), id, peer, _permit: permit })
    }

    /// Whether an address may have one more connection; if its share is used up, asks one of its own to leave.
    fn leaves_room_for(&self, address: IpAddr) -> bool {
        let is_its = |peer: &Peer| ip(peer) == Some(address) && !peer.is_leaving();
        let open = self.locked();
        if open.len() < self.max - self.max / 4 {
            return true;
        }
        let its = open.values().filter(|peer| is_its(peer)).count();
        drop(open);
        its < (self.max / 4).max(1) || self.evict_idlest(is_its)
    }

    /// Asks the connection that has been idle longest to leave; `false` if none is idle.
    fn evict_idlest(&self, may_go: impl Fn(&Peer) -> bool) -> bool {
        let open = self.locked();
        let idle = open.values().filter(|peer| may_go(peer));
        let idle = idle.filter_map(|peer| peer.idle_since().map(|since| (since, peer)));
        let Some((_, idlest)) = idle.min_by_key(|(since, _)| *since) else { return false };
        idlest.evict();
        self.counters.evicted_total.fetch_add(1, Relaxed);
        true
    }

    /// No caller's code, which could panic, runs under the lock.
    fn locked(&self) -> MutexGuard<'_, FxHashMap<u64, Arc<Peer>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn ip(peer: &Peer) -> Option<IpAddr> {
    match peer.address {
        PeerAddress::Tcp(address) => Some(address.ip()),
        PeerAddress::Unix => None,
    }
}

/// A connection's slot in the table, held until dropped.
#[derive(Debug)]
pub(crate) struct Entry {
    connections: Arc<Connections>,
    id: u64,
    pub(crate) peer: Arc<Peer>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.connections.locked().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::limits::Limits;
    use crate::shares::Pool;

    fn peer(host: u8) -> Arc<Peer> {
        static COUNTERS: LazyLock<Arc<Counters>> = LazyLock::new(Arc::default);
        let pool = Pool::new(0);
        let address = PeerAddress::Tcp(([10, 0, 0, host], 1).into());
        Peer::new(address, &Limits::default(), &pool, &pool, &COUNTERS, &CancellationToken::new())
    }

    #[tokio::test]
    async fn a_full_table_asks_the_idlest_to_leave() {
        let connections = Connections::new(4, Arc::default());
        let mut entries = Vec::new();
        for host in 0..4 {
            entries.push(connections.enter(peer(host)).await.unwrap());
        }
        for (entry, last_call) in entries.iter().zip([1030, 1010, 1020, 1040]) {
            entry.peer.note_call(last_call);
        }
        assert!(entries[1].peer.begin_call(), "the one that would be evicted has a call");
        let entering = tokio::spawn({
            let connections = Arc::clone(&connections);
            async move { connections.enter(peer(9)).await.is_some() }
        });
        entries[2].peer.evicted().await;
        assert!(!entering.is_finished());
        entries.remove(2);
        assert!(entering.await.unwrap());
    }

    #[tokio::test]
    async fn an_address_with_its_share_gives_way_to_itself() {
        let connections = Connections::new(8, Arc::default());
        let mut entries = Vec::new();
        for host in [1, 1, 1, 1, 1, 2] {
            entries.push(connections.enter(peer(host)).await.unwrap());
        }
        entries.iter().take(5).for_each(|entry| assert!(entry.peer.begin_call()));
        assert!(connections.enter(peer(1)).await.is_none(), "none of its own is idle");
        entries[3].peer.end_call();
        entries.push(connections.enter(peer(1)).await.unwrap());
        entries[3].peer.evicted().await;
        assert!(connections.enter(peer(3)).await.is_some());
    }

    #[tokio::test]
    async fn each_new_connection_asks_another_one_to_leave() {
        let connections = Connections::new(8, Arc::default());
        let mut entries = Vec::new();
        for _ in 0..8 {
            entries.push(connections.enter(peer(1)).await.unwrap());
        }
        // One connection was asked to leave for each of the seventh and the eighth.
        let leaving = entries.iter().map(|entry| entry.peer.is_leaving());
        assert_eq!(leaving.collect::<Vec<_>>(), [true, true, false, false, false, false, false, false]);
    }
}
