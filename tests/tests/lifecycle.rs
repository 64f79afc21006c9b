//! How the servers start, report that they are ready, drain and end.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::TcpListener;
use std::time::Duration;

use futures_util::StreamExt as _;
use prism_e2e::echo::EchoRequest;
use prism_e2e::echo::echo_interface_client::EchoInterfaceClient;
use prism_e2e::http;
use prism_e2e::process::{Process, Proxy, command};
use rustix::process::Signal;
use tonic::Code;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

async fn channel(address: &str) -> Channel {
    Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap()
}

fn health(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.into() }
}

/// Runs a binary that must end by itself; returns its exit code and standard error.
fn failed(name: &str, args: &[&str]) -> (i32, String) {
    let output = command(name).args(args).output().unwrap();
    assert!(output.stdout.is_empty(), "a server that did not start says nothing on stdout");
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn wrong_usage_ends_with_2() {
    let (code, says) = failed("prism-proxy", &["--lisen", "127.0.0.1:0"]);
    assert_eq!(code, 2);
    assert!(says.contains("--listen"), "it suggests what was meant: {says}");
}

#[test]
fn a_taken_address_ends_with_69_and_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (name, args) in [
        ("prism-memstore", vec!["--listen", &address]),
        ("prism-proxy", vec!["--listen", &address, "--http-listen", "off"]),
        ("prism-proxy", vec!["--listen", "127.0.0.1:0", "--http-listen", &address]),
    ] {
        let (code, says) = failed(name, &args);
        assert_eq!(code, 69, "{says}");
        assert!(says.contains(&address) && says.contains("another process listens there"), "{says}");
    }
}

#[test]
fn a_wrong_configuration_ends_with_78_and_says_where() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("prism.yaml");
    let path = file.to_str().unwrap();
    let (code, says) = failed("prism-proxy", &["--config", path]);
    assert_eq!(code, 78, "a named file that is missing");
    assert!(says.contains(path), "{says}");

    std::fs::write(
        &file,
        "namespaces:\n  - { name: a, pattern: keyvalue, plugin: { endpoint: 'embedded:etcd' } }\n",
    )
    .unwrap();
    let (code, says) = failed("prism-proxy", &["--config", path]);
    assert_eq!(code, 78);
    assert!(
        says.contains("namespaces[0].plugin.endpoint") && says.contains("expected diskstore, memstore"),
        "{says}"
    );
}

#[test]
fn a_variable_sets_what_no_flag_does() {
    let mut starting = command("prism-memstore");
    starting.env("PRISM_MEMSTORE_LISTEN", "127.0.0.1:0").env("PRISM_MEMSTORE_PORT", "tcp://10.0.0.1:1");
    let memstore = Process::spawn("prism-memstore", &mut starting);
    assert!(memstore.ready.starts_with("prism-memstore ready grpc=127.0.0.1:"), "{}", memstore.ready);
}

#[test]
fn the_help_tells_the_addresses_of_a_bare_start() {
    for (name, addresses) in [
        ("prism-proxy", ["127.0.0.1:8980", "127.0.0.1:8981", "localhost:50051"].as_slice()),
        ("prism-memstore", &["127.0.0.1:50051"]),
    ] {
        let help = command(name).arg("--help").output().unwrap();
        let help = String::from_utf8(help.stdout).unwrap();
        for address in addresses {
            assert!(help.contains(address), "{name} --help does not tell {address}: {help}");
        }
    }
}

#[tokio::test]
async fn http_answers_liveness_readiness_and_metrics() {
    let memstore =
        Process::start("prism-memstore", ["--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0"]);
    let proxy = Proxy::start(&[("default", memstore.grpc())]);
    for address in [memstore.address("http"), proxy.process.address("http")] {
        assert_eq!(http::get(address, "/livez").await, (200, "ok\n".into()));
        assert_eq!(http::get(address, "/readyz").await, (200, "ok\n".into()));
        let (status, metrics) = http::get(address, "/metrics").await;
        assert_eq!(status, 200);
        assert!(metrics.contains("prism_connections ") && metrics.ends_with("# EOF\n"), "{metrics}");
        assert_eq!(http::get(address, "/nowhere").await.0, 404);
    }
}

