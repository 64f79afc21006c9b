//! Connections to backends, a separate set for each worker.
//!
//! Unary calls and streams use separate connections: what a slow reader leaves unread occupies the window of its whole
//! connection, and would freeze every unary call on it.
//!
//! | module | owns |
//! |---|---|
//! | `kind` | what differs between unary calls and streams |
//! | `shares` | how many calls at a backend one client's connection and one namespace may have |
//! | `place` | a connection, and one call's slot on it |
//! | `discovery` | querying a new backend's reflection |
//! | `dial` | making one connection |
//! | `link` | the connections of one kind to one backend, and whether it can be reached |

mod dial;
mod discovery;
mod kind;
mod link;
mod place;
mod shares;

use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use prism_grpc::peer::Peer;
use prism_grpc::slots::{Slot, Slots};
use rustc_hash::FxHashMap;

pub use self::kind::Kind;
use self::link::{Link, locked};
pub use self::place::{Full, NoPlace, Place};
pub use self::shares::SlotArgs;
use crate::route::Remote;
use crate::traffic::Traffic;

/// How often to look for connections to backends that the configuration no longer names.
const UNUSED_CHECK: Duration = Duration::from_secs(1);

/// One worker's connections to all backends.
#[derive(Clone, Debug)]
pub struct Upstreams {
    links: Arc<Mutex<Links>>,
    shares: SlotArgs,
}

#[derive(Debug, Default)]
struct Links {
    /// By the address of the [`Remote`], which is not reused while a link points to it, even weakly.
    links: FxHashMap<(usize, Kind), Arc<Link>>,
    /// By the address of the namespace's [`Traffic`], with the same guarantee, and that of the remote.
    ways: FxHashMap<(usize, usize, Kind), Way>,
}

/// A namespace's path to its backend, and its share of the slots there.
#[derive(Debug)]
struct Way {
    namespace: Weak<Traffic>,
    link: Arc<Link>,
    share: Arc<Slots>,
}

impl Upstreams {
    /// No connections yet.
    #[must_use]
    pub fn new(shares: SlotArgs) -> Self {
        Self { links: Arc::default(), shares }
    }

    /// A slot for a call of this peer and namespace on a connection to a backend, if one is free now, as it is for most
    /// calls.
    #[must_use]
    pub fn free_place(
        &self,
        remote: &Arc<Remote>,
        kind: Kind,
        peer: &Peer,
        namespace: &Arc<Traffic>,
    ) -> Option<Place> {
        let mut links = locked(&self.links);
        let way = links.way(remote, kind, namespace, &self.shares);
        let client = self.client_slots(kind, peer).try_take()?;
        way.link.free_place([client, way.share.try_take()?])
    }

    /// Waits for a slot, and connects if necessary. Fails at once while the backend is down.
    ///
    /// # Errors
    /// [`NoPlace`]; the backend has seen nothing.
    ///
    /// # Cancel safety
    /// A future that is dropped while it waits leaves no trace; the connection is still made.
    pub async fn place(
        &self,
        remote: &Arc<Remote>,
        kind: Kind,
        peer: &Peer,
        namespace: &Arc<Traffic>,
    ) -> Result<Place, NoPlace> {
        let (link, share) = {
            let mut links = locked(&self.links);
            let way = links.way(remote, kind, namespace, &self.shares);
            (Arc::clone(&way.link), Arc::clone(&way.share))
        };
        let client = slot(kind, self.client_slots(kind, peer), remote, Full::Connection).await?;
        let namespace = slot(kind, &share, remote, Full::Namespace).await?;
        link.place([client, namespace]).await.map_err(NoPlace::Unreachable)
    }

    /// Closes the connections to backends to which no table routes any more, once their calls have ended; never ends.
    pub async fn close_unused(self) {
        let mut timer = tokio::time::interval(UNUSED_CHECK);
        loop {
            timer.tick().await;
            let Links { links, ways } = &mut *locked(&self.links);
            ways.retain(|_, way| way.link.is_used() && way.namespace.strong_count() > 0);
            links.retain(|_, link| link.is_used());
        }
    }

    fn client_slots<'a>(&self, kind: Kind, peer: &'a Peer) -> &'a Arc<Slots> {
        let max = self.shares.connection(kind);
        match kind {
            Kind::Unary => peer.unary_slots(max),
            Kind::Streaming => peer.stream_slots(max),
        }
    }
}

impl Links {
    fn way(&mut self, remote: &Arc<Remote>, kind: Kind, namespace: &Arc<Traffic>, shares: &SlotArgs) -> &Way {
        let Self { links, ways } = self;
        let remote_at = Arc::as_ptr(remote).addr();
        ways.entry((Arc::as_ptr(namespace).addr(), remote_at, kind)).or_insert_with(|| {
            let link = links.entry((remote_at, kind)).or_insert_with(|| Link::new(remote, kind));
            Way {
                namespace: Arc::downgrade(namespace),
                link: Arc::clone(link),
                share: Slots::new(shares.namespace(kind)),
            }
        })
    }
}

/// A slot of a share: immediately, or for a unary call once one is free.
async fn slot(
    kind: Kind,
    share: &Arc<Slots>,
    remote: &Remote,
    full: fn(usize) -> Full,
) -> Result<Slot, NoPlace> {
    match (share.try_take(), kind) {
        (Some(slot), _) => Ok(slot),
        (None, Kind::Unary) => {
            remote.slot_waited_for();
            Ok(share.take().await)
        }
        (None, Kind::Streaming) => {
            remote.slot_refused();
            Err(NoPlace::Full(full(share.max())))
        }
    }
}
