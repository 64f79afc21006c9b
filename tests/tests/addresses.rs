//! A name with one address that does not respond and one that does: whatever connects reaches it in time.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::ExitCode;

use prism_e2e::dev::Ran;
use prism_e2e::hosts::{Hosts, Port};
use prism_e2e::process::{Process, config};
use prism_e2e::{http, mounts};
use serde_json::json;

fn main() -> ExitCode {
    mounts::run(&[
        ("health_is_told", health_is_told),
        ("a_load_is_put_on_it", a_load_is_put_on_it),
        ("it_is_conformant", it_is_conformant),
        ("the_first_call_is_answered_through_a_proxy", the_first_call_is_answered_through_a_proxy),
    ])
}

/// A store that is known only by the name.
struct Store {
    hosts: Hosts,
    port: Port,
    _process: Process,
}

impl Store {
    fn start() -> Self {
        let (hosts, port) = (Hosts::new(), Port::new());
        let process = Process::start("prism-memstore", ["--listen", &port.listen()]);
        Self { hosts, port, _process: process }
    }

    /// Runs the tool with these words and its default timeouts.
    fn run(&self, words: &[&str]) -> Ran {
        Ran::of(&mut self.hosts.command("prism", words), b"")
    }
}

fn health_is_told() {
    let store = Store::start();
    assert_eq!(store.run(&["health", &store.port.name()]).text(), "SERVING\n");
}

fn a_load_is_put_on_it() {
    let store = Store::start();
    let words = [
        "bench",
        &store.port.name(),
        "--requests",
        "100",
        "--warmup",
        "0s",
        "--connections",
        "2",
        "-o",
        "json",
    ];
    let figures = &store.run(&words).json()[0];
    assert_eq!((&figures["requests"], &figures["errors"]), (&json!(100), &json!({})), "{figures}");
}

/// The case makes bare connections, the suite uses channels.
fn it_is_conformant() {
    let store = Store::start();
    let run = store.run(&["conformance", &store.port.name(), "--case", "wire/http1"]);
    assert!(run.text().contains(" is conformant: "), "{run:?}");
}

fn the_first_call_is_answered_through_a_proxy() {
    let store = Store::start();
    let (grpc, http, folder) = (Port::new(), Port::new(), tempfile::tempdir().unwrap());
    let file = folder.path().join("prism.yaml").display().to_string();
    std::fs::write(&file, config(&[("default", &store.port.name())])).unwrap();
    let flags = ["--listen", &grpc.listen(), "--http-listen", &http.listen(), "--config", &file];
    let _proxy = Process::spawn("prism-proxy", &mut store.hosts.command("prism-proxy", flags));
    assert_eq!(store.run(&["kv", "set", "k", "v", "--address", &grpc.name()]).text(), "OK\n");
    let page = format!("http://{}/readyz", http.name());
    assert_eq!(store.run(&["health", &page]).text(), "SERVING\n");

    let url = format!("http://{}", http.name());
    let flags = ["--listen", "127.0.0.1:0", "--proxy-config", &file, "--proxy", &url];
    let admin = Process::spawn("prism-admin", &mut store.hosts.command("prism-admin", flags));
    let backends = http::send(admin.address("http"), "GET", "/backends", &[], b"").json();
    let backend = &backends["backends"][0];
    assert_eq!((&backend["health"], &backend["proxies"][0]["state"]), (&json!("serving"), &json!("ready")));
}
