//! Streams of messages that are made many at a time.

use std::future::Future;

use futures_core::Stream;
use futures_util::stream::{self, TryStreamExt as _};
use tonic::Status;

use crate::error::Error;

/// One or more messages and what makes the next; `None` at the end.
pub(crate) type Chunk<T, M> = Option<(Vec<M>, T)>;

/// The messages that `next` makes, beginning with `state`. After an error there are none. A chunk's messages are ready one after
/// another, so that tonic packs them into full frames instead of one frame per message.
pub(crate) fn chunks<T, M, Made>(
    state: T,
    next: impl FnMut(T) -> Made,
) -> impl Stream<Item = Result<M, Status>>
where
    Made: Future<Output = Result<Chunk<T, M>, Error>>,
{
    stream::try_unfold(state, next)
        .map_ok(|messages| stream::iter(messages.into_iter().map(Ok::<_, Error>)))
        .try_flatten()
        .map_err(Status::from)
}
