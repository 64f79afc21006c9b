//! Reads a call's first message and finds its route: the namespace, and whether it accepts the call.

use std::borrow::Cow;
use std::sync::Arc;

use prism_grpc::Context;
use prism_grpc::handler;
use prism_grpc::message::{self, Encoding, Judge, Message};
use prism_http2::RecvStream;
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
    /// Whether the caller's right was checked.
    pub(super) is_guarded: bool,
    /// Whether errors may tell the caller where the backend is.
    pub(super) shows_backend: bool,
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
    let message = read_first(shared, context, body).await?;
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
    let path = head.uri.path();
    let table = shared.table();
    let mut context = context.clone();
    let is_guarded = table.gate().is_guarded();
    if is_guarded {
        // The table may be newer than the one that judged the head.
        if context.identity().is_none() {
            let identity = table.gate().identify(&context)?;
            context = context.made_by(identity);
        }
        table.authorize(&namespace, path, context.identity())?;
    }
    let shows_backend = table.gate().shows_backends(context.identity());
    let route = table.route(&namespace)?;
    drop((namespace, table));
    let method = route.method(path);
    let described = method.as_ref().is_ok_and(|method| method.is_described).then_some(path);
    let counted = ongoing.insert(route.traffic.begin(described, context.arrived().into_std()));
    counted.received(message.wire_len());
    let len = plain.as_ref().map_or(message.len, Vec::len);
    let max = route.settings.message_bytes_max;
    if len > max {
        return Err(message::too_large(len, max).with("namespace", &route.settings.name));
    }
    route.check_interface(methods::service_of(path), shows_backend)?;
    let method = method?;
    let in_flight = route.admit(method, shared.namespace_in_flight_max)?;
    if !method.client_streaming {
        message::read_end(&message, body).await?;
    }
    Ok(Box::new(Routed {
        route,
        method,
        context,
        message,
        plain,
        is_guarded,
        shows_backend,
        _in_flight: in_flight,
    }))
}

/// Reads the first message. A caller without a right to it is refused as soon as its namespace has arrived.
async fn read_first(
    shared: &Shared,
    context: &Context,
    body: &mut RecvStream,
) -> Result<Option<Message>, Error> {
    let (share, max) = (&context.peer().requests, limits::MESSAGE_BYTES_MAX);
    let mut judged = false;
    let mut judge = |message: &Message| {
        let table = shared.table();
        if judged || !table.gate().is_guarded() {
            return Ok(());
        }
        let Some(namespace) = namespace::peek(message.payload(), message.len) else { return Ok(()) };
        judged = true;
        table.authorize(&namespace, context.head().uri.path(), context.identity())
    };
    let judge: Option<Judge<'_>> = if shared.identifies() { Some(&mut judge) } else { None };
    message::read_first_judged(body, max, share, judge).await
}
