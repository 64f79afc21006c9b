//! `prism export` and `prism import`: what one writes the other stores, and each continues where it was interrupted.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../crates/prism-client/tests/fake/mod.rs"]
#[expect(dead_code, unreachable_pub, reason = "the client's, of which a part is used")]
mod fake;

use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::Ordering::SeqCst;

use fake::{Fake, Fault};
use prism_e2e::admin::Gateway;
use prism_e2e::dev::Ran;
use prism_e2e::process::{Process, Proxy, binary, command};
use prism_e2e::relay;
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

/// The key after which a message says to continue.
fn start_after(ran: &Ran) -> String {
    let error = ran.error();
    let hint = error["hint"].as_str().unwrap();
    hint.rsplit_once("--start-after ").unwrap().1.trim_matches('"').to_owned()
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
    assert_eq!(copy.run(&["list", "push-left", "jobs", "a", "-n", "from"]).code, 0);
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
    assert_eq!(copy.run(&["list", "length", "jobs", "-n", "to"]).text(), "0\n", "lists are no part of it");

    assert_eq!(copy.run(&["kv", "del", "empty", "large", "-n", "to"]).code, 0);
    let piped = Ran::of(&mut copy.gateway.prism(&["import", "to", "-", "-o", "json"]), &text);
    assert_eq!(piped.json(), [json!({"namespace": "to", "keys": 4})]);
    assert_eq!(copy.scan("to"), copy.scan("from"));
    let json = copy.path("json.jsonl");
    let exported = copy.run_json(&["export", "to", "--output-file", &json]);
    assert_eq!(exported.json(), [json!({"namespace": "to", "keys": 4, "file": json})]);
}

#[test]
fn times_to_live_are_not_copied_and_that_is_said() {
    let copy = Copy::start();
    let words = ["kv", "set", "short", "x", "--ttl", "1h", "-n", "from"];
    assert_eq!(copy.run(&words).text(), "OK\n");
    let line: Vec<Value> = copy.run(&["export", "from"]).json();
    assert_eq!(line, [json!({"key": "short", "value_base64": "eA=="})]);
    assert!(copy.run(&["export", "--help"]).text().contains("no times to live"));
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
    let (behind, checkpoint) = (copy.path("behind.jsonl"), copy.path("part.jsonl.resume"));
    std::fs::copy(&part, &behind).unwrap();
    assert!(Path::new(&checkpoint).exists());
    // The store has read 256 keys at a time. Without a checkpoint, the last whole line counts.
    for (file, keys) in [(&part, 600 - 256), (&behind, 601 - written)] {
        let resumed = copy.run_json(&["export", "from", "--output-file", file, "--resume"]);
        assert_eq!(resumed.json(), [json!({"namespace": "from", "keys": keys, "file": file})]);
        assert_eq!(std::fs::read_to_string(file).unwrap(), copy.lines(600));
        let done = copy.run(&["export", "from", "--output-file", file, "--resume"]);
        assert_eq!(done.text(), format!("wrote 0 keys of from to {file}\n"));
        assert_eq!(std::fs::read_to_string(file).unwrap(), copy.lines(600));
    }
    assert!(!Path::new(&checkpoint).exists());
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
    assert_eq!(resumed.json(), [json!({"namespace": "default", "keys": 7, "file": file})]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), all, "no line is there twice");
    assert!(!Path::new(&format!("{file}.resume")).exists());

    let fake = lost_without_order().await;
    let cut = export(&fake, &[]).await;
    let error = cut.error();
    assert_eq!((cut.code, String::from_utf8(cut.out.clone()).unwrap()), (4, lines(&[9, 8, 7, 6])));
    let hint = "4 keys were written; continue with --resume azc=, which writes the last 1 key again";
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
fn an_import_that_broke_off_goes_on_behind_the_key_that_it_tells() {
    let copy = Copy::start();
    let all = copy.path("all.jsonl");
    std::fs::write(&all, copy.lines(200)).unwrap();
    let relay = relay::cut_after(copy.gateway.proxy.grpc(), 3000);
    let cut = copy.run_json(&["import", "to", &all, "--address", &relay]);
    assert_eq!((cut.code, &cut.error()["kind"]), (4, &json!("unavailable")), "{cut:?}");
    let last = start_after(&cut);
    let stored: usize = last.trim_start_matches('k').parse().unwrap();
    let there = copy.scan("to");
    assert!(there.len() > stored, "all up to the key are stored");
    assert!((0..=stored).all(|key| there[key]["key"] == format!("k{key:03}")), "{there:?}");

    let resumed = copy.run_json(&["import", "to", &all, "--start-after", &last]);
    assert_eq!(resumed.json(), [json!({"namespace": "to", "keys": 199 - stored})]);
    assert_eq!(copy.run(&["export", "to"]).text(), copy.lines(200));
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
    assert_eq!(error["hint"], "3 keys were stored; continue with --start-after \"k002\"");
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
fn the_key_to_go_on_behind_is_a_word_of_a_shell_and_a_field() {
    let copy = Copy::start();
    let file = copy.path("hostile.jsonl");
    for key in ["`id`", "$(id)", "it's", "--resume", "tab\t\u{1b}[2J"] {
        let good = format!("{}\n", json!({"key": key, "value_base64": "eA=="}));
        std::fs::write(&file, format!("{good}garbled\n")).unwrap();
        let error = copy.run_json(&["import", "to", &file]).error();
        assert_eq!(error["start_after"], key);
        let hint = error["hint"].as_str().unwrap();
        assert!(hint.starts_with("1 key was stored; continue with --start-after "), "{hint}");
        assert!(!hint.contains(char::is_control), "{hint:?}");

        // As it would be pasted.
        std::fs::write(&file, format!("{good}{good}")).unwrap();
        let words = hint.rsplit_once("--start-after").unwrap().1;
        let prism = binary("prism").display();
        let address = copy.gateway.proxy.grpc();
        let pasted = format!("{prism} import to {file} --address {address} --start-after{words}");
        let resumed = Ran::of(Command::new("bash").arg("-c").arg(&pasted), b"");
        assert_eq!(resumed.text(), "stored 1 key in to\n", "{pasted}");
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
        assert!(text.err.contains("\n  2 keys were stored; continue with --start-after \"b\"\n"), "{text:?}");
        let json = copy.run_json(&["import", "to", &file]);
        assert_eq!((json.code, start_after(&json).as_str()), (1, "b"));
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
