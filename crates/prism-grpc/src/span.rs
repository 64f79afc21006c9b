//! What a call needs of tracing: a span to name its namespace and end in, and one for each server it is sent on to.
//! How spans are made and where they go is the process's business.

use std::fmt::Debug;

use http::{HeaderMap, request};
use tonic::Code;

/// Makes the spans of a server.
pub trait Tracer: Debug + Send + Sync {
    /// The span of a call that has come; `None` if the call is not traced here.
    fn begin(&self, head: &request::Parts) -> Option<Box<dyn Span>>;
}

/// A call, as a trace shows it, here or at the next server. Ends when it is dropped.
pub trait Span: Debug + Send + Sync {
    /// The trace that the call belongs to.
    fn trace_id(&self) -> u128;

    /// Sets the namespace that the call is about.
    fn set_namespace(&mut self, namespace: &str);

    /// Sets how the call ended; one without was cancelled.
    fn set_code(&mut self, code: Code);

    /// The span of sending the call on to a server: a host and its port, or a socket's path. `None` in a trace that is
    /// not recorded.
    fn sent_to(&self, server: &str, port: Option<u16>) -> Option<Box<dyn Span>>;

    /// Makes this span the parent of what the next server does. A `tracestate` stays as it came.
    fn write(&self, headers: &mut HeaderMap);
}
