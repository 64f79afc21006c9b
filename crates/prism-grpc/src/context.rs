//! What is known about a call besides its message: who makes it, how much time is left, and its headers.

use std::sync::Arc;
use std::time::Duration;

use http::request;
use prism_proto::Error;
use prism_proto::idempotency::{IdempotencyKey, invalid};
use prost::Message;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::attempt::Attempt;
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
    attempt: Option<Arc<Attempt>>,
}

impl Default for Context {
    /// The context of a call that the process itself makes: no headers, deadline or identity.
    fn default() -> Self {
        let (head, ()) = http::Request::new(()).into_parts();
        let limits = Limits::default();
        let pool = Pool::new(0);
        let peer =
            Peer::new(PeerAddress::Unix, &limits, &pool, &pool, &Arc::default(), &CancellationToken::new());
        let arrived = Instant::now();
        Self(Arc::new(Known { head, peer, identity: None, arrived, deadline: None, attempt: None }))
    }
}

impl Context {
    /// The context of a new call, with the timeout from its head. Inlined, so that the head is copied once.
    #[inline]
    pub(crate) fn new(head: request::Parts, peer: Arc<Peer>, timeout: Option<Duration>) -> Self {
        let arrived = Instant::now();
        // A deadline beyond what the clock can express is no deadline.
        let deadline = timeout.and_then(|timeout| arrived.checked_add(timeout));
        Self(Arc::new(Known { head, peer, identity: None, arrived, deadline, attempt: None }))
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
        let attempt = self.0.attempt.clone();
        Self(Arc::new(Known { head: self.into_head(), peer, identity, arrived, deadline, attempt }))
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
        let attempt = self.0.attempt.clone();
        Self(Arc::new(Known { head: self.into_head(), peer, identity, arrived, deadline, attempt }))
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

    /// Whether the call has an idempotency key, which may be malformed.
    #[must_use]
    pub fn has_idempotency_key(&self) -> bool {
        self.0.head.headers.contains_key(IDEMPOTENCY_KEY)
    }

    /// The idempotency key: the caller may repeat the call under it.
    ///
    /// # Errors
    /// IDEMPOTENCY_KEY_INVALID.
    pub fn idempotency_key(&self) -> Result<Option<IdempotencyKey>, Error> {
        let mut values = self.0.head.headers.get_all(IDEMPOTENCY_KEY).iter();
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(invalid("idempotency-key is given more than once; send one for each call"));
        }
        value.to_str().unwrap_or_default().parse().map(Some)
    }

    /// What a backend that keeps answers records in the same atomic step as the call's write; `None` if the caller does not repeat the
    /// call.
    #[must_use]
    pub fn attempt(&self) -> Option<&Attempt> {
        self.0.attempt.as_deref()
    }

    /// The same call as an attempt.
    #[must_use]
    pub fn attempting(mut self, attempt: Arc<Attempt>) -> Self {
        let attempt = Some(attempt);
        if let Some(known) = Arc::get_mut(&mut self.0) {
            known.attempt = attempt;
            return self;
        }
        let (arrived, deadline, peer) = (self.0.arrived, self.0.deadline, Arc::clone(&self.0.peer));
        let identity = self.0.identity.clone();
        Self(Arc::new(Known { head: self.into_head(), peer, identity, arrived, deadline, attempt }))
    }

    /// Says how a result of the backend becomes the answer, for a backend that records it: see [`Attempt::answers`]. Costs nothing if the
    /// call has no idempotency key.
    pub fn answers<T: 'static, M: Message>(&self, answer: impl Fn(&T) -> Option<M> + Send + Sync + 'static) {
        if let Some(attempt) = &self.0.attempt {
            attempt.answers(answer);
        }
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

    #[test]
    fn an_idempotency_key_is_read_from_its_header() {
        let key = |text| context("idempotency-key", text).unwrap().idempotency_key();
        let text = "000000000000000000000000000000ff.7.3";
        assert_eq!(key(text), Ok(Some(IdempotencyKey { client: 255, seq: 7, acked: 3 })));
        for wrong in ["", "1", "\u{e9}"] {
            assert_eq!(key(wrong).unwrap_err().reason, prism_proto::ErrorReason::IdempotencyKeyInvalid);
        }
        let without = context("other", "1").unwrap();
        assert_eq!((without.idempotency_key(), without.has_idempotency_key()), (Ok(None), false));
        let head = Request::post("/a.B/C").header("idempotency-key", text).header("idempotency-key", text);
        let (head, ()) = head.body(()).unwrap().into_parts();
        let twice = Context::new(head, Arc::clone(Context::default().peer()), None);
        assert!(twice.has_idempotency_key() && twice.idempotency_key().is_err());
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
