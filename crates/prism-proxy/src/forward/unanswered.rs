//! A call between its request and the head of its response.

use std::pin::Pin;
use std::task::{self, Poll};
use std::time::Duration;

use http::Response;
use prism_http2::client::ResponseFuture;
use prism_http2::{Error, RecvStream};

use crate::upstream::Place;

/// How long a cancelled call may run to its end; if the backend has not responded by then, it is reset after all.
const RUN_OUT_MAX: Duration = Duration::from_secs(30);

/// A call that the backend has, but has not responded to. Dropped before the response, it is reset if the connection
/// allows another reset; otherwise it runs to its end: its response is dropped, and only then its slot is freed.
pub(super) struct Unanswered(Option<(ResponseFuture, Place)>);

impl Unanswered {
    pub(super) fn new(response: ResponseFuture, place: Place) -> Self {
        Self(Some((response, place)))
    }

    pub(super) fn place(&self) -> Option<&Place> {
        self.0.as_ref().map(|(_, place)| place)
    }

    pub(super) fn poll(&mut self, cx: &mut task::Context<'_>) -> Poll<Result<Response<RecvStream>, Error>> {
        match &mut self.0 {
            Some((response, _)) => Pin::new(response).poll(cx),
            None => Poll::Pending,
        }
    }

    /// Hands the call's slot over to the caller.
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
                // The head is enough: a reset after the response has begun does not count.
                let _ = tokio::time::timeout(RUN_OUT_MAX, response).await;
                drop(place);
            });
        }
    }
}
