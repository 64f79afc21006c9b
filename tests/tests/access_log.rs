//! The proxy's access log: a line for each call if enabled, and for a slow one.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use prism_client::Client;
use prism_e2e::process::{Process, config};
use serde_json::Value;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

struct Stack {
    _store: Process,
    proxy: Process,
    client: Client,
    _folder: tempfile::TempDir,
}

fn stack(flags: &[&str]) -> Stack {
    let store = Process::start("prism-memstore", ["--listen", "127.0.0.1:0"]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("prism.yaml");
    std::fs::write(&file, config(&[("default", store.grpc())])).unwrap();
    let file = file.to_str().unwrap();
    let common =
        ["--listen", "127.0.0.1:0", "--http-listen", "off", "--log-format", "json", "--config", file];
    let proxy = Process::start("prism-proxy", common.iter().chain(flags));
    let traceparent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let client = Client::builder(proxy.grpc()).timeout(Duration::from_secs(60));
    let client = client.metadata("traceparent", traceparent).build().unwrap();
    Stack { _store: store, proxy, client, _folder: folder }
}

impl Stack {
    /// Stops the proxy and returns the lines about calls that it has logged.
    async fn lines(mut self) -> Vec<Value> {
        self.proxy.signal(rustix::process::Signal::TERM);
        // The client's part in the drain runs on this thread.
        let stopped = tokio::task::spawn_blocking(move || {
            assert!(self.proxy.wait().success());
            self
        });
        let log = stopped.await.unwrap().proxy.log();
        let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["target"] == "prism_proxy::access").collect()
    }
}

#[tokio::test]
async fn each_call_has_a_line_without_its_key_or_value() {
    let stack = stack(&["--access-log"]);
    let keyvalue = stack.client.keyvalue();
    keyvalue.set("a-secret-key", "a-secret-value").await.unwrap();
    keyvalue.get("a-missing-key").await.unwrap_err();
    stack.client.namespace("unknown").keyvalue().get("key").await.unwrap_err();

    let lines = stack.lines().await;
    let expected = [
        ("prism.interfaces.keyvalue.KeyValueBasicInterface/Set", Some("default"), "OK"),
        ("prism.interfaces.keyvalue.KeyValueBasicInterface/Get", Some("default"), "NOT_FOUND"),
        ("prism.interfaces.keyvalue.KeyValueBasicInterface/Get", None, "FAILED_PRECONDITION"),
    ];
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for (line, (method, namespace, code)) in lines.iter().zip(expected) {
        assert_eq!((&line["message"], &line["level"]), (&"call".into(), &"INFO".into()));
        assert_eq!((line["method"].as_str(), line["namespace"].as_str()), (Some(method), namespace));
        assert_eq!((line["code"].as_str(), line["trace_id"].as_str()), (Some(code), Some(TRACE)));
        assert!(line["took_ms"].as_f64().unwrap() > 0.0, "{line}");
        let text = line.to_string();
        assert!(!text.contains("secret") && !text.contains("missing"), "{text}");
    }
    assert!(lines[0]["request_bytes"].as_u64().unwrap() > 26, "the key, the value and their framing");
}

#[tokio::test]
async fn a_slow_call_is_logged_whatever_is_asked_for() {
    let all_are_slow = stack(&["--slow", "0s"]);
    all_are_slow.client.keyvalue().set("key", "value").await.unwrap();
    let lines = all_are_slow.lines().await;
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert_eq!((&lines[0]["message"], &lines[0]["level"]), (&"slow call".into(), &"WARN".into()));

    for flags in [&["--slow", "off"][..], &[]] {
        let quiet = stack(flags);
        let begun = Instant::now();
        quiet.client.keyvalue().set("key", "value").await.unwrap();
        if begun.elapsed() < Duration::from_secs(1) || !flags.is_empty() {
            assert_eq!(quiet.lines().await, Vec::<Value>::new());
        }
    }
}
