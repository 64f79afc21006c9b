//! One call's use of a connection: the service that the generated clients send their request through. Holds its
//! place in the connection's load until the answer has been read or dropped.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;
use tonic::Status;
use tower_service::Service;

use super::dial::Sender;
use super::slot::Slot;
use crate::error::Lost;

/// A connection for one request. Dropping the request's future or the answer's body resets the stream.
#[derive(Debug)]
pub struct Lease {
    sender: Sender,
    load: Option<Load>,
}

impl Lease {
    pub(super) fn new(sender: Sender, load: Load) -> Self {
        Self { sender, load: Some(load) }
    }
}

impl Service<Request<tonic::body::Body>> for Lease {
    type Response = Response<Answer>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Status>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<tonic::body::Body>) -> Self::Future {
        let sending = self.sender.try_send_request(request);
        let load = self.load.take();
        Box::pin(async move {
            match sending.await {
                Ok(response) => Ok(response.map(|incoming| Answer { incoming, _load: load })),
                Err(returned) if returned.message().is_some() => {
                    Err(Lost::unsent(returned.into_error()).into())
                }
                Err(failed) => Err(Lost::sent(failed.into_error()).into()),
            }
        })
    }
}

/// The body of an answer.
#[derive(Debug)]
pub struct Answer {
    incoming: Incoming,
    _load: Option<Load>,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = Pin::new(&mut self.get_mut().incoming).poll_frame(cx);
        frame.map_err(|error| Lost::midway(error).into())
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

/// One call's place: its permit in the pool, and its part of a slot's load.
#[derive(Debug)]
pub(super) struct Load {
    slot: Arc<Slot>,
    _permit: OwnedSemaphorePermit,
}

impl Load {
    pub(super) fn add(slot: Arc<Slot>, permit: OwnedSemaphorePermit) -> Self {
        slot.load.fetch_add(1, Ordering::Relaxed);
        Self { slot, _permit: permit }
    }

    pub(super) fn slot(&self) -> &Arc<Slot> {
        &self.slot
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.slot.load.fetch_sub(1, Ordering::Relaxed);
    }
}
