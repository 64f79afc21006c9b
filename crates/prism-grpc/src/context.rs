//! What is known about a call besides its message: who makes it, how much time is left, and its headers.

use std::sync::Arc;
use std::time::Duration;

use http::request;
use prism_proto::Error;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::head::{self, IDEMPOTENCY_KEY, TRACEPARENT};
use crate::identity::Identity;
use crate::limits::Limits;
use crate::peer::{Peer, PeerAddress};
use crate::shares::Pool;

/// A call's context, from its acceptance to the plugin that serves it. Cheap to clone. Headers are parsed only when
/// asked for, so they cost nothing otherwise.
#[derive(Clone, Debug)]
pub struct Context(Arc<Known>);

#[derive(Debug)]
struct Known {
    head: request::Parts,
    peer: Arc<Peer>,
    identity: Option<Identity>,
    arrived: Instant,
    deadline: Option<Instant>,
}

impl Default for Context {
    /// The context of a call that the process itself makes: no headers, deadline or identity.
    fn default() -> Self {
        let (head, ()) = http::Request::new(()).into_parts();
        let limits = Limits::default();
        let pool = Pool::new(0);
        let peer =
            Peer::new(PeerAddress::Unix, &limits, &pool, &pool, &Arc::default(), &CancellationToken::new());
        Self(Arc::new(Known { head, peer, identity: None, arrived: Instant::now(), deadline: None }))
    }
}

impl Context {
    /// The context of a new call, with the timeout from its head. Inlined, so that the head is copied once.
    #[inline]
    pub(crate) fn new(head: request::Parts, peer: Arc<Peer>, timeout: Option<Duration>) -> Self {
        let arrived = Instant::now();
        // A deadline beyond what the clock can express is no deadline.
        let deadline = timeout.and_then(|timeout| arrived.checked_add(timeout));
        Self(Arc::new(Known { head, peer, identity: None, arrived, deadline }))
    }

    /// The call's head.
    #[must_use]
    pub fn head(&self) -> &request::Parts {
        &self.0.head
    }

    /// Takes the head, copying it if the context is shared.
    pub(crate) fn into_head(self) -> request::Parts {
        Arc::try_unwrap(self.0).map_or_else(|known| known.head.clone(), |known| known.head)
    }

    /// The other end of the connection.
    #[must_use]
    pub fn peer(&self) -> &Arc<Peer> {
        &self.0.peer
    }

    /// Who makes the call; `None` if nothing has proved it.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        self.0.identity.as_ref()
    }

    /// The same call, made by `identity`.
    #[must_use]
    pub fn made_by(mut self, identity: Option<Identity>) -> Self {
        if let Some(known) = Arc::get_mut(&mut self.0) {
            known.identity = identity;
            return self;
        }
        let (arrived, deadline, peer) = (self.0.arrived, self.0.deadline, Arc::clone(&self.0.peer));
        Self(Arc::new(Known { head: self.into_head(), peer, identity, arrived, deadline }))
    }

    /// When the call's head arrived.
    #[must_use]
    pub fn arrived(&self) -> Instant {
        self.0.arrived
    }

    /// When the caller stops waiting; `None` if there is no deadline.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.0.deadline
    }

    /// Limits the call to `timeout` from its arrival, unless it has a deadline of its own.
    #[must_use]
    pub fn or_timeout(self, timeout: Duration) -> Self {
        let Known { arrived, deadline: None, .. } = *self.0 else { return self };
        let deadline = arrived.checked_add(timeout);
        let (peer, identity) = (Arc::clone(&self.0.peer), self.0.identity.clone());
        Self(Arc::new(Known { head: self.into_head(), peer, identity, arrived, deadline }))
    }

    /// The time left until the deadline; zero once it has passed.
    #[must_use]
    pub fn time_left(&self) -> Option<Duration> {
        self.deadline().map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Checks that the deadline has not passed; to be called before anything is acted on.
    ///
    /// # Errors
    /// DEADLINE_EXCEEDED; nothing was applied.
    pub fn check_deadline(&self) -> Result<(), Error> {
        match self.deadline() {
            Some(deadline) if Instant::now() >= deadline => Err(head::deadline_exceeded(false)),
            _ => Ok(()),
        }
    }

    /// Completes when the server that has accepted the call begins to drain: a call that waits should end then.
    pub async fn draining(&self) {
        self.0.peer.drain.cancelled().await;
    }

    /// The trace to which the call belongs, according to the caller.
    #[must_use]
    pub fn trace_id(&self) -> Option<u128> {
        let text = self.0.head.headers.get(TRACEPARENT)?.to_str().ok()?;
        let trace = text.split('-').nth(1).filter(|trace| trace.len() == 32)?;
        u128::from_str_radix(trace, 16).ok().filter(|trace| *trace != 0)
    }

    /// The idempotency key: the caller may repeat the call under it.
    #[must_use]
    pub fn idempotency_key(&self) -> Option<&str> {
        self.0.head.headers.get(IDEMPOTENCY_KEY)?.to_str().ok()
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn context(name: &str, value: &str) -> Result<Context, Error> {
        let (head, ()) = Request::post("/a.B/C").header(name, value).body(()).unwrap().into_parts();
        let timeout = head::timeout(&head.headers)?;
        Ok(Context::new(head, Arc::clone(Context::default().peer()), timeout))
    }

    #[test]
    fn a_trace_is_read_from_its_header() {
        let trace = |text| context("traceparent", text).unwrap().trace_id();
        let id = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736;
        assert_eq!(trace("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), Some(id));
        for wrong in ["", "00", "00-4bf92f35-00f067aa0ba902b7-01", "00-00000000000000000000000000000000-0-1"]
        {
            assert_eq!(trace(wrong), None, "{wrong}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_is_over_is_told_and_one_that_is_not_there_never() {
        let over = context("grpc-timeout", "0n").unwrap().check_deadline().unwrap_err();
        assert_eq!(
            (over.reason, over.fact("applied")),
            (prism_proto::ErrorReason::DeadlineExceeded, Some("no"))
        );
        let later = context("grpc-timeout", "1m").unwrap();
        assert_eq!(later.check_deadline(), Ok(()));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(later.check_deadline().is_err());
        assert_eq!(context("other", "1").unwrap().time_left(), None);
        assert!(context("grpc-timeout", "1").is_err());
    }
}
