//! OpenTelemetry traces: from the client through the proxy to the plugin, and to a collector.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::LazyLock;
use std::time::Duration;

use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use prism_client::{Client, ErrorKind};
use prism_e2e::client;
use prism_e2e::collector::{Collector, Span, SpanKind};
use prism_e2e::dead::DeadAddress;
use prism_e2e::process::{Process, Proxy, config};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";
const GET: &str = "prism.interfaces.keyvalue.KeyValueBasicInterface/Get";
const SET: &str = "prism.interfaces.keyvalue.KeyValueBasicInterface/Set";

struct Stack {
    collector: Collector,
    store: Process,
    proxy: Proxy,
}

impl Stack {
    async fn start(flags: &[&str]) -> Self {
        let collector = Collector::start().await;
        let endpoint = ["--otlp-endpoint", collector.endpoint()];
        let flags = [&endpoint[..], flags].concat();
        let store = Process::start("prism-memstore", ["--listen", "127.0.0.1:0"].iter().chain(&endpoint));
        let proxy = Proxy::with_flags(&config(&[("default", store.grpc())]), &flags);
        Self { collector, store, proxy }
    }

    /// A client whose calls belong to a trace that is recorded, or is not.
    fn client(&self, flags: &str) -> Client {
        let traceparent = format!("00-{TRACE}-{CALLER}-{flags}");
        let client = Client::builder(self.proxy.grpc()).timeout(Duration::from_secs(60));
        client.metadata("traceparent", traceparent).build().unwrap()
    }

    /// Stops the servers, which flushes their spans, and returns the spans.
    async fn stop(mut self) -> Vec<Span> {
        tokio::task::spawn_blocking(move || {
            for process in [&mut self.proxy.process, &mut self.store] {
                process.signal(rustix::process::Signal::TERM);
                assert!(process.wait().success());
            }
            self.collector.spans(None)
        })
        .await
        .unwrap()
    }
}

fn attribute<'a>(span: &'a Span, name: &str) -> Option<&'a str> {
    span.attributes.get(name).map(String::as_str)
}

/// The span of `service` that is a child of `parent`.
fn child<'a>(spans: &'a [Span], service: &str, kind: SpanKind, parent: &str) -> &'a Span {
    let found: Vec<_> = spans
        .iter()
        .filter(|span| span.service == service && span.kind == kind && span.parent == parent)
        .collect();
    assert_eq!(found.len(), 1, "{service} {kind:?} below {parent}: {spans:#?}");
    found[0]
}

#[tokio::test]
async fn a_call_is_traced_from_its_caller_to_the_plugin() {
    let stack = Stack::start(&["--trace-ratio", "0"]).await;
    stack.client("01").keyvalue().set("a-secret-key", "a-secret-value").await.unwrap();
    let store = stack.store.grpc().to_owned();
    let spans = stack.stop().await;

    assert_eq!(spans.len(), 3, "{spans:#?}");
    let proxy = child(&spans, "prism-proxy", SpanKind::Server, CALLER);
    let attempt = child(&spans, "prism-proxy", SpanKind::Client, &proxy.span_id);
    let plugin = child(&spans, "prism-memstore", SpanKind::Server, &attempt.span_id);
    for span in [proxy, attempt, plugin] {
        assert_eq!((span.trace_id.as_str(), span.name.as_str(), span.failed), (TRACE, SET, false));
        assert_eq!(attribute(span, "rpc.system.name"), Some("grpc"));
        assert_eq!(attribute(span, "rpc.method"), Some(SET));
        assert_eq!(attribute(span, "rpc.response.status_code"), Some("OK"));
        assert!(!format!("{span:?}").contains("secret"), "{span:?}");
    }
    assert_eq!(attribute(proxy, "prism.namespace"), Some("default"));
    let server = format!(
        "{}:{}",
        attribute(attempt, "server.address").unwrap(),
        attribute(attempt, "server.port").unwrap()
    );
    assert_eq!(server, store);
}

#[tokio::test]
async fn the_ratio_decides_for_callers_without_a_trace_and_for_the_plugin_behind() {
    let always = Stack::start(&[]).await;
    let keyvalue = client(always.proxy.grpc()).keyvalue();
    keyvalue.set("key", "value").await.unwrap();
    let spans = always.stop().await;
    let proxy = child(&spans, "prism-proxy", SpanKind::Server, "");
    assert!(spans.len() == 3 && spans.iter().all(|span| span.trace_id == proxy.trace_id), "{spans:#?}");

    let never = Stack::start(&["--trace-ratio", "0"]).await;
    let keyvalue = client(never.proxy.grpc()).keyvalue();
    keyvalue.set("key", "value").await.unwrap();
    assert_eq!(
        never.stop().await.len(),
        0,
        "the plugin would begin a trace of its own if nobody told it not to"
    );

    let unrecorded = Stack::start(&[]).await;
    unrecorded.client("00").keyvalue().set("key", "value").await.unwrap();
    assert_eq!(unrecorded.stop().await.len(), 0);
}

