//! A call between its request and the head of its answer.

use std::pin::Pin;
use std::task::{self, Poll};
use std::time::Duration;

use h2::RecvStream;
use h2::client::ResponseFuture;
use http::Response;

use crate::upstream::Place;

/// A call that was given up runs out for so long; a backend that does not answer it by then is reset all the same.
const RUN_OUT_MAX: Duration = Duration::from_secs(30);

/// A call that the backend has and has not answered. Dropped before the answer it is reset, if the connection may have one
/// reset more; else it runs out: what comes is dropped, and only then its place is free.
pub(super) struct Unanswered(Option<(ResponseFuture, Place)>);

impl Unanswered {
    pub(super) fn new(response: ResponseFuture, place: Place) -> Self {
        Self(Some((response, place)))
    }

    pub(super) fn place(&self) -> Option<&Place> {
        self.0.as_ref().map(|(_, place)| place)
    }

    pub(super) fn poll(
        &mut self,
        cx: &mut task::Context<'_>,
    ) -> Poll<Result<Response<RecvStream>, h2::Error>> {
        match &mut self.0 {
            Some((response, _)) => Pin::new(response).poll(cx),
            None => Poll::Pending,
        }
    }

    /// The call's place, which is the caller's now.
    pub(super) fn answered(mut self) -> Option<Place> {
        self.0.take().map(|(_, place)| place)
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        let Some((response, place)) = self.0.take() else { return };
        if place.may_reset() {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                // Its head is enough: what is reset after that counts for nobody.
                let _ = tokio::time::timeout(RUN_OUT_MAX, response).await;
                drop(place);
            });
        }
    }
}
