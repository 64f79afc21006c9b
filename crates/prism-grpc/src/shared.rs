//! What the connections of a process share.

use std::sync::Arc;

use prism_net::tls::server::ServerTls;
use tokio_util::sync::CancellationToken;

use crate::counters::Counters;
use crate::limits::Limits;
use crate::peer::{Peer, PeerAddress};
use crate::shares::Pool;
use crate::span::Tracer;

/// What the connections of a process share.
#[derive(Debug)]
pub struct Shared {
    /// Cancelled when the server stops accepting calls.
    pub drain: CancellationToken,
    /// The counters.
    pub counters: Arc<Counters>,
    /// The limits.
    pub limits: Limits,
    /// Bytes of requests.
    pub requests: Arc<Pool>,
    /// Bytes of responses.
    pub answers: Arc<Pool>,
    /// Creates the spans of calls, if tracing is on.
    pub tracer: Option<Arc<dyn Tracer>>,
    /// TLS of the port, if it has any.
    pub tls: Option<Arc<ServerTls>>,
}

impl Shared {
    /// What a server with these limits shares when it starts.
    #[must_use]
    pub fn new(limits: Limits, drain: CancellationToken, tracer: Option<Arc<dyn Tracer>>) -> Self {
        let (requests, answers) = (Pool::new(limits.request_bytes_max), Pool::new(limits.answer_bytes_max));
        Self { drain, counters: Arc::default(), limits, requests, answers, tracer, tls: None }
    }

    /// The peer of a new connection.
    #[must_use]
    pub fn peer(&self, address: PeerAddress) -> Arc<Peer> {
        Peer::new(address, &self.limits, &self.requests, &self.answers, &self.counters, &self.drain)
    }
}
