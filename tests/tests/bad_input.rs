//! Requests that break a rule: the response, directly from the plugin, through the proxy and embedded in it, and that
//! they destroy nothing.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write as _;

use prism_e2e::client;
use prism_e2e::http;
use prism_e2e::process::{Process, Proxy};
use prism_e2e::raw::{Answer, Connection};
use prism_grpc::message::framed;
use prism_proto::interfaces::keyvalue::{ScanRequest, SetRequest};
use prism_proto::{ErrorReason, limits};
use prost::Message;
use tonic::Code;

const SET: &str = "/prism.interfaces.keyvalue.KeyValueBasicInterface/Set";
const SCAN: &str = "/prism.interfaces.keyvalue.KeyValueScanInterface/Scan";

struct Stack {
    memstore: Process,
    proxy: Proxy,
    embedding: Proxy,
}

impl Stack {
    fn start() -> Self {
        let memstore = Process::start("prism-memstore", ["--listen", "127.0.0.1:0"]);
        let proxy = Proxy::start(&[("default", memstore.grpc())]);
        let embedding = Proxy::start(&[("default", "embedded:memstore")]);
        Self { memstore, proxy, embedding }
    }

    /// The paths to data: direct, through a proxy, and embedded in one. A rule must hold on all of them.
    fn addresses(&self) -> [&str; 3] {
        [self.memstore.grpc(), self.proxy.grpc(), self.embedding.grpc()]
    }
}

/// A request whose response must be a refusal.
async fn refused(answer: Answer, code: Code, reason: ErrorReason) -> prism_proto::Error {
    let (actual, error) = answer.refusal();
    assert_eq!((actual, error.reason), (code, reason), "{error}");
    error
}

/// Sends the same broken call on every path, and then a good one on the same connection.
async fn all_refuse(
    path: &str,
    pieces: &[&[u8]],
    code: Code,
    reason: ErrorReason,
) -> Vec<prism_proto::Error> {
    let stack = Stack::start();
    let mut errors = Vec::new();
    for address in stack.addresses() {
        let client = client(address);
        client.keyvalue().set("kept", "before").await.unwrap();
        let connection = Connection::open(address).await;
        errors.push(refused(connection.call(path, &[], pieces).await, code, reason).await);
        let good = SetRequest { key: "k".into(), ..Default::default() };
        let answer = connection.call(SET, &[], &[&framed(&good.encode_to_vec())]).await;
        assert_eq!(answer.status().unwrap().code(), Code::Ok, "the connection lives on");
        assert_eq!(client.keyvalue().get("kept").await.unwrap(), "before");
        assert!(client.keyvalue().delete("k").await.unwrap());
    }
    errors
}

/// A Set that would overwrite the key `kept`, changed by `change`.
fn set(change: impl FnOnce(&mut SetRequest)) -> Vec<u8> {
    let mut request = SetRequest { key: "kept".into(), value: "after".into(), ..Default::default() };
    change(&mut request);
    framed(&request.encode_to_vec()).to_vec()
}

async fn set_refused(change: impl FnOnce(&mut SetRequest), reason: ErrorReason, says: &[&str]) {
    let request = set(change);
    for error in all_refuse(SET, &[&request], Code::InvalidArgument, reason).await {
        for fact in says {
            assert!(error.message.contains(fact), "{error} does not say {fact}");
        }
        assert!(!error.message.contains("kept"), "a message holds no key");
    }
}

#[tokio::test]
async fn keys_have_limits() {
    set_refused(|set| set.key = String::new(), ErrorReason::KeyInvalid, &["key", "0 bytes", "4096"]).await;
    set_refused(|set| set.key = "k".repeat(4097), ErrorReason::KeyInvalid, &["key", "4097 bytes", "4096"])
        .await;
}

#[tokio::test]
async fn values_have_a_limit() {
    let over = limits::VALUE_BYTES_MAX + 1;
    let says = [over.to_string(), limits::VALUE_BYTES_MAX.to_string()];
    set_refused(
        |set| set.value = vec![0; over].into(),
        ErrorReason::ValueTooLarge,
        &["value", &says[0], &says[1]],
    )
    .await;
}

#[tokio::test]
async fn times_to_live_have_limits() {
    for seconds in [0, -1, i64::MIN, 3_153_600_001, i64::MAX] {
        let says = ["ttl_seconds", &seconds.to_string(), "3153600000"];
        set_refused(|set| set.ttl_seconds = Some(seconds), ErrorReason::TtlInvalid, &says).await;
    }
}