#[tokio::test]
async fn health_is_told_for_the_server_and_each_service() {
    let memstore = Process::start("prism-memstore", ["--listen", "127.0.0.1:0"]);
    let mut client = HealthClient::new(channel(memstore.grpc()).await);
    for service in
        ["", "prism.interfaces.keyvalue.KeyValueBasicInterface", "prism.interfaces.list.ListBasicInterface"]
    {
        let status = client.check(health(service)).await.unwrap().into_inner().status();
        assert_eq!(status, ServingStatus::Serving, "{service}");
    }
    assert_eq!(client.check(health("nothing")).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_drain_tells_watchers_finishes_calls_and_ends_with_0() {
    let plugin = Process::start("echo-plugin", ["--listen", "127.0.0.1:0"]);
    let mut proxy = Proxy::start(&[("echo", plugin.grpc())]);
    let channel = channel(proxy.grpc()).await;
    let mut watch = HealthClient::new(channel.clone()).watch(health("")).await.unwrap().into_inner();
    assert_eq!(watch.next().await.unwrap().unwrap().status(), ServingStatus::Serving);

    let (send, requests) = tokio::sync::mpsc::channel(1);
    let requests = futures_util::stream::unfold(requests, async |mut requests| {
        requests.recv().await.map(|request| (request, requests))
    });
    let request = || EchoRequest { namespace: "echo".into(), payload: b"x".into(), ..Default::default() };
    send.send(request()).await.unwrap();
    let mut echo = EchoInterfaceClient::new(channel);
    let mut answers = echo.bidirectional(requests).await.unwrap().into_inner();
    answers.next().await.unwrap().unwrap();

    proxy.process.signal(Signal::TERM);
    assert_eq!(watch.next().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    // The stream that was open goes on until its own end.
    send.send(request()).await.unwrap();
    answers.next().await.unwrap().unwrap();
    drop(send);
    assert!(answers.next().await.is_none());
    // The client's part in the drain runs on this thread.
    let ended = tokio::task::spawn_blocking(move || (proxy.process.wait(), proxy.process.log()));
    let (status, log) = ended.await.unwrap();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("drained"), "{log}");
}

#[tokio::test]
async fn a_drain_has_an_end_even_if_a_call_has_none() {
    let mut plugin = Process::start("echo-plugin", ["--listen", "127.0.0.1:0", "--drain-timeout", "100ms"]);
    let mut client = EchoInterfaceClient::new(channel(plugin.grpc()).await);
    let hanging = EchoRequest { hang: true, ..Default::default() };
    let call = tokio::spawn(async move { client.unary(hanging).await });
    let mut other = EchoInterfaceClient::new(channel(plugin.grpc()).await);
    while other.unary(EchoRequest::default()).await.unwrap().into_inner().hanging == 0 {}
    plugin.signal(Signal::INT);
    assert_eq!(plugin.wait().code(), Some(0));
    assert!(plugin.log().contains("closed the rest"), "{}", plugin.log());
    let ended = tokio::time::timeout(Duration::from_secs(30), call).await.unwrap().unwrap();
    assert!(ended.is_err());
}

#[tokio::test]
async fn a_client_that_stays_in_the_handshake_does_not_hold_up_the_drain() {
    let mut plugin = Process::start("echo-plugin", ["--listen", "127.0.0.1:0", "--drain-timeout", "100ms"]);
    let _silent = tokio::net::TcpStream::connect(plugin.grpc()).await.unwrap();
    plugin.signal(Signal::TERM);
    assert_eq!(plugin.wait().code(), Some(0));
}
