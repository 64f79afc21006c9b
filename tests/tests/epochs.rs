//! A scan shows which data it reads, so that it does not seem complete if its store has lost its data meanwhile.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::Stdio;

use bytes::Bytes;
use prism_e2e::dev::Ran;
use prism_e2e::process::{Process, Proxy, command};
use prism_e2e::raw::Connection;
use prism_e2e::relay;
use prism_proto::{EPOCH_HEADER, ErrorReason};
use rustix::process::Signal;
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

/// A store at a path that nobody else can use while it is down.
struct Store {
    process: Process,
    address: String,
    _folder: tempfile::TempDir,
}

impl Store {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = format!("unix:{}", folder.path().join("store.sock").display());
        Self { process: Self::process(&address), address, _folder: folder }
    }

    fn process(address: &str) -> Process {
        Process::start("prism-memstore", ["--listen", address, "--drain-timeout", "0s"])
    }

    /// Stores keys from 1000 on, with values of this many bytes, through `gateway`.
    fn fill(gateway: &str, keys: usize, value_bytes: usize) {
        let value = "AAAA".repeat(value_bytes / 3);
        let lines: String = (1000..1000 + keys)
            .map(|key| format!("{{\"key\":\"{key}\",\"value_base64\":\"{value}\"}}\n"))
            .collect();
        let words = ["import", "default", "-", "--timeout", "1min", "--address", gateway];
        let stored = Ran::of(command("prism").args(words), lines.as_bytes());
        assert_eq!(stored.text(), format!("stored {keys} keys in default\n"));
    }

    /// Ends it with this signal and starts it anew, empty; returns once `gateway` has found it.
    fn restart(&mut self, signal: Signal, gateway: &str) {
        self.process.signal(signal);
        self.process.wait();
        self.process = Self::process(&self.address);
        while Ran::prism(["kv", "count", "--timeout", "1min", "--address", gateway]).code != 0 {}
    }
}

