//! What a process survives: a log that nobody reads, few file descriptors, backends that only accept, and proxies that
//! lead to each other.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::pipe;
use std::net::TcpStream;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ::http::{Request, Response};
use bytes::Bytes;
use prism_e2e::client;
use prism_e2e::dead::DeadAddress;
use prism_e2e::http;
use prism_e2e::process::{PROXY, Process, Proxy, command, command_after, config};
use prism_e2e::raw::Connection;
use prism_grpc::message::framed;
use prism_proto::ErrorReason;
use prism_proto::interfaces::keyvalue::SetRequest;
use prost::Message as _;
use rustix::process::Signal;
use tokio::net::{TcpListener, TcpStream as Stream};
use tonic::Code;

const SET: &str = "/prism.interfaces.keyvalue.KeyValueBasicInterface/Set";
const EMBEDDED: &str = "embedded:memstore";

/// The first bytes of HTTP/2.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

#[tokio::test]
async fn a_log_whose_reader_is_gone_costs_its_lines_and_nothing_else() {
    let (reader, writer) = pipe().unwrap();
    let text = config(&[("default", EMBEDDED)]);
    let mut proxy = Proxy::spawn(&text, command(PROXY).arg("--access-log"), Stdio::from(writer));
    drop(reader);
    let client = client(proxy.grpc());
    client.keyvalue().set("k", "v").await.unwrap();
    let status = proxy.take(config(&[("default", EMBEDDED), ("more", EMBEDDED)])).await;
    assert_eq!(status["last_attempt"]["outcome"], "applied");
    client.namespace("more").keyvalue().set("k", "v").await.unwrap();
    // The two calls, and the file.
    proxy.process.until_metric("prism_log_lines_failed_total", |lines| lines >= 3.0).await;
    let (_, metrics) = http::get(proxy.process.address("http"), "/metrics").await;
    assert!(!metrics.contains("CANCELLED"), "{metrics}");
    proxy.process.signal(Signal::TERM);
    assert_eq!(proxy.process.wait().code(), Some(0));
}

#[tokio::test]
async fn a_log_that_nobody_reads_costs_its_lines_and_nothing_else() {
    let (_reader, writer) = pipe().unwrap();
    let text = config(&[("default", EMBEDDED)]);
    let mut verbose = command(PROXY);
    verbose.args(["--access-log", "--log", "debug"]);
    let mut proxy = Proxy::spawn(&text, &mut verbose, Stdio::from(writer));
    let keyvalue = client(proxy.grpc()).keyvalue();
    // Until the pipe and the buffer are full.
    while proxy.process.metric("prism_log_lines_dropped_total").await == 0.0 {
        for _ in 0..500 {
            keyvalue.set("k", "v").await.unwrap();
        }
    }
    keyvalue.set("k", "v").await.unwrap();
    assert_eq!(http::get(proxy.process.address("http"), "/livez").await, (200, "ok\n".into()));
    proxy.process.signal(Signal::TERM);
    assert_eq!(proxy.process.wait().code(), Some(0));
}

#[tokio::test]
async fn connections_leave_descriptors_for_backends_files_and_the_http_port() {
    let memstore = Process::start("prism-memstore", ["--listen", "127.0.0.1:0"]);
    let text = config(&[("embedded", EMBEDDED)]);
    let proxy = Proxy::spawn(&text, &mut command_after("ulimit -n 64", PROXY), Stdio::piped());
    let mut idle = Vec::new();
    for begin in [PREFACE, b""] {
        for _ in 0..80 {
            let mut stream = TcpStream::connect(proxy.grpc()).unwrap();
            std::io::Write::write_all(&mut stream, begin).unwrap();
            idle.push(stream);
        }
    }
    assert_eq!(http::get(proxy.process.address("http"), "/livez").await, (200, "ok\n".into()));
    let status = proxy.take(config(&[("default", memstore.grpc())])).await;
    assert_eq!(status["last_attempt"]["outcome"], "applied", "{status}");
    client(proxy.grpc()).keyvalue().set("k", "v").await.unwrap();
    assert!(proxy.process.metric("prism_connections").await <= 32.0);
    assert!(proxy.process.log().contains("ulimit -n"), "{}", proxy.process.log());
}

