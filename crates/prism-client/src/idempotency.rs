//! Calls that may be repeated although they may have been applied: their numbers, and which backends take them.
//!
//! A call under an idempotency key is applied once, however often it is sent. Each client counts its calls, and says with each of them below
//! which number it has all answers. Calls that wait for values have a count of their own, because one of them would keep all others from being
//! acknowledged meanwhile.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher as _, RandomState};
use std::pin::pin;
use std::process;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use prism_proto::idempotency::IdempotencyKey;
use prism_proto::interfaces::capabilities::GetCapabilitiesRequest;
use prism_proto::limits::{IDEMPOTENCY_RECORDS_MAX, IDEMPOTENCY_RETRY_MAX};
use prism_proto::rpc::{Rpc as _, capabilities::GetCapabilities};
use prism_proto::{ErrorReason, methods};
use tokio::sync::{Mutex as AsyncMutex, Notify};
use tonic::Request;

use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind};
use crate::metadata::Own;
use crate::method::{Method, RequestOf, path_of, send};
use crate::shared::Shared;
use crate::token::Token;

/// The metadata entry that carries the key.
pub(crate) const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// The calls that wait for values.
const WAITING: [&str; 2] = ["BlockingPop", "Reserve"];

/// After this long a backend is asked again, because the gateway may have given the namespace another one.
const ASK_EVERY: Duration = Duration::from_secs(60);

/// Longer than the wait before a repetition.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// What a client knows about its own repeatable calls.
#[derive(Default)]
pub(crate) struct Idempotency {
    prompt: Arc<Calls>,
    waiting: Arc<Calls>,
    backends: Mutex<HashMap<String, Arc<AsyncMutex<Option<Known>>>>>,
}

/// What a backend has answered.
struct Known {
    keeps_answers: bool,
    asked: Instant,
    /// How many connections the client had made.
    connections: u64,
}

/// The calls of one count.
#[derive(Default)]
struct Calls {
    state: Mutex<State>,
    freed: Notify,
}

#[derive(Default)]
struct State {
    /// The client's number, and the process that chose it: a fork must not use it.
    client: Option<(u32, u128)>,
    next: u64,
    /// The calls whose answers are outstanding.
    open: BTreeSet<u64>,
}

/// A call's number, until it is dropped: the call has its answer then, or will not be repeated.
pub(crate) struct Numbered {
    calls: Arc<Calls>,
    client: u128,
    seq: u64,
}

impl Numbered {
    /// The key with which to send it now.
    pub(crate) fn key(&self) -> IdempotencyKey {
        let acked = self.calls.lock().open.first().copied().unwrap_or(self.seq).min(self.seq);
        IdempotencyKey { client: self.client, seq: self.seq, acked }
    }
}

impl Drop for Numbered {
    fn drop(&mut self) {
        self.calls.lock().open.remove(&self.seq);
        self.calls.freed.notify_waiters();
    }
}

impl Calls {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Numbers a call, as soon as few enough are outstanding.
    async fn number(self: &Arc<Self>) -> Numbered {
        loop {
            let mut freed = pin!(self.freed.notified());
            freed.as_mut().enable();
            if let Some((client, seq)) = self.lock().number() {
                return Numbered { calls: Arc::clone(self), client, seq };
            }
            freed.await;
        }
    }
}

impl State {
    /// The next number; `None` while too many calls are outstanding.
    fn number(&mut self) -> Option<(u128, u64)> {
        let process = process::id();
        let client = match self.client {
            Some((of, client)) if of == process => client,
            _ => {
                let client = random(process);
                *self = Self { client: Some((process, client)), ..Self::default() };
                client
            }
        };
        let first = self.open.first().copied().unwrap_or(self.next);
        if self.next - first >= IDEMPOTENCY_RECORDS_MAX as u64 {
            return None;
        }
        let seq = self.next;
        self.next += 1;
        self.open.insert(seq);
        Some((client, seq))
    }
}

/// A random number that no fork of this process has, from the system's randomness.
fn random(process: u32) -> u128 {
    let (now, random) = (SystemTime::now(), RandomState::new());
    let half = |which: u8| u128::from(random.hash_one((process, now, which)));
    half(0) << 64 | half(1)
}

