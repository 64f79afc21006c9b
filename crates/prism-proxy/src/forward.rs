//! One call's path through the proxy.
//!
//! The first message is read whole and searched for its namespace; then head, message and everything that follows go to
//! the backend, and its response comes back, frame by frame, under flow control. Nothing is decoded.
//!
//! | module | owns |
//! |---|---|
//! | `admit` | reading the first message, finding the route |
//! | `headers` | which headers are forwarded |
//! | `later` | the namespaces of later messages of a stream |
//! | `embedded` | calling a plugin within this process |
//! | `unanswered` | a call between its request and the head of its response |
//! | `exchange` | the exchange with a backend over a connection |

mod admit;
mod embedded;
mod exchange;
mod headers;
mod later;
mod unanswered;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use prism_grpc::Context;
use prism_grpc::call::{Call, Responder, wait_for_answer_room};
use prism_grpc::connection::Handler;
use prism_grpc::handler::ServiceHandler;
use prism_grpc::{head, message};
use prism_http2::RecvStream;
use prism_proto::{Error, INTERFACES_PREFIX};
use tokio::time::timeout_at;
use tonic::Code;

use self::admit::{Routed, admit};
use self::exchange::Exchange;
use crate::route::Backend;
use crate::shared::Shared;
use crate::traffic::Ongoing;
use crate::upstream::{SlotArgs, Upstreams};

/// How long a client has to send the first message, which names the namespace, unless its own deadline is shorter.
const FIRST_MESSAGE_MAX: Duration = Duration::from_secs(30);

/// The service that needs no credential.
const HEALTH: &str = "/grpc.health.v1.Health/";

/// Forwards the calls of one worker.
#[derive(Clone, Debug)]
pub struct Forwarder {
    shared: Arc<Shared>,
    upstreams: Upstreams,
    own: Arc<ServiceHandler>,
}

impl Handler for Forwarder {
    /// Calls wait for the backend.
    const ENDS_AT_ONCE: bool = false;

    #[expect(
        clippy::manual_async_fn,
        reason = "an `async fn` stores its argument twice, in each call in flight"
    )]
    fn handle(self: Arc<Self>, mut call: Call) -> impl Future<Output = ()> + Send + 'static {
        async move {
            let is_interface =
                |path: &str| path.strip_prefix('/').is_some_and(|path| path.starts_with(INTERFACES_PREFIX));
            if !is_interface(call.context.head().uri.path()) {
                return Box::pin(self.serve_own(call)).await;
            }
            let mut ongoing = None;
            let mut identified = Ok(());
            if self.shared.identifies() {
                (call.context, identified) = self.identify(call.context);
            }
            let forwarded = match identified {
                Ok(()) => self.forward(&call.context, call.body, &mut call.responder, &mut ongoing).await,
                Err(error) => Err(error),
            };
            if let Err(error) = forwarded {
                tracing::debug!(reason = %error.reason, %error, "a call failed");
                call.responder.fail(&error.into());
            }
            let (sent, took) = (call.responder.sent(), call.context.arrived().elapsed());
            let (namespace, received) = match &ongoing {
                Some(ongoing) => (Some(ongoing.namespace()), ongoing.request_bytes()),
                None => (None, 0),
            };
            if let (Some(span), Some(namespace)) = (&mut call.responder.span, namespace) {
                span.set_namespace(namespace);
            }
            if let Some(caller) = call.context.identity() {
                if let Some(span) = &mut call.responder.span {
                    span.set_caller(caller);
                }
                self.shared.callers.count(caller, sent.code.unwrap_or(Code::Cancelled));
            }
            self.shared.access_log.note(&call.context, namespace, took, received, sent);
            match ongoing {
                Some(ongoing) => ongoing.end(took, sent),
                None => self.shared.unrouted.count(sent.code.unwrap_or(Code::Cancelled)),
            }
        }
    }
}

impl Forwarder {
    /// A forwarder for the worker on which it is created. Calls outside the interfaces go to the proxy's own services.
    #[must_use]
    pub fn new(shared: Arc<Shared>, own: ServiceHandler, slots: SlotArgs) -> Self {
        let upstreams = Upstreams::new(slots);
        tokio::spawn(upstreams.clone().close_unused());
        Self { shared, upstreams, own: Arc::new(own) }
    }

    /// Finds out who makes a call.
    fn identify(&self, context: Context) -> (Context, Result<(), Error>) {
        match self.shared.table().gate().identify(&context) {
            Ok(caller) => (context.made_by(caller), Ok(())),
            Err(error) => (context, Err(error)),
        }
    }

    /// Serves a call to one of the proxy's own services. Health is for everybody; reflection lists what the namespaces serve.
    async fn serve_own(&self, mut call: Call) {
        if self.shared.identifies() && !call.context.head().uri.path().starts_with(HEALTH) {
            let identified = self.shared.table().gate().admit_to_reflection(&call.context);
            match identified {
                Ok(caller) => call.context = call.context.made_by(caller),
                Err(error) => return call.responder.fail(&error.into()),
            }
        }
        Arc::clone(&self.own).handle(call).await;
    }

    async fn forward(
        &self,
        context: &Context,
        mut body: RecvStream,
        responder: &mut Responder,
        ongoing: &mut Option<Ongoing>,
    ) -> Result<(), Error> {
        let first_until = context.arrived() + FIRST_MESSAGE_MAX;
        let until = context.deadline().map_or(first_until, |deadline| deadline.min(first_until));
        let admitted = timeout_at(until, admit(&self.shared, context, &mut body, ongoing)).await;
        let mut routed = admitted.map_err(|_| match context.check_deadline() {
            Err(passed) => passed,
            Ok(()) => message::overdue(FIRST_MESSAGE_MAX),
        })??;
        if routed.method.is_unary() {
            routed.context = routed.context.or_timeout(routed.route.settings.timeout);
        }
        let acting = AtomicBool::new(false);
        match routed.context.deadline() {
            None => self.send(routed, body, responder, ongoing.as_ref(), &acting).await,
            Some(deadline) => {
                let sent = self.send(routed, body, responder, ongoing.as_ref(), &acting);
                let sent = timeout_at(deadline, sent).await;
                sent.unwrap_or_else(|_| Err(head::deadline_exceeded(acting.load(Relaxed))))
            }
        }
    }

    async fn send(
        &self,
        routed: Box<Routed>,
        body: RecvStream,
        responder: &mut Responder,
        ongoing: Option<&Ongoing>,
        acting: &AtomicBool,
    ) -> Result<(), Error> {
        let peer = routed.context.peer();
        if !peer.answers.has_room() {
            Box::pin(wait_for_answer_room(peer)).await?;
        }
        match &routed.route.backend {
            Backend::Embedded(backend) => {
                let backend = Arc::clone(backend);
                embedded::call(&backend.served, routed, body, responder, acting).await
            }
            Backend::Remote(remote) => {
                Exchange { upstreams: &self.upstreams, remote, routed: &routed, ongoing, acting }
                    .run(body, responder)
                    .await
            }
        }
    }
}
