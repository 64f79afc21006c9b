//! One call's use of a connection: the service through which the generated clients send their request. It counts
//! towards the connection's load until the response has been read or dropped.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use prism_http2::{RecvStream, SendStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;
use tonic::Status;
use tower_service::Service;

use super::dial::Sender;
use super::slot::Slot;
use crate::error::Lost;

/// A connection for one request. Dropping the request's future or the response's body resets the stream.
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
        let (sender, load) = (self.sender.clone(), self.load.take());
        Box::pin(async move {
            let (mut head, body) = request.into_parts();
            if head.extensions.remove::<InParts>().is_some() {
                return in_parts(sender, Request::from_parts(head, body), load).await;
            }
            let message = whole(body).await?;
            let mut streams = sender.ready().await.map_err(Lost::unsent)?;
            let (answer, mut sending) =
                streams.send_request(Request::from_parts(head, ()), false).map_err(Lost::unsent)?;
            // Handed over at once, whatever the window: it is in memory anyway, and this way one write sends it
            // together with its headers.
            sending.send_data(message, true).map_err(Lost::sent)?;
            let response = answer.await.map_err(Lost::sent)?;
            Ok(response.map(|incoming| Answer { incoming, _load: load, _sending: None }))
        })
    }
}

/// In a request's extensions: its body is sent as it comes, beside the response.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InParts;

/// Makes a request whose body goes on after the response has begun.
async fn in_parts(
    sender: Sender,
    request: Request<tonic::body::Body>,
    load: Option<Load>,
) -> Result<Response<Answer>, Status> {
    let (head, body) = request.into_parts();
    let mut streams = sender.ready().await.map_err(Lost::unsent)?;
    let (answer, to) = streams.send_request(Request::from_parts(head, ()), false).map_err(Lost::unsent)?;
    let sending = Sending(tokio::spawn(send_parts(body, to)));
    let response = answer.await.map_err(Lost::sent)?;
    Ok(response.map(|incoming| Answer { incoming, _load: load, _sending: Some(sending) }))
}

/// Sends a body as fast as the other side takes it.
async fn send_parts(mut body: tonic::body::Body, mut to: SendStream) {
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(mut data) = frame.into_data() else { continue };
        while !data.is_empty() {
            // An error once the other side has ended the stream: its response says why.
            let Ok(room) = poll_fn(|cx| to.poll_capacity(cx)).await else { return };
            if to.send_data(data.split_to(room.min(data.len())), false).is_err() {
                return;
            }
        }
    }
    let _ = to.send_data(Bytes::new(), true);
}

/// The task that sends a request's body. Ends with the response.
#[derive(Debug)]
struct Sending(JoinHandle<()>);

impl Drop for Sending {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The one message of a request.
async fn whole(body: tonic::body::Body) -> Result<Bytes, Status> {
    Ok(body.collect().await?.to_bytes())
}

/// The body of a response.
#[derive(Debug)]
pub struct Answer {
    incoming: RecvStream,
    _load: Option<Load>,
    _sending: Option<Sending>,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let incoming = &mut self.get_mut().incoming;
        match ready!(incoming.poll_data(cx)) {
            Some(Ok(data)) => Poll::Ready(Some(Ok(Frame::data(data)))),
            Some(Err(error)) => Poll::Ready(Some(Err(Lost::midway(error).into()))),
            None => {
                let trailers = ready!(incoming.poll_trailers(cx));
                let frame = trailers.map(|trailers| trailers.map(Frame::trailers)).transpose();
                Poll::Ready(frame.map(|frame| frame.map_err(|error| Lost::midway(error).into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }
}

/// One call's slot: its permit from the pool, and its part of a connection slot's load.
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