/// Whether a method changes one key or list, and changes more if it is applied twice.
pub(crate) fn is_repeatable_under_a_key(path: &str, subject: &str) -> bool {
    let is_keyed = matches!(subject, "key" | "list_key");
    let is_unary = methods::KNOWN.get(path).is_some_and(|method| method.is_unary());
    is_keyed && is_unary && !methods::IDEMPOTENT.contains(path)
}

/// Whether one call is sent under a key.
pub(crate) struct Keyed<'a> {
    namespace: &'a str,
    /// Its method, if that is repeatable under a key, until the backend is known to keep no answers.
    name: Option<&'static str>,
    numbered: Option<Numbered>,
    /// When it was first sent under its key.
    begun: Option<Instant>,
    /// The first error after which it may have been applied.
    doubt: Option<Error>,
}

impl<'a> Keyed<'a> {
    pub(crate) fn of<M: Method>(message: &'a RequestOf<M>, own: &Own) -> Self {
        let is_wanted =
            is_repeatable_under_a_key(path_of::<M>(), <M::Rpc>::SUBJECT) && !own.has(IDEMPOTENCY_KEY);
        let name = is_wanted.then_some(<M::Rpc>::NAME);
        Self { namespace: <M::Rpc>::namespace(message), name, numbered: None, begun: None, doubt: None }
    }

    /// Numbers the call before it is sent, if its backend keeps answers. If that cannot be found out, it is sent without a key.
    pub(crate) async fn prepare(&mut self, shared: &Shared, own: &Own, deadline: Deadline) {
        let Some(name) = self.name.filter(|_| self.numbered.is_none()) else { return };
        match shared.keeps_answers(self.namespace, own, deadline).await {
            Ok(true) => {
                let Idempotency { prompt, waiting, .. } = &shared.idempotency;
                let calls = if WAITING.contains(&name) { waiting } else { prompt };
                self.numbered = Some(calls.number().await);
                self.begun = Some(Instant::now());
            }
            Ok(false) => self.name = None,
            Err(error) => tracing::debug!(%error, "the backend could not be asked for its capabilities"),
        }
    }

    pub(crate) fn add_to<T>(&self, request: &mut Request<T>) {
        let key = self.numbered.as_ref().map(|numbered| numbered.key().to_string().parse());
        if let Some(Ok(key)) = key {
            request.metadata_mut().insert(IDEMPOTENCY_KEY, key);
        }
    }

    /// Whether the call may be repeated now although it may have been applied.
    pub(crate) fn repeats(&self) -> bool {
        let latest = IDEMPOTENCY_RETRY_MAX - WAIT_MAX;
        self.numbered.is_some() && self.begun.is_some_and(|begun| begun.elapsed() < latest)
    }

    /// What an error means for the key: `Ok` if the call is to be sent at once without it, because the backend keeps no answers any
    /// more, and otherwise the error to go on with.
    pub(crate) async fn after(&mut self, shared: &Shared, error: Error) -> Result<(), Error> {
        if self.numbered.is_none() || error.reason() != Some(ErrorReason::IdempotencyKeyInvalid) {
            if self.doubt.is_none() && error.may_have_been_applied() {
                self.doubt = Some(error.clone());
            }
            return Err(error);
        }
        *shared.known(self.namespace).lock().await = None;
        (self.name, self.numbered) = (None, None);
        // An earlier attempt may have been applied by a backend that did keep answers.
        self.doubt.take().map_or(Ok(()), Err)
    }
}

impl Shared {
    fn known(&self, namespace: &str) -> Arc<AsyncMutex<Option<Known>>> {
        let mut backends = self.idempotency.backends.lock().unwrap_or_else(PoisonError::into_inner);
        match backends.get(namespace) {
            Some(known) => Arc::clone(known),
            None => Arc::clone(backends.entry(namespace.to_owned()).or_default()),
        }
    }

