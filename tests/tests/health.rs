//! `prism health`, which compose files and scripts wait with.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;

use prism_e2e::dead::{DeadAddress, SilentAddress};
use prism_e2e::dev::{Dev, Ran};
use prism_e2e::process::{Process, command};
use serde_json::json;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic_health::ServingStatus;

/// A server in this process that reports NOT_SERVING, on its own thread.
fn not_serving() -> SocketAddr {
    let (send, address) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let incoming = TcpIncoming::bind(([127, 0, 0, 1], 0).into()).unwrap();
            send.send(incoming.local_addr().unwrap()).unwrap();
            let (reporter, service) = tonic_health::server::health_reporter();
            reporter.set_service_status("", ServingStatus::NotServing).await;
            Server::builder().add_service(service).serve_with_incoming(incoming).await.unwrap();
        });
    });
    address.recv().unwrap()
}

#[test]
fn a_server_that_takes_calls_ends_with_0() {
    let dev = Dev::start();
    let plugin = Process::start("prism-memstore", ["--listen", "127.0.0.1:0"]);
    assert_eq!(Ran::prism(["health", dev.address("grpc")]).text(), "SERVING\n");
    assert_eq!(dev.run(&["health"]).text(), "SERVING\n", "the variable names the server");
    let service = "prism.interfaces.list.ListBasicInterface";
    let checked = Ran::prism(["health", plugin.grpc(), "--service", service, "-o", "json"]);
    assert_eq!(
        (checked.code, checked.json()),
        (0, vec![json!({"address": plugin.grpc(), "service": service, "status": "SERVING"})])
    );
}

#[test]
fn a_server_that_takes_no_calls_ends_with_1() {
    let address = not_serving().to_string();
    for wait in [&[][..], &["--wait", "2s"]] {
        let checked = Ran::prism([&["health", &address], wait].concat());
        assert_eq!((checked.code, &checked.out[..]), (1, &b"NOT_SERVING\n"[..]), "{checked:?}");
    }
}

#[test]
fn a_page_tells_health_over_http() {
    let dev = Dev::start();
    for server in ["http", "admin"] {
        let page = |path: &str| format!("http://{}{path}", dev.address(server));
        let told = Ran::prism(["health", &page("/readyz"), "-o", "json"]).json();
        assert_eq!(told, [json!({"address": page("/readyz"), "service": "", "status": "SERVING"})]);
        let missing = Ran::prism(["health", &page("/nothing"), "--wait", "2s"]);
        assert!(missing.code == 1 && missing.err.contains("/nothing responded with 404"), "{missing:?}");
        let usage = Ran::prism(["health", &page("/readyz"), "--service", "prism.Nothing"]);
        assert_eq!(usage.code, 2, "{usage:?}");
    }
    let dead = DeadAddress::new();
    let nobody = Ran::prism(["health", &format!("http://{}/readyz", dead.address())]);
    assert!(nobody.code == 4 && nobody.err.contains("/readyz"), "{nobody:?}");
}

#[test]
fn a_page_that_answers_503_ends_with_1() {
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let page = format!("http://{}/readyz", busy.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = busy.accept().unwrap();
        let mut head = [0; 1024];
        let _ = stream.read(&mut head).unwrap();
        stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n").unwrap();
    });
    let checked = Ran::prism(["health", &page]);
    assert_eq!((checked.code, &checked.out[..]), (1, &b"NOT_SERVING\n"[..]), "{checked:?}");
}

#[test]
fn a_service_that_is_not_known_ends_with_3() {
    let dev = Dev::start();
    let unknown = dev.run(&["health", "--service", "prism.Nothing", "-o", "json"]);
    assert_eq!((unknown.code, &unknown.error()["kind"]), (3, &json!("not_found")));
}

#[test]
fn a_server_that_is_not_there_or_speaks_no_grpc_ends_with_4() {
    let dev = Dev::start();
    let folder = tempfile::tempdir().unwrap();
    let nowhere = format!("unix:{}", folder.path().join("nowhere").display());
    for address in [&nowhere, dev.address("http")] {
        let failed = Ran::prism(["health", address]);
        assert!(failed.code == 4 && failed.err.contains(address), "{failed:?}");
        let error = Ran::prism(["health", address, "-o", "json"]).error();
        assert_eq!((&error["kind"], &error["retryable"]), (&json!("unavailable"), &json!(true)));
    }
    let failed = Ran::prism(["health", &nowhere, "--wait", "150ms"]);
    assert_eq!(failed.code, 4, "{failed:?}");
}

#[test]
fn waiting_ends_when_the_server_takes_calls() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("unix:{}", folder.path().join("grpc").display());
    let mut waiting = command("prism");
    waiting.args(["health", &address, "--wait", "1min"]).stdout(Stdio::piped());
    let waiting = waiting.spawn().unwrap();
    let _dev = Dev::with(&["--listen", &address]);
    let waited = waiting.wait_with_output().unwrap();
    assert!(waited.status.success() && waited.stdout == b"SERVING\n", "{waited:?}");
}

#[test]
fn an_address_that_never_answers_takes_the_time_limit() {
    let silent = SilentAddress::new();
    let address = format!("127.0.0.1:{}", silent.port());
    for asked in [&address, &format!("http://{address}/readyz")] {
        let ran = Ran::prism(["health", asked, "--timeout", "300ms", "-o", "json"]);
        let error = ran.error();
        assert_eq!((ran.code, &error["code"]), (4, &json!("DEADLINE_EXCEEDED")), "{error}");
    }
}
