//! One call's way through the proxy.
//!
//! The first message is read whole and walked for its namespace; then head, message and everything after it go to
//! the backend, and everything it answers comes back, frame by frame, under flow control. Nothing is decoded.
//!
//! | module | owns |
//! |---|---|
//! | `admit` | reading the first message, finding the route |
//! | `headers` | which headers go on |
//! | `embedded` | calling a plugin in this process |
//! | `exchange` | the exchange with a backend behind a connection |

mod admit;
mod embedded;
mod exchange;
mod headers;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use h2::RecvStream;
use http::request;
use prism_grpc::call::{Call, Responder};
use prism_grpc::connection::Handler;
use prism_grpc::head;
use prism_grpc::service::ServiceHandler;
use prism_proto::{Error, INTERFACES_PREFIX};
use tokio::time::{Instant, timeout_at};
use tonic::Code;

use self::admit::{Routed, admit};
use self::exchange::Exchange;
use crate::route::Backend;
use crate::shared::Shared;
use crate::traffic::Ongoing;
use crate::upstream::Upstreams;

/// A client has this long to send the first message, which names the namespace, unless its own deadline is shorter.
const FIRST_MESSAGE_MAX: Duration = Duration::from_secs(30);

/// Forwards the calls of one worker.
#[derive(Clone, Debug)]
pub struct Forwarder {
    shared: Arc<Shared>,
    upstreams: Upstreams,
    own: ServiceHandler,
}

impl Handler for Forwarder {
    /// It waits for the backend.
    const ENDS_AT_ONCE: bool = false;

    #[expect(
        clippy::manual_async_fn,
        reason = "an `async fn` has room for its argument twice, in each call under way"
    )]
    fn handle(&self, call: Call) -> impl Future<Output = ()> + Send {
        async move {
            let is_interface =
                |path: &str| path.strip_prefix('/').is_some_and(|path| path.starts_with(INTERFACES_PREFIX));
            if !is_interface(call.head.uri.path()) {
                return Box::pin(self.own.handle(call)).await;
            }
            let Call { head, body, mut responder } = call;
            let begun = Instant::now();
            let mut ongoing = None;
            let forwarded = self.forward(&head, body, begun, &mut responder, &mut ongoing).await;
            if let Err(error) = forwarded {
                tracing::debug!(reason = %error.reason, %error, "a call failed");
                responder.fail(&error.into());
            }
            let (sent, took) = (responder.sent(), begun.elapsed());
            let (namespace, received) = match &ongoing {
                Some(ongoing) => (Some(ongoing.namespace()), ongoing.request_bytes()),
                None => (None, 0),
            };
            if let (Some(span), Some(namespace)) = (&mut responder.span, namespace) {
                span.set_namespace(namespace);
            }
            self.shared.access_log.note(&head, responder.span.as_deref(), namespace, took, received, sent);
            match ongoing {
                Some(ongoing) => ongoing.end(took, sent),
                None => self.shared.unrouted.count(sent.code.unwrap_or(Code::Cancelled)),
            }
        }
    }
}

impl Forwarder {
    /// A forwarder for the worker it is made on. Calls that are not to an interface go to the proxy's own services.
    #[must_use]
    pub fn new(shared: Arc<Shared>, own: ServiceHandler) -> Self {
        let upstreams = Upstreams::default();
        tokio::spawn(upstreams.clone().close_unused());
        Self { shared, upstreams, own }
    }

    async fn forward(
        &self,
        head: &request::Parts,
        mut body: RecvStream,
        arrived: Instant,
        responder: &mut Responder,
        ongoing: &mut Option<Ongoing>,
    ) -> Result<(), Error> {
        let timeout = head::timeout(&head.headers)?;
        let first_max = timeout.unwrap_or(FIRST_MESSAGE_MAX).min(FIRST_MESSAGE_MAX);
        let routed =
            timeout_at(arrived + first_max, admit(&self.shared, head, &mut body, arrived, ongoing)).await;
        let mut routed = routed.map_err(|_| head::deadline_exceeded())??;
        let unary_max = routed.method.is_unary().then_some(routed.route.settings.timeout);
        // A deadline beyond what the clock can express is none.
        routed.deadline = timeout.or(unary_max).and_then(|limit| arrived.checked_add(limit));
        match routed.deadline {
            None => self.send(routed, body, responder, ongoing.as_ref()).await,
            Some(deadline) => {
                let sent = self.send(routed, body, responder, ongoing.as_ref());
                timeout_at(deadline, sent).await.unwrap_or_else(|_| Err(head::deadline_exceeded()))
            }
        }
    }

    async fn send(
        &self,
        routed: Box<Routed<'_>>,
        body: RecvStream,
        responder: &mut Responder,
        ongoing: Option<&Ongoing>,
    ) -> Result<(), Error> {
        match &routed.route.backend {
            Backend::Embedded(served) => {
                let served = Arc::clone(served);
                embedded::call(&served, routed, body, responder).await
            }
            Backend::Remote(remote) => {
                Exchange { upstreams: &self.upstreams, remote, routed: &routed, ongoing }
                    .run(body, responder)
                    .await
            }
        }
    }
}
