//! A collector of OpenTelemetry traces, as an OTLP exporter sees it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

pub use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
pub use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

/// A received span.
#[derive(Clone, Debug)]
pub struct Span {
    /// Which service sent it.
    pub service: String,
    /// Its name.
    pub name: String,
    /// Server or client.
    pub kind: SpanKind,
    /// The trace it belongs to, in hexadecimal digits.
    pub trace_id: String,
    /// Its own number.
    pub span_id: String,
    /// That of its parent; empty if it has none.
    pub parent: String,
    /// Whether it marks the call as failed.
    pub failed: bool,
    /// Its other attributes, with numbers as text.
    pub attributes: HashMap<String, String>,
}

/// A collector that accepts spans until dropped.
#[derive(Debug)]
pub struct Collector {
    endpoint: String,
    spans: Arc<Mutex<Vec<Span>>>,
}

impl Collector {
    /// Starts one on the runtime of the test.
    ///
    /// # Panics
    /// No port is free.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port can be had");
        let endpoint = format!("http://{}", listener.local_addr().expect("a bound socket has an address"));
        let spans = Arc::default();
        let service = TraceServiceServer::new(Taker(Arc::clone(&spans)));
        let incoming = TcpIncoming::from(listener);
        tokio::spawn(tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming));
        Self { endpoint, spans }
    }

    /// Its URL.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The spans of one trace, or of all.
    #[must_use]
    pub fn spans(&self, trace_id: Option<&str>) -> Vec<Span> {
        let spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = |span: &&Span| trace_id.is_none_or(|trace_id| span.trace_id == trace_id);
        spans.iter().filter(wanted).cloned().collect()
    }
}

struct Taker(Arc<Mutex<Vec<Span>>>);

#[tonic::async_trait]
impl TraceService for Taker {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for resource in request.into_inner().resource_spans {
            let about = attributes(resource.resource.unwrap_or_default().attributes);
            let service = about.get("service.name").cloned().unwrap_or_default();
            let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans).map(|span| Span {
                service: service.clone(),
                kind: span.kind(),
                name: span.name,
                trace_id: hex(&span.trace_id),
                span_id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                failed: span.status.is_some_and(|status| status.code() == StatusCode::Error),
                attributes: attributes(span.attributes),
            });
            self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(spans);
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn attributes(from: Vec<KeyValue>) -> HashMap<String, String> {
    from.into_iter().map(|pair| (pair.key, text(pair.value))).collect()
}

fn text(value: Option<AnyValue>) -> String {
    match value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
