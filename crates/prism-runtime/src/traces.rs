//! OpenTelemetry traces: a span for each call to an interface, sent to a collector by OTLP.
//!
//! Off unless an endpoint is given; a call then costs one look at an `Option`. A call with a W3C `traceparent` is
//! traced if its caller is; a call without one starts a trace with the configured probability. Names and attributes are
//! those of <https://opentelemetry.io/docs/specs/semconv/rpc/grpc/>. They never contain keys or values.

use std::fmt;
use std::time::Duration;

use clap::Args;
use http::header::{HeaderName, HeaderValue};
use http::uri::Scheme;
use http::{HeaderMap, Uri, request};
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{
    Span as _, SpanContext, SpanKind, Status, TraceContextExt as _, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider, Span as SdkSpan};
use prism_grpc::head::TRACEPARENT;
use prism_grpc::identity::Identity;
use prism_grpc::span;
use prism_proto::INTERFACES_PREFIX;
use prism_proto::error::code_name;
use tonic::Code;

use crate::exit::ServerError;

/// The longest path used as a span's name; a client may send some 32 KiB.
const NAME_BYTES_MAX: usize = 256;

/// The conventions' name for a method that is not recorded.
const OTHER: &str = "_OTHER";

/// How long a stopping server waits for the last spans to be sent.
const FLUSH_MAX: Duration = Duration::from_secs(5);

/// Which calls are traced, and where their spans go.
#[derive(Args, Clone, Debug)]
pub struct TraceArgs {
    /// Send OpenTelemetry traces to this collector, by OTLP over gRPC, such as http://localhost:4317 [default: no
    /// traces].
    #[arg(long, value_name = "URL", value_parser = endpoint)]
    pub otlp_endpoint: Option<Uri>,

    /// Fraction of the calls without a traceparent that start a trace, 0 to 1. Calls with one follow their caller's decision.
    #[arg(long, value_name = "RATIO", default_value = "1", value_parser = ratio)]
    pub trace_ratio: f64,
}

fn endpoint(text: &str) -> Result<Uri, String> {
    let uri: Uri = text.parse().map_err(|error| format!("{error}; expected http://HOST:PORT"))?;
    if uri.scheme() == Some(&Scheme::HTTPS) {
        return Err("there is no TLS here; send to a collector next to this process that forwards".to_owned());
    }
    let is_bare = uri.path_and_query().is_none_or(|path| path == "/");
    if uri.scheme() != Some(&Scheme::HTTP) || uri.port().is_none() || !is_bare {
        return Err("expected http://HOST:PORT, such as http://localhost:4317".to_owned());
    }
    Ok(uri)
}

fn ratio(text: &str) -> Result<f64, String> {
    let ratio: Option<f64> = text.parse().ok();
    ratio
        .filter(|ratio| (0.0..=1.0).contains(ratio))
        .ok_or_else(|| "expected a number from 0 to 1".to_owned())
}

/// Sends spans in batches, from its own thread.
#[derive(Debug)]
pub(crate) struct Traces(SdkTracerProvider);

impl Traces {
    /// Starts sending the spans of the service called `name`; `None` if traces are off. A missing collector is not an
    /// error: its spans are lost, and the log says so. Must be called within the runtime that will send.
    pub(crate) fn start(name: &'static str, args: &TraceArgs) -> Result<Option<Self>, ServerError> {
        let Some(endpoint) = &args.otlp_endpoint else { return Ok(None) };
        let exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint.to_string()).build();
        let exporter =
            exporter.map_err(|error| ServerError::Config(format!("--otlp-endpoint {endpoint}: {error}")))?;
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(args.trace_ratio))))
            .with_resource(resource(name))
            .build();
        tracing::info!(%endpoint, ratio = args.trace_ratio, "sending traces");
        Ok(Some(Self(provider)))
    }

    /// Creates spans; cheap to clone.
    pub(crate) fn tracer(&self) -> Tracer {
        Tracer(self.0.tracer("prism"))
    }

    /// Sends the remaining spans and stops.
    pub(crate) async fn stop(self) {
        // On another thread, because this one's runtime does the sending.
        let stopped = tokio::task::spawn_blocking(move || self.0.shutdown_with_timeout(FLUSH_MAX)).await;
        if let Ok(Err(error)) = stopped {
            tracing::warn!(%error, "the last spans were not sent");
        }
    }
}

