//! How a server goes out of service: with a delay in which it still serves, by one signal or several, and with clients
//! that do not cooperate.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use futures_util::StreamExt as _;
use prism_e2e::client;
use prism_e2e::http;
use prism_e2e::open::Open;
use prism_e2e::process::{Process, Proxy, config};
use rustix::process::Signal;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

/// The server's health status, as it changes.
async fn watch(address: &str) -> tonic::Streaming<tonic_health::pb::HealthCheckResponse> {
    let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
    let mut watch =
        HealthClient::new(channel).watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(watch.next().await.unwrap().unwrap().status(), ServingStatus::Serving);
    watch
}

/// Waits for the end on another thread, because the clients' part in a drain runs on this one.
async fn exit_code(mut process: Process) -> Option<i32> {
    tokio::task::spawn_blocking(move || process.wait().code()).await.unwrap()
}

#[tokio::test]
async fn before_a_delayed_drain_health_says_not_serving_and_calls_are_served() {
    let text = config(&[("default", "embedded:memstore")]);
    let mut proxy = Proxy::with_flags(&text, &["--drain-delay", "1h"]);
    let before = client(proxy.grpc());
    before.keyvalue().set("k", "v").await.unwrap();
    let mut watched = watch(proxy.grpc()).await;
    proxy.process.signal(Signal::TERM);
    assert_eq!(watched.next().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    assert_eq!(http::get(proxy.process.address("http"), "/readyz").await.0, 503);
    assert_eq!(http::get(proxy.process.address("http"), "/livez").await.0, 200);
    before.keyvalue().set("k", "w").await.unwrap();
    assert_eq!(
        client(proxy.grpc()).keyvalue().get("k").await.unwrap(),
        "w",
        "a new connection is served, too"
    );
    proxy.process.signal(Signal::INT);
    assert_eq!(proxy.process.wait().code(), Some(1));
}

#[tokio::test]
async fn after_its_delay_a_drain_ends_as_any_other() {
    let mut plugin = Process::start("echo-plugin", ["--listen", "127.0.0.1:0", "--drain-delay", "50ms"]);
    plugin.signal(Signal::TERM);
    assert_eq!(plugin.wait().code(), Some(0));
    let log = plugin.log();
    let delayed = log.find("until the drain begins").unwrap();
    assert!(log[delayed..].contains("drained"), "{log}");
}

#[tokio::test]
async fn a_signal_that_comes_twice_at_once_does_not_cut_the_drain() {
    let plugin = Process::start("echo-plugin", ["--listen", "127.0.0.1:0"]);
    let mut proxy = Proxy::with_flags(&config(&[("echo", plugin.grpc())]), &["--drain-timeout", "1h"]);
    let mut open = Open::begin(&proxy, "echo").await;
    let mut watched = watch(proxy.grpc()).await;
    proxy.process.signal(Signal::TERM);
    proxy.process.signal(Signal::TERM);
    assert_eq!(watched.next().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    open.is_alive().await;
    open.ends_well().await;
    assert_eq!(exit_code(proxy.process).await, Some(0));
}

#[tokio::test]
async fn an_interrupt_cuts_the_drain() {
    let plugin = Process::start("echo-plugin", ["--listen", "127.0.0.1:0"]);
    let mut proxy = Proxy::with_flags(&config(&[("echo", plugin.grpc())]), &["--drain-timeout", "1h"]);
    let _open = Open::begin(&proxy, "echo").await;
    let mut watched = watch(proxy.grpc()).await;
    proxy.process.signal(Signal::TERM);
    assert_eq!(watched.next().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    proxy.process.signal(Signal::INT);
    assert_eq!(exit_code(proxy.process).await, Some(1));
}

#[test]
fn a_client_that_answers_nothing_does_not_hold_up_the_drain() {
    let mut memstore = Process::start("prism-memstore", ["--listen", "127.0.0.1:0", "--drain-timeout", "1h"]);
    let mut silent = TcpStream::connect(memstore.grpc()).unwrap();
    // The preface, and empty SETTINGS.
    silent.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
    // The server's SETTINGS: it has started to serve.
    silent.read_exact(&mut [0; 9]).unwrap();
    memstore.signal(Signal::TERM);
    assert_eq!(memstore.wait().code(), Some(0));
}
