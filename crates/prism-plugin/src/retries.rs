//! Calls under an idempotency key: which calls may have one, and that a repetition is answered as the first was.
//!
//! ```text
//!  call ──▶ key? ──no──▶ act
//!            │yes
//!            ▼
//!          wait until no other call with this key runs ──▶ recall ──answer──▶ respond with it
//!                                                            │none
//!                                                            ▼
//!                                             act, and record in the same step ──▶ keep ──▶ respond
//! ```
//!
//! A key belongs to a unary call that changes one key or list. Anywhere else it is refused, because whoever sends it relies on it.

mod turns;

use std::future::ready;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use prism_grpc::Context;
use prism_grpc::head::IDEMPOTENCY_KEY;
use prism_grpc::interface::{Answer, Method, StreamAnswer, StreamCall, TonicCall, UnaryCall};
use prism_grpc::message::{PREFIX_BYTES, framed};
use prism_grpc::service::Services;
use prism_proto::error::APPLIED;
use prism_proto::idempotency::invalid;
use prism_proto::methods::KNOWN;
use prism_proto::{Applied, codec};
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use tonic::Status;

pub use prism_grpc::attempt::Attempt;
pub use prism_proto::idempotency::IdempotencyKey;
pub use prism_proto::limits::{IDEMPOTENCY_BYTES_MAX, IDEMPOTENCY_RECORD_LIFE, IDEMPOTENCY_RECORDS_MAX};

use self::turns::Turns;
use crate::error::{Error, ErrorReason};
use crate::types::Namespace;

/// A backend that keeps the answers to calls under idempotency keys, and declares `idempotent_retries`.
///
/// A record is kept, **in the same atomic step as the write**, under caller, namespace, client and sequence number: the digest of the
/// request, and the encoded answer. A write finds its [`Attempt`] in [`Context::attempt`], and encodes the answer for what it
/// is about to return with [`Attempt::answer`]. A backend in memory, which cannot lose one without the other, may leave that to
/// [`keep`](Self::keep).
///
/// A record lives for [`IDEMPOTENCY_RECORD_LIFE`] from its write; the key's `acked` permits freeing records
/// with lower numbers sooner. Failed calls have no record: they changed nothing.
pub trait IdempotentRetries: Send + Sync + 'static {
    /// Returns the answer that is recorded for this call, once it is as durable as that of a write, or `None`: the call is acted on
    /// then. No other call with the same caller, namespace, client and sequence number runs meanwhile in this process.
    ///
    /// # Errors
    /// IDEMPOTENCY_KEY_REUSED if the record has another digest: see [`reused`]. IDEMPOTENCY_WINDOW_PASSED if the backend may have
    /// forgotten the record: see [`window_passed`]. IDEMPOTENCY_LIMIT if the client has as many records as may be: see [`too_many`].
    /// MEMORY_LIMIT if a record has no room. Otherwise an error of the backend. The call has not been acted on.
    fn recall(&self, attempt: &Attempt) -> impl Future<Output = Result<Option<Bytes>, Error>> + Send;

    /// Keeps the answer to a call that has been acted on, for a backend whose writes have not recorded it. Called as soon as the
    /// method has returned: nothing can be cancelled between.
    fn keep(&self, attempt: &Attempt, answer: &Bytes) {
        let _ = (attempt, answer);
    }
}

/// [`IdempotentRetries`] for any backend.
trait Records: Send + Sync {
    fn recall<'a>(&'a self, attempt: &'a Attempt) -> BoxFuture<'a, Result<Option<Bytes>, Error>>;
    fn keep(&self, attempt: &Attempt, answer: &Bytes);
}

impl<B: IdempotentRetries> Records for B {
    fn recall<'a>(&'a self, attempt: &'a Attempt) -> BoxFuture<'a, Result<Option<Bytes>, Error>> {
        Box::pin(IdempotentRetries::recall(self, attempt))
    }

    fn keep(&self, attempt: &Attempt, answer: &Bytes) {
        IdempotentRetries::keep(self, attempt, answer);
    }
}

/// What stands in front of the methods of a plugin.
#[derive(Clone, Default)]
pub(crate) struct Retries {
    /// `None` for a backend that keeps no answers.
    records: Option<Arc<dyn Records>>,
    turns: Arc<Turns>,
}

impl std::fmt::Debug for Retries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Retries").field("are_kept", &self.records.is_some()).finish_non_exhaustive()
    }
}

impl Retries {
    pub(crate) fn of<B: IdempotentRetries>(backend: Arc<B>) -> Self {
        Self { records: Some(backend), turns: Arc::default() }
    }

    /// The same services, which heed idempotency keys.
    pub(crate) fn heeded_by(&self, services: Services) -> Services {
        let heeding = |method, keyed| match method {
            Method::Unary(call) => Method::Unary(self.unary(call, keyed)),
            Method::Streaming(call) => Method::Streaming(refusing(call)),
        };
        services.behind(heeding, refusing_streams)
    }