/// The origin of the spans: `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES`, or else the service's own name.
fn resource(name: &'static str) -> Resource {
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let told = Resource::builder().build();
    let builder = Resource::builder().with_attribute(version);
    match told.get(&"service.name".into()) {
        Some(told) if !told.as_str().starts_with("unknown_service") => builder.build(),
        _ => builder.with_service_name(name).build(),
    }
}

/// Creates the spans of a server.
#[derive(Clone, Debug)]
pub(crate) struct Tracer(SdkTracer);

impl span::Tracer for Tracer {
    fn begin(&self, head: &request::Parts) -> Option<Box<dyn span::Span>> {
        let path = head.uri.path().strip_prefix('/')?;
        if !path.starts_with(INTERFACES_PREFIX) {
            return None;
        }
        let caller =
            TraceContextPropagator::new().extract_with_context(&Context::new(), &Headers(&head.headers));
        let parent = caller.span().span_context().clone();
        if parent.is_valid() && !parent.is_sampled() {
            return None;
        }
        let method = if path.len() <= NAME_BYTES_MAX { path.to_owned() } else { OTHER.to_owned() };
        Some(Box::new(self.span(SpanKind::Server, method, Vec::new(), &caller)))
    }
}

impl Tracer {
    fn span(&self, kind: SpanKind, method: String, mut attributes: Vec<KeyValue>, parent: &Context) -> Span {
        attributes.push(KeyValue::new("rpc.system.name", "grpc"));
        attributes.push(KeyValue::new("rpc.method", method.clone()));
        let builder = self.0.span_builder(method.clone()).with_kind(kind.clone()).with_attributes(attributes);
        let span = self.0.build_with_context(builder, parent);
        Span { span, kind, method, tracer: self.clone(), code: None }
    }
}

/// A call, as a trace shows it.
struct Span {
    span: SdkSpan,
    kind: SpanKind,
    method: String,
    tracer: Tracer,
    code: Option<Code>,
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Span")
            .field("method", &self.method)
            .field("context", self.span.span_context())
            .finish()
    }
}

impl span::Span for Span {
    fn trace_id(&self) -> u128 {
        u128::from_be_bytes(self.span.span_context().trace_id().to_bytes())
    }

    fn set_namespace(&mut self, namespace: &str) {
        if self.span.is_recording() {
            self.span.set_attribute(KeyValue::new("prism.namespace", namespace.to_owned()));
        }
    }

    fn set_caller(&mut self, caller: &Identity) {
        if self.span.is_recording() {
            self.span.set_attribute(KeyValue::new("prism.caller", caller.to_string()));
        }
    }

    fn sent_to(&self, server: &str, port: Option<u16>) -> Option<Box<dyn span::Span>> {
        if !self.span.is_recording() {
            return None;
        }
        let mut attributes = Vec::with_capacity(8);
        attributes.push(KeyValue::new("server.address", server.to_owned()));
        attributes.extend(port.map(|port| KeyValue::new("server.port", i64::from(port))));
        let parent = Context::new().with_remote_span_context(self.span.span_context().clone());
        Some(Box::new(self.tracer.span(SpanKind::Client, self.method.clone(), attributes, &parent)))
    }

    fn write(&self, headers: &mut HeaderMap) {
        headers.insert(TRACEPARENT, traceparent(self.span.span_context()));
    }

    fn set_code(&mut self, code: Code) {
        self.code = Some(code);
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if !self.span.is_recording() {
            return;
        }
        let code = self.code.unwrap_or(Code::Cancelled);
        self.span.set_attribute(KeyValue::new("rpc.response.status_code", code_name(code)));
        if is_failure(&self.kind, code) {
            self.span.set_attribute(KeyValue::new("error.type", code_name(code)));
            self.span.set_status(Status::error(""));
        }
        self.span.end();
    }
}

/// Whether a status counts as a failure: for a server, if the server is to blame.
fn is_failure(kind: &SpanKind, code: Code) -> bool {
    match kind {
        SpanKind::Client => code != Code::Ok,
        _ => matches!(
            code,
            Code::Unknown
                | Code::DeadlineExceeded
                | Code::Unimplemented
                | Code::Internal
                | Code::Unavailable
                | Code::DataLoss
        ),
    }
}