#[test]
fn the_soft_limit_of_open_files_is_raised_to_the_hard_one() {
    let mut limited = command_after("ulimit -Sn 64 && ulimit -Hn 512", "prism-memstore");
    let memstore = Process::spawn("prism-memstore", limited.args(["--listen", "127.0.0.1:0"]));
    let limits = format!("/proc/{}/limits", memstore.pid().as_raw_nonzero());
    let limits = std::fs::read_to_string(limits).unwrap();
    let open_files = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    assert_eq!(open_files.split_whitespace().collect::<Vec<_>>(), ["512", "512", "files"]);
}

/// Forwards calls to `target`, as a load balancer would, except reflection: nothing reveals a proxy behind it.
async fn without_reflection(target: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let target = target.to_owned();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(pass_on(stream, target.clone()));
        }
    });
    address
}

async fn pass_on(stream: Stream, target: String) {
    let mut calls = h2::server::handshake(stream).await.unwrap();
    let stream = Stream::connect(target).await.unwrap();
    let (send, driver) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(driver);
    while let Some(Ok((request, mut respond))) = calls.accept().await {
        if request.uri().path().starts_with("/grpc.reflection") {
            let unimplemented = Response::builder().header("grpc-status", "12");
            respond.send_response(unimplemented.body(()).unwrap(), true).unwrap();
            continue;
        }
        let send = send.clone();
        tokio::spawn(async move {
            let (head, mut body) = request.into_parts();
            let request = Request::from_parts(head, ());
            let (response, mut to) = send.ready().await.unwrap().send_request(request, false).unwrap();
            while let Some(piece) = body.data().await {
                to.send_data(piece.unwrap(), false).unwrap();
            }
            to.send_data(Bytes::new(), true).unwrap();
            // A refusal is complete in its head.
            let response = response.await.unwrap().map(drop);
            respond.send_response(response, true).unwrap();
        });
    }
}

#[tokio::test]
async fn a_call_between_proxies_that_lead_to_each_other_ends() {
    for says_what_it_is in [true, false] {
        let way = async |proxy: &Proxy| match says_what_it_is {
            true => proxy.grpc().to_owned(),
            false => without_reflection(proxy.grpc()).await,
        };
        let dead = DeadAddress::new();
        let one = Proxy::start(&[("default", &dead.address())]);
        let other = Proxy::start(&[("default", &way(&one).await)]);
        one.take(config(&[("default", &way(&other).await)])).await;
        for proxy in [&one, &other] {
            let error = client(proxy.grpc()).keyvalue().get("k").await.unwrap_err();
            assert_eq!(error.reason(), Some(ErrorReason::ForwardingLoop), "{error}");
            assert_eq!(error.code(), Code::FailedPrecondition);
        }
    }
}

#[tokio::test]
async fn a_backend_that_accepts_and_closes_is_unreachable_and_seldom_asked() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let accepts = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&accepts);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            drop(stream);
        }
    });
    let proxy = Proxy::start(&[("default", &address)]);
    let raw = Connection::open(proxy.grpc()).await;
    let set = SetRequest { key: "k".to_owned(), ..Default::default() };
    for _ in 0..2_000 {
        let (code, error) = raw.call(SET, &[], &[&framed(&set.encode_to_vec())]).await.refusal();
        assert_eq!((code, error.reason), (Code::Unavailable, ErrorReason::BackendUnreachable), "{error}");
        assert_eq!(error.fact("applied"), Some("no"), "{error}");
    }
    let status = proxy.status("").await;
    assert_eq!(status["backends"][0]["state"], "unreachable", "{status}");
    let accepts = accepts.load(Ordering::Relaxed);
    assert!(accepts < 1_000, "{accepts} connections for 2,000 calls");
}
