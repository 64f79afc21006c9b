//! OpenTelemetry spans of a client's calls, created through the process's own tracer provider.
//!
//! A span covers a whole operation, retries included, and is a child of the context that is current when the operation
//! begins. Names and attributes are those of <https://opentelemetry.io/docs/specs/semconv/rpc/grpc/>. They never
//! contain keys or values.

use std::fmt;

use opentelemetry::global::{self, BoxedSpan};
use opentelemetry::trace::{Span as _, SpanKind, Status, Tracer as _};
use opentelemetry::{Context, KeyValue};
use prism_proto::error::code_name;
use tonic::Code;

use crate::address::Address;
use crate::error::Error;
use crate::metadata::Own;

/// Creates the spans of one client.
#[derive(Debug)]
pub(crate) struct Traces {
    server: Vec<KeyValue>,
}

impl Traces {
    /// For calls to the gateway at `address`.
    pub(crate) fn of(address: &Address) -> Self {
        let server = match address {
            Address::Tcp { host, port } => vec![
                KeyValue::new("server.address", host.clone()),
                KeyValue::new("server.port", i64::from(*port)),
            ],
            Address::Unix(path) => vec![KeyValue::new("server.address", path.display().to_string())],
        };
        Self { server }
    }

    /// Starts the span of a call to the method at `path`, and makes it the parent of the gateway's span.
    pub(crate) fn begin(&self, path: &'static str, namespace: &str, metadata: &mut Own) -> Trace {
        let method = path.trim_start_matches('/');
        let mut attributes = self.server.clone();
        attributes.push(KeyValue::new("rpc.system.name", "grpc"));
        attributes.push(KeyValue::new("rpc.method", method));
        attributes.push(KeyValue::new("prism.namespace", namespace.to_owned()));
        // Looked up each time: the application may set its provider after it has created the client.
        let tracer = global::tracer("prism-client");
        let builder = tracer.span_builder(method).with_kind(SpanKind::Client).with_attributes(attributes);
        let span = tracer.build_with_context(builder, &Context::current());
        let context = span.span_context();
        if context.is_valid() {
            let flags = u8::from(context.is_sampled());
            let parent = format!("00-{}-{}-{flags:02x}", context.trace_id(), context.span_id());
            metadata.insert("traceparent", &parent);
            let state = context.trace_state().header();
            if !state.is_empty() {
                metadata.insert("tracestate", &state);
            }
        }
        Trace(span)
    }
}

/// The span of an operation. If dropped early, it records that the caller cancelled.
pub(crate) struct Trace(BoxedSpan);

impl Trace {
    /// Ends the span of an operation that succeeded, or failed with `error`.
    pub(crate) fn end(mut self, error: Option<&Error>) {
        let code = code_name(error.map_or(Code::Ok, Error::code));
        self.0.set_attribute(KeyValue::new("rpc.response.status_code", code));
        if error.is_some() {
            self.0.set_attribute(KeyValue::new("error.type", code));
            self.0.set_status(Status::error(""));
        }
        self.0.end();
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        if self.0.is_recording() {
            let cancelled = code_name(Code::Cancelled);
            self.0.set_attribute(KeyValue::new("rpc.response.status_code", cancelled));
            self.0.end();
        }
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Trace").field(self.0.span_context()).finish()
    }
}