#[tokio::test]
async fn namespaces_have_rules() {
    for name in ["Upper", "1a", "-a", "a_b", "a.b", "ä", &"n".repeat(65)] {
        set_refused(|set| set.namespace = name.into(), ErrorReason::NamespaceInvalid, &["namespace", "64"])
            .await;
    }
}

#[tokio::test]
async fn a_namespace_that_is_not_configured_is_a_failed_precondition() {
    let stack = Stack::start();
    let connection = Connection::open(stack.proxy.grpc()).await;
    let request = set(|set| set.namespace = "other".into());
    let answer = connection.call(SET, &[], &[&request]).await;
    let error = refused(answer, Code::FailedPrecondition, ErrorReason::NamespaceNotFound).await;
    assert_eq!(error.fact("namespace"), Some("other"));
}

#[tokio::test]
async fn scans_have_limits() {
    let scan = |change: &dyn Fn(&mut ScanRequest)| {
        let mut request = ScanRequest::default();
        change(&mut request);
        framed(&request.encode_to_vec()).to_vec()
    };
    for (request, reason, says) in [
        (scan(&|scan| scan.limit = -1), ErrorReason::LimitInvalid, "limit is -1"),
        (scan(&|scan| scan.prefix = "p".repeat(4097)), ErrorReason::KeyInvalid, "prefix is 4097 bytes"),
        (
            scan(&|scan| scan.start_after = Some(String::new())),
            ErrorReason::KeyInvalid,
            "start_after is 0 bytes",
        ),
        (
            scan(&|scan| scan.start_after = Some("p".repeat(4097))),
            ErrorReason::KeyInvalid,
            "start_after is 4097",
        ),
    ] {
        for error in all_refuse(SCAN, &[&request], Code::InvalidArgument, reason).await {
            assert!(error.message.contains(says), "{error}");
        }
    }
}

#[tokio::test]
async fn a_message_over_the_limit_is_refused_by_its_length_alone() {
    let mut five_mib = vec![0];
    five_mib.extend_from_slice(&(5_u32 << 20).to_be_bytes());
    let errors = all_refuse(SET, &[&five_mib], Code::InvalidArgument, ErrorReason::MessageTooLarge).await;
    for error in errors {
        assert_eq!(error.fact("limit"), Some("4194304"));
        assert_eq!(error.fact("size"), Some("5242880"));
    }
}

#[tokio::test]
async fn what_is_not_a_message_is_malformed() {
    let garbage = framed(&[0xff; 40]);
    let not_utf8 = framed(b"\x12\x02\xff\xfe");
    let truncated = &framed(b"\x12\x01k")[..6];
    let bad_flag = b"\x02\0\0\0\0";
    let trickled: Vec<&[u8]> = garbage.chunks(1).collect();
    let bodies: [&[&[u8]]; 7] =
        [&[&garbage], &[&not_utf8], &[truncated], &[bad_flag], &[b""], &[b"\0\0"], trickled.as_slice()];
    for body in bodies {
        all_refuse(SET, body, Code::InvalidArgument, ErrorReason::MalformedRequest).await;
    }
    all_refuse(SET, &[], Code::InvalidArgument, ErrorReason::MalformedRequest).await;
}

#[tokio::test]
async fn an_ambiguous_namespace_is_malformed_at_the_proxy() {
    let stack = Stack::start();
    let connection = Connection::open(stack.proxy.grpc()).await;
    let twice = framed(b"\x0a\x07default\x0a\x05other\x12\x01k");
    refused(connection.call(SET, &[], &[&twice]).await, Code::InvalidArgument, ErrorReason::MalformedRequest)
        .await;
}

#[tokio::test]
async fn an_unknown_method_is_unimplemented() {
    let stack = Stack::start();
    for path in
        ["/prism.interfaces.keyvalue.KeyValueBasicInterface/Steal", "/no.such.Service/Call", "/", "/x"]
    {
        for address in stack.addresses() {
            let answer = Connection::open(address).await.call(path, &[], &[&set(|_| {})]).await;
            refused(answer, Code::Unimplemented, ErrorReason::MethodUnknown).await;
        }
    }
}

