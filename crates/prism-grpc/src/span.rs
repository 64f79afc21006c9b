//! What a call needs of tracing: a span that names its namespace and ends with it, and one for each server to which it
//! is forwarded. How spans are created and where they go is the process's business.

use std::fmt::Debug;

use http::{HeaderMap, request};
use tonic::Code;

use crate::identity::Identity;

/// Creates the spans of a server.
pub trait Tracer: Debug + Send + Sync {
    /// The span of an incoming call; `None` if the call is not traced here.
    fn begin(&self, head: &request::Parts) -> Option<Box<dyn Span>>;
}

/// A call as a trace shows it, here or at the next server. Ends when dropped.
pub trait Span: Debug + Send + Sync {
    /// The trace to which the call belongs.
    fn trace_id(&self) -> u128;

    /// Sets the namespace of the call.
    fn set_namespace(&mut self, namespace: &str);

    /// Sets who makes the call.
    fn set_caller(&mut self, caller: &Identity);

    /// Sets the call's status; a span without one was cancelled.
    fn set_code(&mut self, code: Code);

    /// The span of forwarding the call to a server: a host and its port, or a socket's path. `None` in a trace that is
    /// not recorded.
    fn sent_to(&self, server: &str, port: Option<u16>) -> Option<Box<dyn Span>>;

    /// Makes this span the parent of the next server's. Leaves `tracestate` unchanged.
    fn write(&self, headers: &mut HeaderMap);
}