    /// Whether a namespace's backend keeps answers. Asked once for all calls that want to know.
    async fn keeps_answers(&self, namespace: &str, own: &Own, deadline: Deadline) -> Result<bool, Error> {
        let known = self.known(namespace);
        let mut known = known.lock().await;
        let connections = self.unary.connections_made();
        let fresh = known
            .as_ref()
            .filter(|known| known.connections == connections && known.asked.elapsed() < ASK_EVERY);
        if let Some(fresh) = fresh {
            return Ok(fresh.keeps_answers);
        }
        let keeps_answers = match Box::pin(self.ask(namespace, own, deadline)).await {
            Ok(keeps_answers) => keeps_answers,
            // Nothing is promised, or not to this caller.
            Err(error) if matches!(error.kind(), ErrorKind::Unimplemented | ErrorKind::PermissionDenied) => {
                false
            }
            Err(error) => return Err(error),
        };
        // The question may have opened the connection.
        let connections = self.unary.connections_made();
        *known = Some(Known { keeps_answers, asked: Instant::now(), connections });
        Ok(keeps_answers)
    }

    async fn ask(&self, namespace: &str, own: &Own, deadline: Deadline) -> Result<bool, Error> {
        const OPERATION: &str = GetCapabilities::OPERATION;
        let lease = self.unary.lease().await.map_err(|none| none.of(OPERATION))?;
        let token: Option<Token> = self.token(OPERATION, own).await?;
        let question = GetCapabilitiesRequest { namespace: namespace.to_owned() };
        let mut request = self.request(question, own, token.as_ref())?;
        request.set_timeout(deadline.left());
        match send::<GetCapabilities>(lease, self.origin.clone(), request).await {
            Ok(answer) => Ok(answer.into_inner().idempotent_retries),
            Err(status) => Err(Error::from_status(OPERATION, &status)),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::poll;

    use super::*;

    #[tokio::test]
    async fn what_is_acknowledged_is_what_lies_below_the_first_outstanding_call() {
        let calls = Arc::new(Calls::default());
        let (first, second, third) = (calls.number().await, calls.number().await, calls.number().await);
        let key = |call: &Numbered| (call.key().seq, call.key().acked);
        assert_eq!((key(&first), key(&second), key(&third)), ((0, 0), (1, 0), (2, 0)));
        drop(second);
        assert_eq!(key(&third), (2, 0));
        drop(first);
        assert_eq!(key(&third), (2, 2));
        assert_eq!(key(&calls.number().await), (3, 2));
        assert_eq!(third.key().client, calls.number().await.key().client);
    }

    #[tokio::test]
    async fn calls_are_held_back_while_too_many_are_outstanding() {
        let calls = Arc::new(Calls::default());
        let mut open = Vec::new();
        for _ in 0..IDEMPOTENCY_RECORDS_MAX {
            open.push(calls.number().await);
        }
        let mut next = Box::pin(calls.number());
        assert!(poll!(next.as_mut()).is_pending());
        // The first of them counts, however few others there are.
        open.truncate(1);
        assert!(poll!(next.as_mut()).is_pending());
        open.clear();
        let next = next.await;
        assert_eq!((next.key().seq, next.key().acked), (4096, 4096));
    }

    #[test]
    fn clients_have_different_numbers() {
        let numbers: BTreeSet<_> = (0..100).map(|_| random(1)).collect();
        assert_eq!(numbers.len(), 100);
    }

    #[test]
    fn writes_of_one_key_that_add_up_are_repeatable_under_a_key() {
        use prism_proto::rpc::{keyvalue, list};
        fn is<R: prism_proto::rpc::Rpc>() -> bool {
            is_repeatable_under_a_key(R::PATH, R::SUBJECT)
        }
        assert!(is::<list::PushLeft>() && is::<list::PopRight>() && is::<list::Reserve>());
        assert!(is::<keyvalue::Increment>() && is::<keyvalue::SetIf>() && is::<keyvalue::GetAndDelete>());
        assert!(!is::<keyvalue::Set>() && !is::<keyvalue::Get>() && !is::<keyvalue::BatchSet>());
        assert!(!is::<list::Length>() && !is::<list::GetRange>());
    }
}
