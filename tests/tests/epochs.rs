//! A scan shows which data it reads, so that it does not seem complete if its store has lost its data meanwhile.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;

use prism_e2e::dev::Ran;
use prism_e2e::process::{Process, Proxy, command};
use prism_e2e::raw::Connection;
use prism_proto::EPOCH_HEADER;
use serde_json::{Value, json};

/// An empty message: a scan of the whole namespace `default`.
const EVERYTHING: [u8; 5] = [0; 5];

/// The epoch in the responses of both kinds of scans, if any.
async fn epoch(address: &str) -> Option<String> {
    let connection = Connection::open(address).await;
    let mut told = Vec::new();
    for method in ["Scan", "ScanKeys"] {
        let path = format!("/prism.interfaces.keyvalue.KeyValueScanInterface/{method}");
        let answer = connection.call(&path, &[], &[&EVERYTHING]).await;
        assert_eq!(answer.status().unwrap().code(), tonic::Code::Ok);
        told.push(answer.headers.get(EPOCH_HEADER).map(|epoch| epoch.to_str().unwrap().to_owned()));
    }
    assert_eq!(told[0], told[1]);
    told.remove(0)
}

#[tokio::test]
async fn each_way_to_a_store_shows_its_epoch() {
    let store = || Process::start("prism-memstore", ["--listen", "127.0.0.1:0"]);
    let (one, another) = (store(), store());
    let proxy = Proxy::start(&[("default", one.grpc())]);
    let embedding = Proxy::start(&[("default", "embedded:memstore")]);
    let told = epoch(one.grpc()).await;
    assert!(told.is_some());
    assert_eq!(epoch(proxy.grpc()).await, told);
    let embedded = epoch(embedding.grpc()).await;
    assert!(embedded.is_some());
    assert_eq!(epoch(embedding.grpc()).await, embedded);
    let another = epoch(another.grpc()).await;
    assert!(told != another && told != embedded && another != embedded);
    let unable = Process::start("unordered-plugin", ["--listen", "127.0.0.1:0"]);
    assert_eq!(epoch(unable.grpc()).await, None, "it declares none");
}

/// Nobody else can use the path of its socket while it is down.
#[test]
fn an_export_from_a_store_that_restarted_is_not_complete() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("unix:{}", folder.path().join("store.sock").display());
    let start = || Process::start("prism-memstore", ["--listen", &address]);
    let mut store = start();
    let proxy = Proxy::start(&[("default", &address)]);
    // Far more than fits between the store and a reader that has stopped.
    let value = "AAAA".repeat(250_000);
    let lines: String =
        (10..50).map(|key| format!("{{\"key\":\"{key}\",\"value_base64\":\"{value}\"}}\n")).collect();
    let words = ["import", "default", "-", "--timeout", "1min", "--address", proxy.grpc()];
    assert_eq!(Ran::of(command("prism").args(words), lines.as_bytes()).text(), "stored 40 keys in default\n");

    let words = ["export", "default", "-o", "json", "--address", proxy.grpc()];
    let mut export = command("prism");
    let mut export = export.args(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(export.stdout.take().unwrap());
    out.read_line(&mut String::new()).unwrap();
    store.kill();
    let _store = start();
    // Until the proxy has found it.
    while Ran::prism(["kv", "count", "--timeout", "1min", "--address", proxy.grpc()]).code != 0 {}
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    let ended = export.wait_with_output().unwrap();
    let error: Value = serde_json::from_slice(&ended.stderr).unwrap_or_default();
    assert_eq!((ended.status.code(), &error["error"]["reason"]), (Some(1), &json!("SCAN_INTERRUPTED")));
    assert!(rest.lines().count() < 39, "it was in the middle");
}