fn traceparent(context: &SpanContext) -> HeaderValue {
    let flags = u8::from(context.is_sampled());
    let text = format!("00-{}-{}-{flags:02x}", context.trace_id(), context.span_id());
    HeaderValue::try_from(text).expect("hexadecimal digits are a header value")
}

/// The headers of a call, as the propagator reads them.
struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::{SpanId, TraceFlags, TraceId};
    use prism_grpc::span::Tracer as _;

    use super::*;

    #[test]
    fn an_endpoint_is_plain_http_with_a_port() {
        assert_eq!(endpoint("http://collector:4317").unwrap().port_u16(), Some(4317));
        for (wrong, told) in [
            ("https://collector:4317", "no TLS"),
            ("collector:4317", "http://HOST:PORT"),
            ("http://collector", "http://HOST:PORT"),
            ("http://collector:4318/v1/traces", "http://HOST:PORT"),
            ("", "http://HOST:PORT"),
        ] {
            let error = endpoint(wrong).unwrap_err();
            assert!(error.contains(told), "{wrong}: {error}");
        }
    }

    #[test]
    fn a_ratio_is_0_to_1() {
        assert_eq!(ratio("0.25"), Ok(0.25));
        for wrong in ["-0.1", "1.1", "NaN", "10%", ""] {
            assert!(ratio(wrong).is_err(), "{wrong}");
        }
    }

    fn tracer(trace_ratio: f64) -> Tracer {
        let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(trace_ratio)));
        Tracer(SdkTracerProvider::builder().with_sampler(sampler).build().tracer("test"))
    }

    fn head(traceparent: Option<&str>) -> request::Parts {
        let mut request = http::Request::post("/prism.interfaces.keyvalue.KeyValueBasicInterface/Get");
        if let Some(traceparent) = traceparent {
            request = request.header(TRACEPARENT, traceparent);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn the_caller_decides_whether_its_call_is_traced() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let sampled = format!("00-{trace}-00f067aa0ba902b7-01");
        let span = tracer(0.0).begin(&head(Some(&sampled))).unwrap();
        assert_eq!(format!("{:032x}", span.trace_id()), trace);
        let unsampled = format!("00-{trace}-00f067aa0ba902b7-00");
        assert!(tracer(1.0).begin(&head(Some(&unsampled))).is_none(), "its header is forwarded unchanged");
    }

    #[test]
    fn a_call_that_begins_no_trace_tells_the_next_server_not_to() {
        let span = tracer(0.0).begin(&head(None)).unwrap();
        assert!(span.sent_to("localhost", Some(1)).is_none());
        let mut headers = HeaderMap::new();
        span.write(&mut headers);
        assert!(headers[TRACEPARENT].to_str().unwrap().ends_with("-00"));
    }

    #[test]
    fn a_traceparent_that_is_none_begins_a_trace() {
        for wrong in ["", "00", "00-00000000000000000000000000000000-00f067aa0ba902b7-01", "ff-x-y-z"] {
            let span = tracer(1.0).begin(&head(Some(wrong))).unwrap();
            assert_ne!(span.trace_id(), 0, "{wrong}");
        }
    }

    #[test]
    fn only_calls_to_interfaces_are_traced() {
        let request = http::Request::post("/grpc.health.v1.Health/Check").body(()).unwrap();
        assert!(tracer(1.0).begin(&request.into_parts().0).is_none());
    }

    #[test]
    fn a_traceparent_is_written_as_w3c_has_it() {
        let context = SpanContext::new(
            TraceId::from(0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736),
            SpanId::from(0x00f0_67aa_0ba9_02b7),
            TraceFlags::SAMPLED,
            false,
            opentelemetry::trace::TraceState::default(),
        );
        assert_eq!(traceparent(&context), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    }

    #[test]
    fn a_missing_key_is_a_failure_of_the_call_and_not_of_the_server() {
        assert!(
            is_failure(&SpanKind::Client, Code::NotFound) && !is_failure(&SpanKind::Server, Code::NotFound)
        );
        assert!(is_failure(&SpanKind::Server, Code::Unavailable));
    }
}
