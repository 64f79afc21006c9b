//! What a backend returned as the answer to a call, which a backend may also have to record along with its write.

use futures_util::FutureExt as _;
use prism_grpc::Context;
use prost::Message;

use crate::error::Error;

/// The answer to a write. `answer` is what a backend records that keeps the answers to calls under idempotency keys.
pub(super) fn answered<T: 'static, M: Message + 'static>(
    context: &Context,
    called: impl Future<Output = Result<T, Error>>,
    answer: fn(&T) -> M,
) -> impl Future<Output = Result<M, Error>> {
    context.answers(move |result| Some(answer(result)));
    // An `async fn` would store the backend's future twice.
    called.map(move |result| Ok(answer(&result?)))
}

/// The same for a write that fails with `refusal`, and leaves nothing to record, where there is no answer.
pub(super) fn answered_or<T: 'static, M: Message + 'static>(
    context: &Context,
    called: impl Future<Output = Result<T, Error>>,
    answer: fn(&T) -> Option<M>,
    refusal: impl FnOnce() -> Error,
) -> impl Future<Output = Result<M, Error>> {
    context.answers(answer);
    called.map(move |result| answer(&result?).ok_or_else(refusal))
}