    /// A unary method that heeds idempotency keys. `keyed`: its path, if its requests name one key or list.
    fn unary(&self, call: UnaryCall, keyed: Option<&'static str>) -> UnaryCall {
        let path = keyed.filter(|path| KNOWN.get(*path).is_some_and(|method| !method.no_side_effects));
        let (retries, call) = (self.clone(), Arc::new(call));
        Box::new(move |context: Context, message: Bytes| -> Answer {
            if !context.has_idempotency_key() {
                return call(context, message);
            }
            match retries.attempt(&context, path, &message) {
                Ok((records, attempt)) => {
                    let (turns, call) = (Arc::clone(&retries.turns), Arc::clone(&call));
                    Box::pin(async move {
                        let _turn = turns.wait(&attempt).await;
                        if let Some(answer) = records.recall(&attempt).await? {
                            return Ok(framed(&answer));
                        }
                        context.check_deadline()?;
                        let answer = call(context.attempting(Arc::clone(&attempt)), message).await?;
                        records.keep(&attempt, &answer.slice(PREFIX_BYTES..));
                        Ok(answer)
                    })
                }
                Err(error) => Box::pin(ready(Err(error))),
            }
        })
    }

    /// The attempt that a call is, and what keeps its answer.
    fn attempt(
        &self,
        context: &Context,
        path: Option<&'static str>,
        message: &[u8],
    ) -> Result<(Arc<dyn Records>, Arc<Attempt>), Error> {
        let key = context.idempotency_key()?;
        let path = path.ok_or_else(misplaced)?;
        let Some((records, key)) = self.records.as_ref().zip(key) else {
            let why = "this namespace's backend keeps no answers, so an idempotency-key would not keep a call from being applied \
                       twice; send the call without it (see the capability idempotent_retries)";
            return Err(invalid(why));
        };
        Ok((Arc::clone(records), Arc::new(attempt(context, key, path, message)?)))
    }
}

/// A method that returns a stream, and has no idempotency keys.
fn refusing(call: StreamCall) -> StreamCall {
    Box::new(move |context: Context, message: Bytes| -> StreamAnswer {
        if context.has_idempotency_key() { Box::pin(ready(Err(misplaced()))) } else { call(context, message) }
    })
}

/// The same for one that takes a stream.
fn refusing_streams(call: TonicCall) -> TonicCall {
    Box::new(move |request| {
        if !request.headers().contains_key(IDEMPOTENCY_KEY) {
            return call(request);
        }
        Box::pin(async { Ok(Status::from(misplaced()).into_http()) })
    })
}

/// What is known about a call under a key.
fn attempt(
    context: &Context,
    key: IdempotencyKey,
    path: &'static str,
    message: &[u8],
) -> Result<Attempt, Error> {
    /// Every request's field 1.
    #[derive(Clone, PartialEq, prost::Message)]
    struct Addressed {
        #[prost(string, tag = "1")]
        namespace: String,
    }
    let addressed = Addressed::decode(message).map_err(|source| codec::malformed(&source))?;
    let namespace = Namespace::new(addressed.namespace)?;
    // The path ends where the message begins: no path contains a 0.
    let digest = Sha256::new().chain_update(path).chain_update([0]).chain_update(message).finalize();
    Ok(Attempt::new(key, context.identity().cloned(), namespace.to_string(), path, digest.into()))
}

fn misplaced() -> Error {
    let why = "idempotency-key belongs to unary calls that change one key or list, and this is none; send it without";
    invalid(why)
}

/// IDEMPOTENCY_KEY_REUSED.
#[must_use]
pub fn reused() -> Error {
    let why =
        "another request was sent under this idempotency-key; give each call a sequence number of its own";
    Error::new(ErrorReason::IdempotencyKeyReused, why).with("field", "idempotency-key")
}

/// IDEMPOTENCY_WINDOW_PASSED.
#[must_use]
pub fn window_passed() -> Error {
    let why = "the answer to this idempotency-key is no longer known, so the call may have been applied; look at the data before \
               sending it again under another key";
    Error::new(ErrorReason::IdempotencyWindowPassed, why).with(APPLIED, Applied::Maybe.as_str())
}

/// IDEMPOTENCY_LIMIT.
#[must_use]
pub fn too_many() -> Error {
    let (records, bytes) = (IDEMPOTENCY_RECORDS_MAX, IDEMPOTENCY_BYTES_MAX);
    let why = format!(
        "the client has {records} answers or {bytes} bytes of them on record; let it raise ACKED in its idempotency-key, or \
         wait until they are 2 minutes old"
    );
    Error::new(ErrorReason::IdempotencyLimit, why)
        .with("limit", records.to_string())
        .with(APPLIED, Applied::No.as_str())
}
