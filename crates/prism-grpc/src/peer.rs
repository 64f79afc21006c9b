//! The other end of a connection: its address, and what it uses of the server.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use prism_net::tls::trust::ClientCertificate;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::counters::Counters;
use crate::limits::Limits;
use crate::shares::{Pool, Share};
use crate::shown::Shown;
use crate::slots::Slots;

/// The address of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerAddress {
    /// Over TCP.
    Tcp(SocketAddr),
    /// Over a Unix socket, on this machine.
    Unix,
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix => f.write_str("unix"),
        }
    }
}

/// The other end of one connection.
#[derive(Debug)]
pub struct Peer {
    /// Its address.
    pub address: PeerAddress,
    /// Set by the TLS handshake.
    certificate: OnceLock<ClientCertificate>,
    /// The credential that it has shown last.
    pub shown: Shown,
    /// Bytes of its requests that are being received or are not complete yet.
    pub requests: Arc<Share>,
    /// Bytes of responses that it has not read yet.
    pub answers: Arc<Share>,
    calls: AtomicUsize,
    calls_max: usize,
    watches: AtomicUsize,
    watches_max: usize,
    resets: AtomicU32,
    /// The number of its last call or, without any, its own, among everything that has arrived.
    last_call: AtomicU64,
    is_leaving: AtomicBool,
    evict: Notify,
    /// The server's counters.
    pub(crate) counters: Arc<Counters>,
    /// Cancelled when the server begins to drain.
    pub(crate) drain: CancellationToken,
    unary_slots: OnceLock<Arc<Slots>>,
    stream_slots: OnceLock<Arc<Slots>>,
}

impl Peer {
    /// A peer that uses nothing yet.
    #[must_use]
    pub fn new(
        address: PeerAddress,
        limits: &Limits,
        requests: &Arc<Pool>,
        answers: &Arc<Pool>,
        counters: &Arc<Counters>,
        drain: &CancellationToken,
    ) -> Arc<Self> {
        Arc::new(Self {
            address,
            certificate: OnceLock::new(),
            shown: Shown::default(),
            requests: Share::of(requests, limits.connection_request_bytes_max),
            answers: Share::of(answers, limits.connection_answer_bytes_max),
            calls: AtomicUsize::new(0),
            calls_max: limits.connection_in_flight_max,
            watches: AtomicUsize::new(0),
            watches_max: limits.connection_watches_max,
            resets: AtomicU32::new(0),
            last_call: AtomicU64::new(counters.number_arrival()),
            is_leaving: AtomicBool::new(false),
            evict: Notify::new(),
            counters: Arc::clone(counters),
            drain: drain.clone(),
            unary_slots: OnceLock::new(),
            stream_slots: OnceLock::new(),
        })
    }

    /// The certificate that the client has shown and proved to own. It may have become invalid since.
    #[must_use]
    pub fn certificate(&self) -> Option<&ClientCertificate> {
        self.certificate.get()
    }

    /// Records what the TLS handshake has proved; there is one in a connection.
    pub(crate) fn set_certificate(&self, certificate: ClientCertificate) {
        let _ = self.certificate.set(certificate);
    }

    /// The slots that its unary calls may hold of something that connections share, such as slots at a backend. The
    /// first caller sets their number.
    pub fn unary_slots(&self, max: usize) -> &Arc<Slots> {
        self.unary_slots.get_or_init(|| Slots::new(max))
    }

    /// The same for its streams.
    pub fn stream_slots(&self, max: usize) -> &Arc<Slots> {
        self.stream_slots.get_or_init(|| Slots::new(max))
    }

    /// Counts one more call in flight; `false` if its share is used up.
    pub(crate) fn begin_call(&self) -> bool {
        begin(&self.calls, self.calls_max)
    }

    pub(crate) fn end_call(&self) {
        self.calls.fetch_sub(1, Relaxed);
    }

    /// Counts one more long-lived stream; `false` if the limit is reached.
    pub(crate) fn begin_watch(&self) -> bool {
        begin(&self.watches, self.watches_max)
    }

    pub(crate) fn end_watch(&self) {
        self.watches.fetch_sub(1, Relaxed);
    }

    /// Records that a call has arrived, and its number.
    pub(crate) fn note_call(&self, number: u64) {
        self.last_call.store(number, Relaxed);
    }

    /// Since when it has been idle, for comparing peers; `None` if it has a call in flight or is leaving already.
    pub(crate) fn idle_since(&self) -> Option<u64> {
        let is_idle = !self.is_leaving() && self.calls.load(Relaxed) == 0 && self.watches.load(Relaxed) == 0;
        is_idle.then(|| self.last_call.load(Relaxed))
    }

    /// Asks the connection to leave.
    pub(crate) fn evict(&self) {
        self.is_leaving.store(true, Relaxed);
        self.evict.notify_one();
    }

    /// Whether the connection was asked to leave.
    pub(crate) fn is_leaving(&self) -> bool {
        self.is_leaving.load(Relaxed)
    }

    /// Waits until the connection is asked to leave.
    pub(crate) async fn evicted(&self) {
        self.evict.notified().await;
    }

    /// How many calls it may have in flight.
    pub(crate) fn calls_max(&self) -> usize {
        self.calls_max
    }

    /// Counts a call that the client has reset.
    pub(crate) fn note_reset(&self) {
        self.resets.fetch_add(1, Relaxed);
    }

    /// The number of calls reset since the last time this was called.
    pub(crate) fn take_resets(&self) -> u32 {
        self.resets.swap(0, Relaxed)
    }
}

fn begin(count: &AtomicUsize, max: usize) -> bool {
    let begun = count.fetch_add(1, Relaxed) < max;
    if !begun {
        count.fetch_sub(1, Relaxed);
    }
    begun
}