#[tokio::test]
async fn a_malformed_timeout_is_refused() {
    let stack = Stack::start();
    for address in stack.addresses() {
        let answer =
            Connection::open(address).await.call(SET, &[("grpc-timeout", "soon")], &[&set(|_| {})]).await;
        refused(answer, Code::InvalidArgument, ErrorReason::MalformedRequest).await;
    }
}

#[tokio::test]
async fn what_is_not_grpc_gets_an_http_status() {
    let stack = Stack::start();
    for address in stack.addresses() {
        let connection = Connection::open(address).await;
        for content_type in ["application/json", "application/grpc-web", "text/plain"] {
            let request =
                ::http::Request::post(format!("http://localhost{SET}")).header("content-type", content_type);
            let answer = connection.request(request.body(()).unwrap(), &[b"{}"]).await;
            assert_eq!(answer.http, 415, "{content_type}");
        }
        let request =
            ::http::Request::get(format!("http://localhost{SET}")).header("content-type", "application/grpc");
        assert_eq!(connection.request(request.body(()).unwrap(), &[]).await.http, 405);
        let answer = connection.call(SET, &[], &[&set(|_| {})]).await;
        assert_eq!(answer.status().unwrap().code(), Code::Ok, "the connection lives on");
    }
}

#[tokio::test]
async fn http_1_is_told_what_the_port_speaks() {
    let stack = Stack::start();
    for address in stack.addresses() {
        let (status, body) = http::get(address, "/").await;
        assert_eq!(status, 400);
        assert!(body.contains("speaks gRPC"), "{body}");
        // A TLS client recognizes by any plaintext that it speaks to a port without TLS.
        assert!(http::exchange(address, "\u{16}\u{3}\u{1}").await.starts_with("HTTP/1.1 400 "));
        // Anything else is closed silently.
        assert_eq!(http::exchange(address, "\u{1}\u{3}\u{1}").await, "");
    }
}

#[tokio::test]
async fn a_connection_outlives_any_number_of_refused_calls() {
    let stack = Stack::start();
    let mut five_mib = vec![0];
    five_mib.extend_from_slice(&(5_u32 << 20).to_be_bytes());
    five_mib.resize(30_000, 0);
    for address in stack.addresses() {
        let connection = Connection::open(address).await;
        for _ in 0..3000 {
            let answer = connection.call(SET, &[], &[&five_mib]).await;
            refused(answer, Code::InvalidArgument, ErrorReason::MessageTooLarge).await;
        }
        assert_eq!(connection.call(SET, &[], &[&set(|_| {})]).await.status().unwrap().code(), Code::Ok);
    }
}

#[tokio::test]
async fn a_second_message_in_a_unary_call_is_malformed() {
    let twice = [set(|_| {}), set(|_| {})].concat();
    all_refuse(SET, &[&twice], Code::InvalidArgument, ErrorReason::MalformedRequest).await;
}

#[tokio::test]
async fn a_thousand_calls_at_once_on_one_connection_are_answered() {
    let stack = Stack::start();
    for address in stack.addresses() {
        let connection = Connection::open(address).await;
        // The end of the stream arrives in its own frame, as most clients send it.
        let request = set(|_| {});
        let pieces: [&[u8]; 2] = [&request, b""];
        for _ in 0..5 {
            let calls = (0..1000).map(|_| connection.call(SET, &[], &pieces));
            for answer in futures_util::future::join_all(calls).await {
                assert_eq!(answer.status().unwrap().code(), Code::Ok);
            }
        }
    }
}

#[tokio::test]
async fn gzip_is_read_and_so_is_what_a_compressing_client_leaves_plain() {
    let stack = Stack::start();
    let plain = SetRequest { key: "k".into(), value: "v".into(), ..Default::default() }.encode_to_vec();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&plain).unwrap();
    let packed = encoder.finish().unwrap();
    let mut compressed = framed(&packed).to_vec();
    compressed[0] = 1;
    for address in stack.addresses() {
        let connection = Connection::open(address).await;
        for message in [&framed(&plain)[..], &compressed] {
            let answer = connection.call(SET, &[("grpc-encoding", "gzip")], &[message]).await;
            assert_eq!(answer.status().unwrap().code(), Code::Ok, "{answer:?}");
        }
        assert_eq!(client(address).keyvalue().get("k").await.unwrap(), "v");
    }
}
