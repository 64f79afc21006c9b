//! What a backend returned as the answer to a call, which a backend may also have to record along with its write.

use prism_grpc::Context;
use prost::Message;

use crate::error::Error;

/// The answer to a write. `answer` is what a backend records that keeps the answers to calls under idempotency keys.
pub(super) async fn answered<T: 'static, M: Message + 'static>(
    context: &Context,
    called: impl Future<Output = Result<T, Error>>,
    answer: fn(&T) -> M,
) -> Result<M, Error> {
    context.answers(move |result| Some(answer(result)));
    Ok(answer(&called.await?))
}

/// The same for a write that fails with `refusal`, and leaves nothing to record, where there is no answer.
pub(super) async fn answered_or<T: 'static, M: Message + 'static>(
    context: &Context,
    called: impl Future<Output = Result<T, Error>>,
    answer: fn(&T) -> Option<M>,
    refusal: impl FnOnce() -> Error,
) -> Result<M, Error> {
    context.answers(answer);
    answer(&called.await?).ok_or_else(refusal)
}
