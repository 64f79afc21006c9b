//! Requests on a leased connection, by the kind of their answer.

use futures_core::Stream;
use http::Uri;
use http::uri::PathAndQuery;
use prism_proto::codec::Codec;
use prism_proto::limits::MESSAGE_BYTES_MAX;
use prism_proto::rpc::{BidiStreaming, ServerStreaming, Unary};
use tonic::client::Grpc;
use tonic::{Request, Response, Status, Streaming};

use crate::transport::{InParts, Lease};

/// Makes a call with a stream of responses.
pub(crate) async fn send_streaming<R: ServerStreaming>(
    lease: Lease,
    origin: Uri,
    request: Request<R::Request>,
) -> Result<Response<Streaming<R::Response>>, Status> {
    let codec = Codec::<R::Request, R::Response>::default();
    grpc(lease, origin).await?.server_streaming(request, PathAndQuery::from_static(R::PATH), codec).await
}

/// Makes a call with a stream of responses, and reads all of them.
pub(crate) async fn send_collecting<R: ServerStreaming>(
    lease: Lease,
    origin: Uri,
    request: Request<R::Request>,
) -> Result<Vec<R::Response>, Status> {
    let mut stream = send_streaming::<R>(lease, origin, request).await?.into_inner();
    let mut responses = Vec::new();
    while let Some(response) = stream.message().await? {
        responses.push(response);
    }
    Ok(responses)
}

/// Makes a call with one response.
pub(crate) async fn send_unary<R: Unary>(
    lease: Lease,
    origin: Uri,
    request: Request<R::Request>,
) -> Result<R::Response, Status> {
    let codec = Codec::<R::Request, R::Response>::default();
    let sent = grpc(lease, origin).await?.unary(request, PathAndQuery::from_static(R::PATH), codec).await;
    sent.map(Response::into_inner)
}

/// Makes a call with streams in both directions.
pub(crate) async fn send_bidi<R: BidiStreaming, S>(
    lease: Lease,
    origin: Uri,
    mut request: Request<S>,
) -> Result<Response<Streaming<R::Response>>, Status>
where
    S: Stream<Item = R::Request> + Send + 'static,
{
    let codec = Codec::<R::Request, R::Response>::default();
    request.extensions_mut().insert(InParts);
    grpc(lease, origin).await?.streaming(request, PathAndQuery::from_static(R::PATH), codec).await
}

async fn grpc(lease: Lease, origin: Uri) -> Result<Grpc<Lease>, Status> {
    let mut grpc = Grpc::with_origin(lease, origin)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    grpc.ready().await?;
    Ok(grpc)
}
