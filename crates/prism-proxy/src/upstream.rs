//! Connections to backends, a set of its own for each worker.
//!
//! Unary calls and streams use separate connections: what a slow reader leaves unread holds the window of its whole
//! connection, and would freeze every unary call on it.
//!
//! | module | owns |
//! |---|---|
//! | `kind` | what differs between unary calls and streams |
//! | `place` | a connection, and one call's place on it |
//! | `discovery` | asking a new backend's reflection |
//! | `dial` | making one connection |
//! | `link` | the connections of one kind to one backend, and whether it can be reached |

mod dial;
mod discovery;
mod kind;
mod link;
mod place;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustc_hash::FxHashMap;

pub use self::kind::Kind;
use self::link::{Link, locked};
pub use self::place::{Place, Unreachable};
use crate::route::Remote;

/// How often connections to backends are looked for that the configuration no longer names.
const UNUSED_CHECK: Duration = Duration::from_secs(1);

/// One worker's connections to all backends.
#[derive(Clone, Debug, Default)]
pub struct Upstreams {
    links: Arc<Mutex<Links>>,
}

/// By the address of the [`Remote`], which stays its own while a link points to it, weakly or not.
type Links = FxHashMap<(usize, Kind), Arc<Link>>;

impl Upstreams {
    /// A place on a connection to a backend, which is made if need be. While the backend is down, fails at once.
    ///
    /// # Errors
    /// [`Unreachable`]; the backend has seen nothing.
    ///
    /// # Cancel safety
    /// Dropped while it waits, it leaves no trace; the connection is made all the same.
    pub async fn place(&self, remote: &Arc<Remote>, kind: Kind) -> Result<Place, Unreachable> {
        let link = self.link(remote, kind);
        link.place().await
    }

    /// Closes the connections to backends that nobody routes to any more, once their calls have ended; never ends.
    pub async fn close_unused(self) {
        let mut timer = tokio::time::interval(UNUSED_CHECK);
        loop {
            timer.tick().await;
            locked(&self.links).retain(|_, link| link.is_used());
        }
    }

    fn link(&self, remote: &Arc<Remote>, kind: Kind) -> Arc<Link> {
        let mut links = locked(&self.links);
        let key = (Arc::as_ptr(remote).addr(), kind);
        if let Some(link) = links.get(&key) {
            return Arc::clone(link);
        }
        let link = Link::new(remote, kind);
        links.insert(key, Arc::clone(&link));
        link
    }
}