#[test]
fn an_export_from_a_store_that_restarted_is_not_complete() {
    for (signal, is_direct) in
        [(Signal::KILL, false), (Signal::TERM, false), (Signal::KILL, true), (Signal::TERM, true)]
    {
        let mut store = Store::start();
        let proxy = Proxy::start(&[("default", &store.address)]);
        let gateway = if is_direct { store.address.clone() } else { proxy.grpc().to_owned() };
        // Far more than fits between the store and a reader that has stopped.
        Store::fill(&gateway, 40, 750_000);

        let words = ["export", "default", "-o", "json", "--address", &gateway];
        let mut export = command("prism");
        let mut export = export.args(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(export.stdout.take().unwrap());
        out.read_line(&mut String::new()).unwrap();
        store.restart(signal, &gateway);
        let mut rest = String::new();
        out.read_to_string(&mut rest).unwrap();
        let ended = export.wait_with_output().unwrap();
        let error: Value = serde_json::from_slice(&ended.stderr).unwrap_or_default();
        let found = (ended.status.code(), &error["error"]["reason"]);
        assert_eq!(found, (Some(1), &json!("SCAN_INTERRUPTED")), "{signal:?}, direct: {is_direct}");
        assert!(rest.lines().count() < 39, "it was in the middle");
    }
}

/// Without its checkpoint, it would continue behind the last key of its file, find nothing there, and end with 0.
#[test]
fn an_export_that_is_resumed_after_its_store_restarted_is_not_complete() {
    let mut store = Store::start();
    let proxy = Proxy::start(&[("default", &store.address)]);
    Store::fill(proxy.grpc(), 1000, 1000);
    let file = store.address.replace("unix:", "").replace("store.sock", "part.jsonl");
    let export = |words: &[&str], address: &str| {
        let words = [&["export", "default", "-o", "json", "--address", address], words].concat();
        Ran::prism(words)
    };
    let lines = || std::fs::read_to_string(&file).unwrap().lines().count();

    let cut = export(&["--output-file", &file], &relay::cut_after(proxy.grpc(), 700_000));
    assert_eq!((cut.code, &cut.error()["kind"]), (4, &json!("unavailable")), "{cut:?}");
    let piped = export(&[], &relay::cut_after(proxy.grpc(), 700_000));
    let token = piped.error()["resume"].as_str().unwrap().to_owned();
    let hint = piped.error()["hint"].as_str().unwrap().to_owned();
    assert!(hint.contains(&format!("continue with --resume {token}")), "{hint}");

    // In the same data, each continues where it was.
    let copy = format!("{file}.copy");
    for suffix in ["", ".resume"] {
        std::fs::copy(format!("{file}{suffix}"), format!("{copy}{suffix}")).unwrap();
    }
    let resumed = export(&["--output-file", &copy, "--resume"], proxy.grpc());
    assert!(resumed.code == 0 && resumed.json()[0]["keys"].as_u64().unwrap() < 1000, "{resumed:?}");
    let whole = export(&[], proxy.grpc());
    assert_eq!(std::fs::read(&copy).unwrap(), whole.out, "no key is missing, and none is there twice");
    assert!(!Path::new(&format!("{copy}.resume")).exists(), "it is complete");
    let rest = export(&["--resume", &token], proxy.grpc());
    assert!(rest.code == 0 && whole.out.ends_with(&rest.out) && rest.out.len() < whole.out.len());
    assert!(piped.out.len() + rest.out.len() >= whole.out.len());

    store.restart(Signal::KILL, proxy.grpc());
    let written = lines();
    for words in [&["--output-file", &file, "--resume"][..], &["--resume", &token]] {
        let resumed = export(words, proxy.grpc());
        let error = resumed.error();
        assert_eq!(
            (resumed.code, &error["reason"]),
            (1, &json!("SCAN_INTERRUPTED")),
            "{words:?}: {resumed:?}"
        );
        let hint = error["hint"].as_str().unwrap();
        assert!(hint == "start the scan over" || hint.ends_with("remove it and export again"), "{hint}");
    }
    assert!((1..=written).contains(&lines()), "what it has is left");
}

#[tokio::test]
async fn a_token_belongs_to_its_backend() {
    let store = Process::start("prism-memstore", ["--listen", "127.0.0.1:0"]);
    let other = Process::start("prism-memstore", ["--listen", "127.0.0.1:0"]);
    let resumable = Process::start("unordered-plugin", ["--listen", "127.0.0.1:0", "--page", "2"]);
    let unable = Process::start("unordered-plugin", ["--listen", "127.0.0.1:0"]);
    let keys = |address: &str| prism_e2e::client(address).keyvalue();
    keys(store.grpc()).set("k", "v").await.unwrap();
    let mut scan = keys(store.grpc()).scan("");
    scan.next().await.unwrap().unwrap();
    let token = scan.resume_token().unwrap().clone();
    for (address, reason) in [
        (other.grpc(), ErrorReason::ScanInterrupted),
        (resumable.grpc(), ErrorReason::ResumeInvalid),
        (unable.grpc(), ErrorReason::ResumeInvalid),
    ] {
        let error = keys(address).scan("").resume(token.clone()).next().await.unwrap().unwrap_err();
        assert_eq!(error.reason(), Some(reason), "{error}");
    }
    assert!(keys(store.grpc()).scan("").resume(token).next().await.is_none(), "there was one key");
}

/// Every position of a backend without order, through a proxy.
#[tokio::test]
async fn a_scan_without_order_continues_at_each_token() {
    let plugin = Process::start("unordered-plugin", ["--listen", "127.0.0.1:0", "--page", "2"]);
    let proxy = Proxy::start(&[("default", plugin.grpc())]);
    let keyvalue = prism_e2e::client(proxy.grpc()).keyvalue();
    let all = ["z", "a:2", "m", "b:1", "a:1"];
    for (prefix, limit) in [("", 0), ("", 1), ("a", 0), ("a", 1)] {
        let expected: Vec<_> = all.into_iter().filter(|key| key.starts_with(prefix)).collect();
        let (mut found, mut token) = (Vec::new(), Bytes::new());
        loop {
            let mut scan = keyvalue.scan_keys(prefix).limit(limit).resume(token.clone());
            while let Some(key) = scan.next().await {
                found.push(key.unwrap());
                if scan.resume_token().is_some_and(|next| *next != token) {
                    break;
                }
            }
            match scan.resume_token() {
                Some(next) if *next != token => token = next.clone(),
                _ => break,
            }
        }
        assert_eq!(found, expected, "{prefix:?}, limit {limit}");
    }
}
