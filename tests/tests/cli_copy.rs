//! `prism export`, `prism import` and `prism copy`: what one writes the other stores, and each continues where it was interrupted.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../crates/prism-client/tests/fake/mod.rs"]
#[expect(dead_code, unreachable_pub, reason = "the client's, of which a part is used")]
mod fake;

use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Output, Stdio};
use std::sync::atomic::Ordering::SeqCst;

use bytes::Bytes;
use fake::{Fake, Fault};
use prism_e2e::admin::Gateway;
use prism_e2e::dev::Ran;
use prism_e2e::process::{Process, Proxy, command};
use prism_e2e::relay;
use prism_proto::interfaces::transfer::ListPart;
use prism_proto::{Applied, ErrorReason};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// A gateway with the namespaces `from` and `to` in one store.
struct Copy {
    gateway: Gateway,
    _store: Process,
    folder: tempfile::TempDir,
}

impl Copy {
    fn start() -> Self {
        let store = Process::start("prism-memstore", ["--listen", "127.0.0.1:0"]);
        let gateway = Gateway::start(&[("from", store.grpc()), ("to", store.grpc())], &[]);
        Self { gateway, _store: store, folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn run(&self, words: &[&str]) -> Ran {
        self.gateway.run(words)
    }

    fn run_json(&self, words: &[&str]) -> Ran {
        self.gateway.run_json(words)
    }

    fn set(&self, key: &str, value: &[u8]) {
        let words = ["kv", "set", key, "-", "-n", "from"];
        assert_eq!(Ran::of(&mut self.gateway.prism(&words), value).text(), "OK\n");
    }

    /// A namespace as `kv scan` prints it.
    fn scan(&self, namespace: &str) -> Vec<Value> {
        self.run_json(&["kv", "scan", "-n", namespace]).json()
    }

    /// Lines of an export with this many keys, of 1000 bytes each.
    fn lines(&self, keys: u32) -> String {
        let value = "AAAA".repeat(333);
        (0..keys).map(|key| format!("{{\"key\":\"k{key:03}\",\"value_base64\":\"{value}\"}}\n")).collect()
    }
}

/// Where a message says to continue.
fn resume(ran: &Ran) -> String {
    let error = ran.error();
    let (hint, resume) = (error["hint"].as_str().unwrap(), error["resume"].as_str().unwrap());
    assert!(hint.ends_with(&format!("; continue with --resume {resume}")), "{error}");
    resume.to_owned()
}

#[test]
fn any_keys_and_values_pass_through_a_file_and_a_pipe() {
    let copy = Copy::start();
    let all: Vec<u8> = (0..=255).collect();
    for (key, value) in
        [("empty", &b""[..]), ("binary", &all), ("tab\tline\n\"quote\" \u{e9}\u{1f980}", b"x\n")]
    {
        copy.set(key, value);
    }
    copy.set("large", &vec![b'\xff'; 4_000_000]);
    let file = copy.path("from.jsonl");

    let exported = copy.run(&["export", "from", "--output-file", &file]);
    assert_eq!(exported.text(), format!("wrote 4 keys of from to {file}\n"));
    let text = std::fs::read(&file).unwrap();
    assert_eq!(copy.run(&["export", "from"]).out, text, "standard output gets the same");
    assert_eq!(copy.run(&["kv", "scan", "-n", "from", "-o", "json"]).out, text, "as a scan prints it");
    let there = copy.run(&["export", "from", "--output-file", &file]);
    assert!(
        there.code == 1 && there.err.contains("already exists") && there.err.contains("--resume"),
        "{there:?}"
    );

    assert_eq!(copy.run(&["import", "to", &file]).text(), "stored 4 keys in to\n");
    assert_eq!(copy.scan("to"), copy.scan("from"));
    assert_eq!(copy.run(&["kv", "get", "binary", "-n", "to"]).out, all);

    assert_eq!(copy.run(&["kv", "del", "empty", "large", "-n", "to"]).code, 0);
    let piped = Ran::of(&mut copy.gateway.prism(&["import", "to", "-", "-o", "json"]), &text);
    assert_eq!(piped.json(), [json!({"namespace": "to", "keys": 4, "lists": 0, "skipped": 0})]);
    assert_eq!(copy.scan("to"), copy.scan("from"));
    let json = copy.path("json.jsonl");
    let exported = copy.run_json(&["export", "to", "--output-file", &json]);
    assert_eq!(exported.json(), [json!({"namespace": "to", "keys": 4, "lists": 0, "file": json})]);
}

/// Seconds that a key has left to live, rounded down.
fn ttl(copy: &Copy, key: &str, namespace: &str) -> Option<f64> {
    let told = copy.run_json(&["kv", "ttl", key, "-n", namespace]).json();
    told[0]["ttl_millis_left"].as_f64().map(|millis| millis / 1000.0)
}

#[test]
fn lists_and_times_to_live_pass_through_a_file_and_between_namespaces() {
    let copy = Copy::start();
    assert_eq!(copy.run(&["kv", "set", "short", "x", "--ttl", "1h", "-n", "from"]).text(), "OK\n");
    for value in ["a", "", "c"] {
        assert_eq!(copy.run(&["list", "push-right", "jobs", value, "-n", "from"]).code, 0);
    }
    let lines: Vec<Value> = copy.run(&["export", "from"]).json();
    let (left, taken_at) = (&lines[0]["ttl_millis_left"], &lines[0]["taken_at_unix_millis"]);
    assert!(left.as_i64().is_some_and(|left| left > 3_500_000) && taken_at.is_i64(), "{lines:?}");
    assert_eq!(lines[1], json!({"list_key": "jobs", "values_base64": ["YQ==", "", "Yw=="]}));
    assert_eq!(lines.len(), 2);

    let file = copy.path("from.jsonl");
    let exported = copy.run(&["export", "from", "--output-file", &file]);
    assert_eq!(exported.text(), format!("wrote 1 key and 1 list of from to {file}\n"));
    assert_eq!(copy.run(&["import", "to", &file]).text(), "stored 1 key and 1 list in to\n");
    let copied = |words: &[&str], text: &str| {
        assert_eq!(copy.run(words).text(), text);
        assert_eq!(copy.run(&["list", "range", "jobs", "-n", "to"]).text(), "a\n\nc\n");
        assert!(ttl(&copy, "short", "to").is_some_and(|left| left > 3500.0 && left <= 3600.0));
        assert_eq!(copy.run(&["list", "push-right", "jobs", "d", "-n", "to"]).code, 0);
    };
    copied(&["import", "to", &file], "stored 1 key and 1 list in to\n");
    copied(&["copy", "from", "to"], "copied 1 key and 1 list of from to to\n");
    let kept = copy.run(&["copy", "from", "to", "--if-absent"]);
    assert_eq!(kept.text(), "copied 1 key and 1 list of from to to, except for 2 items that were skipped\n");
    assert_eq!(copy.run(&["list", "length", "jobs", "-n", "to"]).text(), "4\n");
    let kept = copy.run_json(&["import", "to", &file, "--if-absent"]);
    assert_eq!(kept.json(), [json!({"namespace": "to", "keys": 1, "lists": 1, "skipped": 2})]);
    let some =
        copy.run_json(&["copy", "from", "to", "--prefix", "jo", "--to-address", copy.gateway.proxy.grpc()]);
    assert_eq!(some.json(), [json!({"from": "from", "to": "to", "keys": 0, "lists": 1, "skipped": 0})]);
    let same = copy.run(&["copy", "from", "from"]);
    assert!(same.code == 2 && same.err.contains("the same namespace"), "{same:?}");
}

#[test]
fn an_import_takes_off_the_time_since_the_export_if_asked() {
    let copy = Copy::start();
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let hour_ago = i64::try_from(since.as_millis()).unwrap() - 3_600_000;
    let line = |key: &str, left: i64| {
        let fields = json!({"key": key, "value_base64": "eA==", "ttl_millis_left": left, "taken_at_unix_millis": hour_ago});
        format!("{fields}\n")
    };
    let file = copy.path("old.jsonl");
    std::fs::write(&file, line("expired", 1_800_000) + &line("left", 7_200_000)).unwrap();
    let imported = copy.run_json(&["import", "to", &file, "--deadline"]);
    assert_eq!(imported.json(), [json!({"namespace": "to", "keys": 2, "lists": 0, "skipped": 1})]);
    assert_eq!(copy.run(&["kv", "exists", "expired", "-n", "to"]).code, 3);
    assert!(ttl(&copy, "left", "to").is_some_and(|left| left > 3000.0 && left <= 3600.0));
    assert_eq!(copy.run(&["import", "to", &file]).text(), "stored 2 keys in to\n");
    assert!(ttl(&copy, "expired", "to").is_some_and(|left| left > 1500.0));
    assert!(ttl(&copy, "left", "to").is_some_and(|left| left > 7000.0));
}

#[test]
fn a_copy_that_broke_off_goes_on_at_its_token() {
    let copy = Copy::start();
    let all = copy.path("all.jsonl");
    std::fs::write(&all, copy.lines(600)).unwrap();
    assert_eq!(copy.run(&["import", "from", &all]).code, 0);
    let relay = relay::cut_after(copy.gateway.proxy.grpc(), 450_000);
    let to = copy.gateway.proxy.grpc();
    let cut = copy.run_json(&["copy", "from", "to", "--address", &relay, "--to-address", to]);
    assert_eq!((cut.code, &cut.error()["kind"]), (4, &json!("unavailable")), "{cut:?}");
    let token = resume(&cut);
    let there = copy.scan("to").len();
    assert!((256..600).contains(&there), "{there}");
    let resumed = copy.run_json(&["copy", "from", "to", "--resume", &token]);
    assert_eq!(
        resumed.json(),
        [json!({"from": "from", "to": "to", "keys": 600 - 256, "lists": 0, "skipped": 0})]
    );
    assert_eq!(copy.run(&["export", "to"]).text(), copy.lines(600));
    let other = copy.run_json(&["copy", "to", "from", "--resume", &token]);
    assert_eq!((other.code, &other.error()["reason"]), (1, &json!("RESUME_INVALID")), "{other:?}");
}

#[test]
fn an_export_that_broke_off_goes_on_where_it_was() {
    let copy = Copy::start();
    let all = copy.path("all.jsonl");
    std::fs::write(&all, copy.lines(600)).unwrap();
    assert_eq!(copy.run(&["import", "from", &all]).text(), "stored 600 keys in from\n");

    let part = copy.path("part.jsonl");
    let relay = relay::cut_after(copy.gateway.proxy.grpc(), 450_000);
    let cut = copy.run_json(&["export", "from", "--output-file", &part, "--address", &relay]);
    let error = cut.error();
    assert_eq!((cut.code, &error["kind"]), (4, &json!("unavailable")), "{cut:?}");
    let written = std::fs::read_to_string(&part).unwrap().lines().count();
    assert!((257..600).contains(&written), "{written}");
    let hint = error["hint"].as_str().unwrap();
    assert!(hint.starts_with(&format!("{written} keys were written")) && hint.contains("--resume"), "{hint}");

    // As a crash would leave it.
    let file = std::fs::File::options().write(true).open(&part).unwrap();
    file.set_len(file.metadata().unwrap().len() - 5).unwrap();
    let checkpoint = copy.path("part.jsonl.resume");
    assert!(Path::new(&checkpoint).exists());
    // The store has read 256 keys at a time.
    let resumed = copy.run_json(&["export", "from", "--output-file", &part, "--resume"]);
    assert_eq!(resumed.json(), [json!({"namespace": "from", "keys": 600 - 256, "lists": 0, "file": part})]);
    assert_eq!(std::fs::read_to_string(&part).unwrap(), copy.lines(600));
    assert!(!Path::new(&checkpoint).exists());
    let done = copy.run(&["export", "from", "--output-file", &part, "--resume"]);
    assert!(
        done.code == 1 && done.err.contains("is complete, because no checkpoint is beside it"),
        "{done:?}"
    );
    assert_eq!(std::fs::read_to_string(&part).unwrap(), copy.lines(600));
}

/// The last list is gone when the export goes on within it.
#[tokio::test]
async fn an_export_within_whose_last_list_the_connection_was_lost_can_be_imported() {
    let fake = Fake::start().await;
    let values = vec![Bytes::from_static(b"a"), Bytes::from_static(b"b")];
    let part = ListPart { list_key: "l".to_owned(), values, part: 0, last: false };
    fake.state.parts.lock().unwrap().push_back(vec![part]);
    let lost = prism_proto::Error::unavailable(ErrorReason::BackendLost, Applied::Maybe, "lost");
    // An export counts before it scans.
    fake.fail([1, 1].map(|count| Fault::After(count, lost.clone().into())));
    let address = fake.address();
    tokio::task::spawn_blocking(move || {
        let copy = Copy::start();
        let file = copy.path("dump.jsonl");
        let words = ["export", "default", "--output-file", &file, "--address", &address];
        assert_eq!(Ran::prism(words).text(), format!("wrote 1 list of default to {file}\n"));
        assert_eq!(copy.run(&["import", "to", &file]).text(), "stored 1 list in to\n");
        assert_eq!(copy.run(&["list", "range", "l", "-n", "to"]).text(), "a\nb\n");
    })
    .await
    .unwrap();
}

/// A backend with ten keys, which restarts without its data after the first three entries of a scan.
async fn restarted() -> Fake {
    let fake = Fake::start().await;
    let keyvalue = prism_e2e::client(&fake.address()).keyvalue();
    for key in 0..10 {
        keyvalue.set(format!("k{key}"), "v").await.unwrap();
    }
    let lost =
        prism_proto::Error::unavailable(ErrorReason::BackendLost, Applied::Maybe, "the backend was lost");
    // An export counts before it scans.
    fake.fail([3, 3].map(|count| Fault::After(count, lost.clone().into())));
    fake.state.epochs.lock().unwrap().extend([Some("first"), Some("second")]);
    fake
}

#[tokio::test]
async fn an_export_from_a_backend_that_restarted_is_not_complete() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("part.jsonl").display().to_string();
    for to in [&[format!("--output-file={file}")][..], &[]] {
        let fake = restarted().await;
        let (address, to) = (fake.address(), to.to_owned());
        let export = tokio::task::spawn_blocking(move || {
            let proxy = Proxy::start(&[("default", &address)]);
            Ran::of(
                command("prism")
                    .args(["export", "default", "-o", "json", "--address", proxy.grpc()])
                    .args(to),
                b"",
            )
        });
        let ran = export.await.unwrap();
        let error = ran.error();
        assert_eq!((ran.code, &error["kind"]), (1, &json!("aborted")), "{error}");
        assert_eq!((&error["code"], &error["reason"]), (&json!("ABORTED"), &json!("SCAN_INTERRUPTED")));
        let hint = error["hint"].as_str().unwrap();
        assert!(hint == "start the scan over" || hint.ends_with("remove it and export again"), "{hint}");
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 3);
}

/// A backend with ten keys that scans from the last to the first, with a token for every third. Its next scan fails after
/// four entries, and the client's further attempts, too.
async fn lost_without_order() -> Fake {
    let fake = Fake::start().await;
    let keyvalue = prism_e2e::client(&fake.address()).keyvalue();
    for key in 0..10 {
        keyvalue.set(format!("k{key}"), "v").await.unwrap();
    }
    fake.state.unordered.store(true, SeqCst);
    fake.state.page.store(3, SeqCst);
    let lost = || {
        prism_proto::Error::unavailable(ErrorReason::BackendLost, Applied::Maybe, "the backend was lost")
            .into()
    };
    // An export counts before it scans.
    fake.fail([Fault::After(4, lost()), Fault::After(4, lost())]);
    fake.fail(vec![Fault::Status(lost()); 4]);
    fake
}

#[tokio::test]
async fn an_export_without_order_goes_on_at_its_token() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("part.jsonl").display().to_string();
    let lines = |keys: &[u32]| -> String {
        keys.iter().map(|key| format!("{{\"key\":\"k{key}\",\"value_base64\":\"dg==\"}}\n")).collect()
    };
    let all = lines(&[9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
    let export = async |fake: &Fake, words: &[&str]| {
        let address = fake.address();
        let words = [&["export", "default", "-o", "json", "--address", &address], words].concat();
        let words: Vec<_> = words.into_iter().map(str::to_owned).collect();
        tokio::task::spawn_blocking(|| Ran::prism(words)).await.unwrap()
    };

    let fake = lost_without_order().await;
    let cut = export(&fake, &["--output-file", &file]).await;
    let hint = cut.error()["hint"].as_str().unwrap().to_owned();
    assert!(cut.code == 4 && hint.starts_with("4 keys were written"), "{cut:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), lines(&[9, 8, 7, 6]));
    let resumed = export(&fake, &["--output-file", &file, "--resume"]).await;
    assert_eq!(resumed.json(), [json!({"namespace": "default", "keys": 7, "lists": 0, "file": file})]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), all, "no line is there twice");
    assert!(!Path::new(&format!("{file}.resume")).exists());

    let fake = lost_without_order().await;
    let cut = export(&fake, &[]).await;
    let error = cut.error();
    assert_eq!((cut.code, String::from_utf8(cut.out.clone()).unwrap()), (4, lines(&[9, 8, 7, 6])));
    let hint = "4 keys were written; continue with --resume azc=, which writes the last 1 line again";
    assert_eq!((&error["resume"], &error["hint"]), (&json!("azc="), &json!(hint)));
    let resumed = export(&fake, &["--resume", "azc="]).await;
    assert_eq!(resumed.text(), lines(&[6, 5, 4, 3, 2, 1, 0]));
}

#[test]
fn what_to_resume_has_to_be_said() {
    let copy = Copy::start();
    copy.set("k", b"v");
    for (words, why) in [
        (&["export", "from", "--resume"][..], "--resume needs --output-file"),
        (&["export", "--resume"], "the namespace to export is missing"),
        (&["export", "from", "--resume", "?"], "expected the token that an interrupted export printed"),
        (&["export", "from", "--resume", ""], "expected the token that an interrupted export printed"),
    ] {
        let refused = copy.run(words);
        assert!(refused.code == 2 && refused.err.contains(why), "{words:?}: {refused:?}");
    }
    // In any order, as long as there is a file.
    let file = copy.path("from.jsonl");
    let exported = copy.run(&["export", "--output-file", &file, "--resume", "from"]);
    assert_eq!(exported.text(), format!("wrote 1 key of from to {file}\n"));
    let invalid = copy.run_json(&["export", "from", "--resume", "AAAA"]);
    assert_eq!((invalid.code, &invalid.error()["reason"]), (1, &json!("RESUME_INVALID")), "{invalid:?}");
}

/// A checkpoint is as good as its file.
#[test]
fn a_checkpoint_of_another_file_is_not_followed() {
    let copy = Copy::start();
    std::fs::write(copy.path("all.jsonl"), copy.lines(10)).unwrap();
    assert_eq!(copy.run(&["import", "from", &copy.path("all.jsonl")]).code, 0);
    let (file, checkpoint) = (copy.path("part.jsonl"), copy.path("part.jsonl.resume"));
    for (text, checkpoint_text, why) in [
        ("something else\n", r#"{"resume":"","file_bytes":0}"#, "its last line is not from an export"),
        (
            &*copy.lines(2),
            r#"{"resume":"AAAA","file_bytes":7}"#,
            "it is not the file that its checkpoint belongs to",
        ),
        (&*copy.lines(2), "{}", "is not the checkpoint of an export"),
    ] {
        std::fs::write(&file, text).unwrap();
        std::fs::write(&checkpoint, checkpoint_text).unwrap();
        let refused = copy.run(&["export", "from", "--output-file", &file, "--resume"]);
        assert!(refused.code == 1 && refused.err.contains(why), "{refused:?}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), text, "it is left alone");
    }
    // As a power failure may leave it.
    std::fs::write(&checkpoint, r#"{"resume":"AAAA","file_bytes":1000000}"#).unwrap();
    let resumed = copy.run(&["export", "from", "--output-file", &file, "--resume"]);
    assert!(resumed.err.contains("shorter than its checkpoint says"), "{resumed:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), copy.lines(10));
    assert!(!Path::new(&checkpoint).exists());
}

#[test]
fn an_import_that_broke_off_goes_on_at_the_line_that_it_tells() {
    let copy = Copy::start();
    let all = copy.path("all.jsonl");
    let lines = copy.lines(700);
    let first: String = lines.split_inclusive('\n').take(600).collect();
    std::fs::write(&all, first + "garbled\n").unwrap();
    let broken = copy.run_json(&["import", "to", &all]);
    assert_eq!(
        (broken.code, resume(&broken), &broken.error()["start_after"]),
        (1, "600".to_owned(), &json!("k599"))
    );
    assert_eq!(copy.scan("to").len(), 600, "all up to the line are stored");

    std::fs::write(&all, &lines).unwrap();
    for words in [["--resume", "600"], ["--start-after", "k599"]] {
        let resumed = copy.run_json(&[&["import", "to", &all][..], &words].concat());
        assert_eq!(resumed.json(), [json!({"namespace": "to", "keys": 100, "lists": 0, "skipped": 0})]);
        assert_eq!(copy.run(&["export", "to"]).text(), lines);
    }
    let long = copy.run(&["import", "to", &all, "--resume", "701"]);
    assert!(long.code == 1 && long.err.contains("it has 700 lines"), "{long:?}");
    let nowhere = copy.run(&["import", "to", &all, "--start-after", "nowhere"]);
    assert!(nowhere.code == 1 && nowhere.err.contains("no line has the key \"nowhere\""), "{nowhere:?}");
}

/// Starts an import of what is written to it, and returns once these lines are stored.
fn importing(copy: &Copy, lines: &str) -> Child {
    let mut import = copy.gateway.prism(&["import", "to", "-", "-o", "json"]);
    let mut import =
        import.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    import.stdin.as_mut().unwrap().write_all(lines.as_bytes()).unwrap();
    while copy.run(&["kv", "count", "-n", "to"]).text() != format!("{}\n", lines.lines().count()) {}
    import
}

fn interrupt(process: &Child) {
    let pid = i32::try_from(process.id()).ok().and_then(Pid::from_raw).unwrap();
    kill_process(pid, Signal::INT).unwrap();
}

/// The standard error of an interrupted command.
fn error(ended: &Output) -> Value {
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let object: Value = serde_json::from_slice(&ended.stderr).unwrap();
    object["error"].clone()
}

#[test]
fn an_interrupt_tells_where_an_import_goes_on() {
    let copy = Copy::start();
    let mut import = importing(&copy, &copy.lines(3));
    // It stays open, and nobody waits for it.
    let _stdin = import.stdin.take();
    interrupt(&import);
    let error = error(&import.wait_with_output().unwrap());
    assert_eq!((&error["message"], &error["code"]), (&json!("interrupted"), &json!("CANCELLED")), "{error}");
    assert_eq!(error["start_after"], "k002");
    assert_eq!(
        (&error["hint"], &error["resume"]),
        (&json!("3 keys were stored; continue with --resume 3"), &json!("3"))
    );
}

#[test]
fn an_interrupt_leaves_an_export_that_can_be_resumed() {
    let copy = Copy::start();
    let all = copy.path("all.jsonl");
    std::fs::write(&all, copy.lines(200)).unwrap();
    assert_eq!(copy.run(&["import", "from", &all]).text(), "stored 200 keys in from\n");
    let (part, relay) = (copy.path("part.jsonl"), relay::silent_after(copy.gateway.proxy.grpc(), 60_000));
    let words = ["export", "from", "--output-file", &part, "-o", "json", "--address", &relay];
    let export = copy.gateway.prism(&words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while std::fs::metadata(&part).map_or(0, |file| file.len()) == 0 {}
    interrupt(&export);
    let error = error(&export.wait_with_output().unwrap());
    assert!(error["hint"].as_str().unwrap().contains("--resume"), "{error}");
    assert_eq!(copy.run(&["export", "from", "--output-file", &part, "--resume"]).code, 0);
    assert_eq!(std::fs::read_to_string(&part).unwrap(), copy.lines(200));
}

#[test]
fn lines_with_the_same_key_are_stored_in_their_order() {
    let copy = Copy::start();
    let file = copy.path("same.jsonl");
    // The large value is still in flight when the small one would overtake it.
    let line = |value: &str| format!("{{\"key\":\"k\",\"value_base64\":\"{value}\"}}\n");
    let large = "AAAA".repeat(1_000_000);
    for newest in ["eA==", "eQ=="] {
        let other = copy.lines(20);
        std::fs::write(&file, format!("{other}{}{}{other}", line(&large), line(newest))).unwrap();
        assert_eq!(copy.run(&["import", "to", &file]).text(), "stored 42 keys in to\n");
        let got = copy.run_json(&["kv", "get", "k", "-n", "to"]).json();
        assert!(got[0]["value_base64"] == newest, "the line before it won");
    }
}

#[test]
fn the_place_to_go_on_at_is_a_number_and_its_key_a_field() {
    let copy = Copy::start();
    let file = copy.path("hostile.jsonl");
    for key in ["`id`", "--resume", "tab\t\u{1b}[2J"] {
        let good = format!("{}\n", json!({"key": key, "value_base64": "eA=="}));
        std::fs::write(&file, format!("{good}garbled\n")).unwrap();
        let error = copy.run_json(&["import", "to", &file]).error();
        assert_eq!(error["start_after"], key);
        assert_eq!(error["hint"], "1 key was stored; continue with --resume 1");
        std::fs::write(&file, format!("{good}{good}")).unwrap();
        for words in [["--resume", "1"], ["--start-after", key]] {
            let resumed = copy.run(&[&["import", "to", &file][..], &words].concat());
            assert_eq!(resumed.text(), "stored 1 key in to\n");
        }
    }
}

#[test]
fn a_line_that_is_wrong_is_named_and_ends_the_import() {
    let copy = Copy::start();
    let file = copy.path("wrong.jsonl");
    let good = |key: &str| format!("{{\"key\":\"{key}\",\"value_base64\":\"eA==\"}}\n");
    let (a, b, c) = (good("a"), good("b"), good("c"));
    for wrong in [
        &b"garbled\n"[..],
        b"\n",
        b"{\"key\":\"x\",\"value_base64\":\"e\n",
        b"{\"key\":\"x\",\"value_base64\":\"?\"}\n",
        b"{\"key\":\"x\"}\n",
        b"{\"key\":\"x\",\"value_base64\":\"eA==\",\"ttl\":5}\n",
        b"{\"key\":\"\xff\",\"value_base64\":\"eA==\"}\n",
        b"\0\0\0\n",
    ] {
        std::fs::write(&file, [a.as_bytes(), b.as_bytes(), wrong, c.as_bytes()].concat()).unwrap();
        let text = copy.run(&["import", "to", &file]);
        assert!(text.code == 1 && text.err.contains(&format!("prism: {file}:3: ")), "{text:?}");
        assert!(!text.err.contains("at line"), "one line is named: {text:?}");
        assert!(text.err.contains("\n  2 keys were stored; continue with --resume 2\n"), "{text:?}");
        let json = copy.run_json(&["import", "to", &file]);
        assert_eq!((json.code, resume(&json).as_str()), (1, "2"));
        assert_eq!(
            copy.run(&["kv", "scan", "--keys-only", "-n", "to"]).text(),
            "a\nb\n",
            "nothing behind it"
        );
        assert_eq!(copy.run(&["kv", "del", "a", "b", "-n", "to"]).code, 0);
    }
    // A truncated file.
    std::fs::write(&file, format!("{a}{}", &b[..b.len() - 4])).unwrap();
    let cut = copy.run(&["import", "to", &file]);
    assert!(cut.code == 1 && cut.err.contains(&format!("{file}:2: ")), "{cut:?}");
    let piped = Ran::of(&mut copy.gateway.prism(&["import", "to", "-"]), b"garbled");
    assert!(piped.code == 1 && piped.err.contains("standard input:1: "), "{piped:?}");
    assert_eq!(copy.run(&["kv", "scan", "--keys-only", "-n", "to"]).text(), "a\n");
}

#[test]
fn what_cannot_be_copied_is_refused() {
    let copy = Copy::start();
    let file = copy.path("new.jsonl");
    let unknown = copy.run_json(&["export", "nowhere", "--output-file", &file]);
    assert_eq!((unknown.code, &unknown.error()["kind"]), (1, &json!("namespace_not_found")));
    assert!(!Path::new(&file).exists(), "the same command works once the namespace is there");
    let hint = unknown.error()["hint"].as_str().unwrap().to_owned();
    assert!(hint.contains("prism namespaces ls"), "{hint}");

    std::fs::write(&file, copy.lines(3)).unwrap();
    let unknown = copy.run_json(&["import", "nowhere", &file]);
    assert_eq!((unknown.code, &unknown.error()["kind"]), (1, &json!("namespace_not_found")));
    assert_eq!(copy.run_json(&["import", "to", &file, "--address", "127.0.0.1:1"]).code, 4);
    let missing = copy.run(&["import", "to", "/nowhere/file"]);
    assert!(missing.code == 1 && missing.err.contains("/nowhere/file"), "{missing:?}");

    std::fs::write(&file, "no export\n").unwrap();
    let other = copy.run(&["export", "from", "--output-file", &file, "--resume"]);
    assert!(other.code == 1 && other.err.contains("not from an export"), "{other:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "no export\n", "it is left alone");
}
