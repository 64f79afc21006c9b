//! A call to a plugin within this process.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use bytes::Bytes;
use http::Request;
use prism_grpc::call::Responder;
use prism_grpc::incoming::{Incoming, Pieces};
use prism_grpc::service::{Served, unknown_method};
use prism_grpc::{handler, message};
use prism_http2::RecvStream;
use prism_proto::Error;
use tonic::body::Body;

use super::admit::Routed;
use super::headers::passed_on;
use super::later::Checked;
use crate::error::without_addresses;

/// Calls the plugin and sends its response.
pub(super) async fn call(
    served: &Served,
    routed: Box<Routed>,
    body: RecvStream,
    responder: &mut Responder,
    acting: &AtomicBool,
) -> Result<(), Error> {
    routed.context.check_deadline()?;
    acting.store(true, Relaxed);
    let path = routed.context.head().uri.path();
    if let Some(method) = served.service.method(path) {
        let Routed { route, context, message, plain, shows_backend, _in_flight, .. } = *routed;
        let plain = plain.map_or_else(|| message.joined_payload(), Bytes::from);
        let sent = handler::send_answer(method, context, plain, responder).await;
        return sent.map_err(|error| match shows_backend {
            true => error,
            false => without_addresses(error, &route.settings.name),
        });
    }
    if !routed.method.client_streaming {
        return Err(unknown_method(path));
    }
    let request = request(&routed, body);
    Box::pin(handler::send(&served.service, request, responder)).await;
    Ok(())
}

/// A call to a method that takes a stream, as an embedded plugin receives it.
fn request(routed: &Routed, body: RecvStream) -> Request<Body> {
    let first = match &routed.plain {
        Some(plain) => vec![message::framed(plain)],
        None => routed.message.pieces().to_vec(),
    };
    let pieces: Vec<_> = first.into_iter().chain([routed.message.rest.clone()]).collect();
    let body = Pieces::from(pieces).then(Incoming::new(body));
    let mut request = Request::new(Body::new(Checked::new(body, &routed.route, routed.is_guarded)));
    let head = routed.context.head();
    *request.uri_mut() = head.uri.clone();
    *request.method_mut() = head.method.clone();
    *request.headers_mut() = passed_on(&head.headers);
    request.extensions_mut().insert(routed.context.clone());
    request
}
