//! Pops that wait over a [`ListBlocking`] backend.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prism_grpc::Context;
use prism_grpc::interface::Interface;
use prism_proto::interfaces::list::{BlockingPopRequest, BlockingPopResponse};
use prism_proto::rpc::{Rpc as _, list as rpc};
use prism_proto::{FILE_DESCRIPTOR_SET, limits};

use super::checked_end;
use crate::adapter::answer::answered;
use crate::error::{Error, ErrorReason};
use crate::list::ListBlocking;
use crate::types::{Key, Namespace};
use crate::validate;

/// How long before its deadline a call stops waiting, so that its answer arrives in time.
const BEFORE_DEADLINE: Duration = Duration::from_millis(100);

pub(crate) fn interface<B: ListBlocking>(backend: Arc<B>) -> Interface<B> {
    Interface::new(rpc::BlockingPop::SERVICE, FILE_DESCRIPTOR_SET, backend)
        .unary::<rpc::BlockingPop, _>(blocking_pop)
}

async fn blocking_pop<B: ListBlocking>(
    backend: Arc<B>,
    context: Context,
    request: BlockingPopRequest,
) -> Result<BlockingPopResponse, Error> {
    let BlockingPopRequest { namespace, list_key, end, wait_millis } = request;
    let (namespace, list_key) = (Namespace::new(namespace)?, Key::new("list_key", list_key)?);
    let end = checked_end(end)?;
    let wait = checked_wait(&context, wait_millis)?;
    let pop = |wait| backend.blocking_pop(&context, namespace.clone(), list_key.clone(), end, wait);
    let popped = until_drain(&context, wait, pop);
    let answer = |value: &Option<Bytes>| BlockingPopResponse {
        found: value.is_some(),
        value: value.clone().unwrap_or_default(),
    };
    answered(&context, popped, answer).await
}

/// Makes a call that waits, and ends its wait when the server drains. A call that does not wait ends by itself, so what it has taken is
/// not lost.
///
/// Under an idempotency key the call is then made once more, without a wait: a backend that looks for the record while it acts may not have
/// found it yet, and a repetition is answered as the call was at first.
pub(super) async fn until_drain<T, F>(
    context: &Context,
    wait: Duration,
    call: impl Fn(Duration) -> F,
) -> Result<Option<T>, Error>
where
    F: Future<Output = Result<Option<T>, Error>>,
{
    if !wait.is_zero() {
        tokio::select! {
            answer = call(wait) => return answer,
            () = context.draining() => {}
        }
        if context.attempt().is_none() {
            return Ok(None);
        }
    }
    call(Duration::ZERO).await
}

/// How long a call may wait: as long as it asks for, and not until its deadline.
pub(super) fn checked_wait(context: &Context, wait_millis: i64) -> Result<Duration, Error> {
    let max = limits::WAIT_MAX;
    let wait = u64::try_from(wait_millis).map(Duration::from_millis).ok().filter(|wait| *wait <= max);
    let wait = wait.ok_or_else(|| {
        let range = format!("0 (do not wait) to {} (5 minutes)", max.as_millis());
        validate::out_of_range(ErrorReason::WaitInvalid, "wait_millis", wait_millis, &range)
            .with("limit", max.as_millis().to_string())
    })?;
    Ok(context.time_left().map_or(wait, |left| wait.min(left.saturating_sub(BEFORE_DEADLINE))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_before_the_deadline() {
        let wait = |context: &Context, millis| checked_wait(context, millis).unwrap().as_millis();
        let endless = Context::default();
        assert_eq!((wait(&endless, 0), wait(&endless, 300_000)), (0, 300_000));
        let context = Context::default().or_timeout(Duration::from_secs(2));
        assert_eq!((wait(&context, 300_000), wait(&context, 1_900), wait(&context, 1)), (1_900, 1_900, 1));
        tokio::time::advance(Duration::from_millis(1_950)).await;
        assert_eq!(wait(&context, 300_000), 0);
        for millis in [-1, 300_001, i64::MAX] {
            assert_eq!(checked_wait(&endless, millis).unwrap_err().reason, ErrorReason::WaitInvalid);
        }
    }
}