#[tokio::test]
async fn a_failure_shows_where_it_came_from() {
    let mut stack = Stack::start(&[]).await;
    let client = stack.client("01");
    client.keyvalue().get("missing").await.unwrap_err();
    client.namespace("unknown").keyvalue().get("key").await.unwrap_err();
    stack.store.kill();
    let error = client.keyvalue().set("key", "value").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let spans = stack_stopped_without_store(stack).await;

    let served: Vec<_> = spans
        .iter()
        .filter(|span| span.service == "prism-proxy" && span.kind == SpanKind::Server)
        .map(|span| (span.name.as_str(), attribute(span, "rpc.response.status_code").unwrap(), span.failed))
        .collect();
    assert_eq!(&served[..2], [(GET, "NOT_FOUND", false), (GET, "FAILED_PRECONDITION", false)]);
    assert!(served[2..].iter().all(|span| *span == (SET, "UNAVAILABLE", true)), "{served:?}");
    let refused =
        spans.iter().find(|span| attribute(span, "rpc.response.status_code") == Some("UNAVAILABLE"));
    assert_eq!(attribute(refused.unwrap(), "error.type"), Some("UNAVAILABLE"));
}

async fn stack_stopped_without_store(mut stack: Stack) -> Vec<Span> {
    tokio::task::spawn_blocking(move || {
        stack.proxy.process.signal(rustix::process::Signal::TERM);
        assert!(stack.proxy.process.wait().success());
        stack.collector.spans(None)
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn the_access_log_names_the_trace_that_the_proxy_began() {
    let mut stack = Stack::start(&["--access-log", "--log-format", "json"]).await;
    client(stack.proxy.grpc()).keyvalue().set("key", "value").await.unwrap();
    stack.proxy.process.signal(rustix::process::Signal::TERM);
    let (stack, log) = tokio::task::spawn_blocking(move || {
        stack.proxy.process.wait();
        let log = stack.proxy.process.log();
        (stack, log)
    })
    .await
    .unwrap();
    let spans = stack.collector.spans(None);
    assert!(log.contains(&format!("\"trace_id\":\"{}\"", spans[0].trace_id)), "{log}");
}

#[tokio::test]
async fn calls_go_on_and_a_stop_is_clean_without_a_collector() {
    let dead = DeadAddress::new();
    let nobody = format!("http://{}", dead.address());
    let mut store = Process::start("prism-memstore", ["--listen", "127.0.0.1:0", "--otlp-endpoint", &nobody]);
    let proxy = Proxy::start(&[("default", store.grpc())]);
    client(proxy.grpc()).keyvalue().set("key", "value").await.unwrap();
    store.signal(rustix::process::Signal::TERM);
    let (status, log) = tokio::task::spawn_blocking(move || (store.wait(), store.log())).await.unwrap();
    assert!(status.success(), "{log}");
    assert!(log.contains("export failed"), "{log}");
}

/// What the Rust client of this process sends to this process's tracer provider.
static OWN: LazyLock<InMemorySpanExporter> = LazyLock::new(|| {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    opentelemetry::global::set_tracer_provider(provider);
    exporter
});

#[tokio::test]
async fn the_client_makes_a_span_for_each_operation() {
    LazyLock::force(&OWN);
    let stack = Stack::start(&["--trace-ratio", "0"]).await;
    let client = Client::builder(stack.proxy.grpc()).timeout(Duration::from_secs(60)).traces(true);
    let keyvalue = client.build().unwrap().keyvalue();
    keyvalue.set("key", "value").await.unwrap();
    keyvalue.get("missing").await.unwrap_err();
    let mut scan = keyvalue.scan("");
    while scan.next().await.transpose().unwrap().is_some() {}
    drop(keyvalue.scan("").next().await);
    let (_, port) = stack.proxy.grpc().rsplit_once(':').unwrap();
    let port = port.to_owned();
    let spans = stack.stop().await;

    let own = OWN.get_finished_spans().unwrap();
    let said = |span: &SpanData, name: &str| {
        let found = span.attributes.iter().find(|pair| pair.key.as_str() == name);
        found.map(|pair| pair.value.to_string())
    };
    let codes: Vec<_> = own.iter().map(|span| said(span, "rpc.response.status_code").unwrap()).collect();
    assert_eq!(codes, ["OK", "NOT_FOUND", "OK", "CANCELLED"]);
    for span in &own {
        assert_eq!(said(span, "server.port").as_ref(), Some(&port));
        assert_eq!(said(span, "prism.namespace").as_deref(), Some("default"));
        let below = child(&spans, "prism-proxy", SpanKind::Server, &span.span_context.span_id().to_string());
        assert_eq!(below.trace_id, span.span_context.trace_id().to_string());
        assert_eq!(below.name, span.name);
    }
}
