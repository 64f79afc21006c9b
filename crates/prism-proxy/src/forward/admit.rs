//! Reads a call's first message and finds its route: the namespace, and whether it accepts the call.

use std::borrow::Cow;
use std::sync::Arc;

use h2::RecvStream;
use prism_grpc::Context;
use prism_grpc::handler;
use prism_grpc::message::{self, Encoding, Message};
use prism_proto::methods::{self, Method};
use prism_proto::{Error, limits};

use super::headers;
use crate::limit::InFlight;
use crate::namespace;
use crate::route::Route;
use crate::shared::Shared;
use crate::traffic::Ongoing;

/// A call whose route is known.
pub(super) struct Routed {
    pub(super) route: Arc<Route>,
    pub(super) method: Method,
    pub(super) context: Context,
    pub(super) message: Message,
    /// The message's bytes, if it arrived compressed.
    pub(super) plain: Option<Vec<u8>>,
    pub(super) _in_flight: Option<InFlight>,
}

/// Reads the first message, or the whole request of a method that takes exactly one, and finds its route.
pub(super) async fn admit(
    shared: &Shared,
    context: &Context,
    body: &mut RecvStream,
    ongoing: &mut Option<Ongoing>,
) -> Result<Box<Routed>, Error> {
    let head = context.head();
    let encoding = Encoding::of(&head.headers)?;
    headers::check_for_loop(&head.headers)?;
    let share = &context.peer().requests;
    let message = message::read_first(body, limits::MESSAGE_BYTES_MAX, share).await?;
    let mut message = message.ok_or_else(handler::absent)?;
    let plain = if message.compressed {
        Some(encoding.decompress(&mut message, limits::MESSAGE_BYTES_MAX, share)?)
    } else {
        None
    };
    let namespace: Cow<'_, str> = match &plain {
        Some(plain) => namespace::find([plain.as_slice()].into_iter())?,
        None => namespace::find(message.payload())?,
    };
    let route = shared.table.load().route(&namespace)?;
    drop(namespace);
    let path = head.uri.path();
    let method = route.method(path);
    let described = method.as_ref().is_ok_and(|method| *method != Method::UNKNOWN).then_some(path);
    let counted = ongoing.insert(route.traffic.begin(described, context.arrived().into_std()));
    counted.received(message.wire_len());
    let len = plain.as_ref().map_or(message.len, Vec::len);
    let max = route.settings.message_bytes_max;
    if len > max {
        return Err(message::too_large(len, max).with("namespace", &route.settings.name));
    }
    route.check_interface(methods::service_of(path))?;
    let method = method?;
    let in_flight = route.admit(method, shared.namespace_in_flight_max)?;
    if !method.client_streaming {
        message::read_end(&message, body).await?;
    }
    Ok(Box::new(Routed { route, method, context: context.clone(), message, plain, _in_flight: in_flight }))
}
