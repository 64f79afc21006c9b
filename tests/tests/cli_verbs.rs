//! The `prism` tool's commands for conditions, counters, times to live, batches, the inside of lists and leases.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use prism_e2e::dev::{Dev, Ran};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

/// Runs commands in turn, and compares what each prints and ends with.
fn check(dev: &Dev, commands: &[(&str, &str, i32)]) {
    for (line, out, code) in commands {
        let words: Vec<_> = line.split(' ').collect();
        let ran = dev.run(&words);
        let printed = String::from_utf8_lossy(&ran.out);
        assert_eq!((printed.as_ref(), ran.code), (*out, *code), "prism {line}: {ran:?}");
    }
}

#[test]
fn conditions_counters_and_times_to_live() {
    let dev = Dev::start();
    check(
        &dev,
        &[
            ("kv set lock me --if-absent --ttl 1h", "OK\n", 0),
            ("kv set lock you --if-absent", "not applied\n", 5),
            ("kv set lock -9 --if-equals me", "OK\n", 0),
            ("kv set lock you --if-equals me", "not applied\n", 5),
            ("kv set lock you --if-differs -9", "not applied\n", 5),
            ("kv set none you --if-present", "not applied\n", 5),
            ("kv set lock me --if-present", "OK\n", 0),
            ("kv ttl lock", "forever\n", 0),
            ("kv del lock --if-equals you", "lock\tnot applied\n", 5),
            ("kv del lock --if-equals me", "lock\tdeleted\n", 0),
            ("kv get-and-set value one", "", 3),
            ("kv get-and-set value two", "one", 0),
            ("kv get-and-delete value", "two", 0),
            ("kv get-and-delete value", "", 3),
            ("kv incr hits", "1\n", 0),
            ("kv incr hits 41", "42\n", 0),
            ("kv incr hits -50", "-8\n", 0),
            ("kv incr more 5 --initial 10 --ttl 1h", "15\n", 0),
            ("kv expire none 1h", "not found\n", 3),
            ("kv expire hits 1h", "OK\n", 0),
            ("kv persist hits", "true\n", 0),
            ("kv persist hits", "false\n", 0),
            ("kv ttl none", "", 3),
        ],
    );
    assert!(dev.run(&["kv", "ttl", "more"]).text().starts_with("59m 5"));
    let ttl = dev.run(&["kv", "ttl", "more", "-o", "json"]).json();
    assert!((3_500_000..=3_600_000).contains(&ttl[0]["ttl_millis_left"].as_i64().unwrap()), "{ttl:?}");
    let refused = dev.run(&["kv", "set", "lock", "you", "--if-absent", "-o", "json"]);
    assert_eq!(
        refused.json(),
        [json!({"key": "lock", "value_bytes": 3, "ttl_seconds": null, "applied": true})]
    );
    check(&dev, &[("kv set text x", "OK\n", 0)]);
    let error = dev.run(&["kv", "incr", "text", "-o", "json"]).error();
    assert_eq!((&error["kind"], &error["reason"]), (&json!("failed_precondition"), &json!("NOT_A_NUMBER")));
    for wrong in [
        &["kv", "set", "a", "b", "--if-absent", "--if-present"][..],
        &["kv", "del", "a", "b", "--if-equals", "c"],
        &["kv", "del"],
        &["kv", "del", "a", "--prefix", "b"],
        &["kv", "del", "--prefix", ""],
        &["kv", "mset", "a"],
        &["kv", "mset", "a", "1", "b"],
        &["list", "pop-left", "a", "--wait", "1s", "--count", "2"],
    ] {
        assert_eq!(dev.run(wrong).code, 2, "{wrong:?}");
    }
}

#[test]
fn many_keys_at_once() {
    let dev = Dev::start();
    check(
        &dev,
        &[
            ("kv mset a 1 b -2 c 3 --ttl 1h", "stored 3 keys\n", 0),
            ("kv mget c x b", "c\t3\nx\nb\t-2\n", 0),
            ("kv del --prefix a --limit 5", "deleted 1 key\n", 0),
            ("kv count", "2\n", 0),
        ],
    );
    let values = dev.run(&["kv", "mget", "b", "a", "-o", "json"]).json();
    assert_eq!(
        values,
        [
            json!({"key": "b", "found": true, "value_base64": "LTI="}),
            json!({"key": "a", "found": false, "value_base64": null})
        ]
    );
    let refused = dev.run(&["kv", "mset", "d", "1", "", "2", "e", "3", "-o", "json"]).error();
    assert_eq!(refused["reason"], "KEY_INVALID");
    assert_eq!(dev.run(&["kv", "mget", "d", "e"]).text(), "d\t1\ne\t3\n", "each item is for itself");
}

#[test]
fn the_inside_of_lists() {
    let dev = Dev::start();
    check(
        &dev,
        &[
            ("list push-right jobs 1 2 3 4", "4\n", 0),
            ("list push-left jobs 0 --max-len 4", "4\n", 0),
            ("list range jobs", "0\n1\n2\n3\n", 0),
            ("list range jobs -2 -1", "2\n3\n", 0),
            ("list get jobs -1", "3", 0),
            ("list get jobs 9", "", 3),
            ("list set jobs 1 x", "OK\n", 0),
            ("list set jobs 9 x", "", 1),
            ("list push-right jobs x", "5\n", 0),
            ("list remove jobs x --count -1", "removed 1 value\n", 0),
            ("list ls", "jobs\t4\n", 0),
            ("list count j", "1\n", 0),
            ("list trim jobs 0 1", "2\n", 0),
            ("list pop-right jobs --count 10", "x\n0\n", 0),
            ("list pop-right jobs --count 10", "", 3),
            ("list pop-left jobs --wait 10ms", "", 3),
            ("list clear jobs", "removed 0 values\n", 0),
        ],
    );
    let mut waiting = dev.prism(&["list", "pop-left", "jobs", "--wait", "1min"]);
    let waiting = waiting.stdout(Stdio::piped()).spawn().unwrap();
    assert_eq!(dev.run(&["list", "push-right", "jobs", "late"]).text(), "1\n");
    assert_eq!(waiting.wait_with_output().unwrap().stdout, b"late");
}

#[test]
fn values_under_a_lease() {
    let dev = Dev::start();
    let token = |ran: &Ran| ran.text().lines().next().unwrap().to_owned();
    check(
        &dev,
        &[
            ("list push-right jobs a b\tc d", "3\n", 0),
            ("list reserve none", "", 3),
            ("list reserve none --wait 10ms", "", 3),
        ],
    );
    let first = dev.run(&["list", "reserve", "jobs", "--count", "2", "--lease", "1h"]);
    let lease = token(&first);
    assert_eq!(first.text(), format!("{lease}\na\nb\\tc\n"));
    assert_eq!(dev.run(&["list", "range", "jobs"]).text(), "d\n");
    assert_eq!(dev.run(&["list", "extend", "jobs", &lease, "2h"]).text(), "OK\n");
    assert_eq!(dev.run(&["list", "release", "jobs", &lease]).text(), "returned 2 values\n");
    for verb in
        [&["ack", "jobs", &lease][..], &["extend", "jobs", &lease, "1h"], &["release", "jobs", &lease]]
    {
        let ended = dev.run(&[&["list"], verb, &["-o", "json"]].concat());
        let error = ended.error();
        assert_eq!((ended.code, &error["reason"]), (3, &json!("LEASE_ENDED")), "{ended:?}");
        assert!(error["hint"].as_str().unwrap().contains("--lease"), "{error}");
    }
    let again = dev.run(&["list", "reserve", "jobs", "--count", "2", "-o", "json"]).json();
    let lease = again[0]["lease"].as_str().unwrap();
    assert_eq!(
        again,
        [json!({"key": "jobs", "found": true, "lease": lease, "values": [
            {"value_base64": "YQ==", "deliveries": 2},
            {"value_base64": "Yglj", "deliveries": 2},
        ]})]
    );
    let extended = dev.run(&["list", "extend", "jobs", lease, "90s", "-o", "json"]).json();
    assert_eq!(extended, [json!({"key": "jobs", "lease_millis": 90_000})]);
    let removed = dev.run(&["list", "ack", "jobs", lease, "-o", "json"]).json();
    assert_eq!(removed, [json!({"key": "jobs", "removed": 2})]);
    let dead = ["--right", "--max-deliveries", "1", "--dead-letter", "dead"];
    let last = dev.run(&[&["list", "reserve", "jobs"][..], &dead].concat());
    assert_eq!(last.text().lines().nth(1), Some("d"));
    let returned = dev.run(&["list", "release", "jobs", &token(&last), "-o", "json"]).json();
    assert_eq!(returned, [json!({"key": "jobs", "returned": 1})]);
    let none = dev.run(&[&["list", "reserve", "jobs", "-o", "json"][..], &dead].concat());
    assert_eq!(
        (none.code, none.json()),
        (3, vec![json!({"key": "jobs", "found": false, "lease": null, "values": []})])
    );
    check(&dev, &[("list pop-left dead", "d", 0), ("list ack jobs %", "", 2), ("list ack jobs ", "", 2)]);
    assert_eq!(dev.run(&["list", "reserve", "jobs", "--max-deliveries", "3"]).code, 2);
    assert_eq!(dev.run(&["list", "reserve", "jobs", "--lease", "13h"]).code, 1);
}

/// Follows `jobs`, with what it prints.
fn tail(dev: &Dev, words: &[&str]) -> (Child, BufReader<ChildStdout>) {
    let words = [&["list", "tail", "jobs"], words].concat();
    let mut child = dev.prism(&words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    (child, out)
}

fn line(out: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    line
}

#[test]
fn a_queue_is_followed_until_ctrl_c() {
    let dev = Dev::start();
    check(&dev, &[("list push-right jobs a\t1 b", "2\n", 0)]);
    let (mut child, mut out) = tail(&dev, &["--lease", "1s"]);
    assert_eq!([line(&mut out), line(&mut out)], ["a\\t1\n", "b\n"]);
    check(&dev, &[("list push-right jobs late", "1\n", 0)]);
    assert_eq!(line(&mut out), "late\n");
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    // What was printed was removed: its leases would have ended by now.
    check(&dev, &[("list pop-left jobs --wait 2500ms", "", 3)]);

    check(&dev, &[("list push-right jobs a b", "2\n", 0)]);
    let (mut child, mut out) = tail(&dev, &["--right", "-o", "json"]);
    let value: serde_json::Value = serde_json::from_str(&line(&mut out)).unwrap();
    assert_eq!(value, json!({"value_base64": "Yg==", "deliveries": 1}));
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn what_a_tail_cannot_print_returns() {
    let dev = Dev::start();
    check(&dev, &[("list push-right jobs a", "1\n", 0)]);
    let (mut child, mut out) = tail(&dev, &[]);
    assert_eq!(line(&mut out), "a\n");
    // It ends although nothing comes that it could write.
    drop(out);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    check(&dev, &[("list push-right jobs b", "1\n", 0)]);
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut tail = dev.prism(&["list", "tail", "jobs", "--lease", "1h"]);
    let tail = tail.stdout(full).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
    let complained = String::from_utf8(tail.stderr).unwrap();
    assert_eq!(tail.status.code(), Some(1), "{complained}");
    assert!(complained.starts_with("prism: cannot write the output: "), "{complained}");
    check(&dev, &[("list pop-left jobs", "b", 0)]);
}

/// What a tail says on standard error, line by line, except for whether the last value was removed in time.
fn said(child: &mut Child) -> impl FnMut() -> String + use<> {
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    move || lines.find(|line| !line.ends_with("it may be printed again")).unwrap_or_default()
}

#[test]
fn a_tail_waits_for_a_gateway_that_goes_away() {
    // Nobody else takes its address meanwhile.
    let folder = tempfile::tempdir().unwrap();
    let address = format!("unix:{}", folder.path().join("grpc").display());
    let mut dev = Dev::with(&["--listen", &address]);
    check(&dev, &[("list push-right jobs a", "1\n", 0)]);
    let (mut child, mut out) = tail(&dev, &[]);
    let mut said = said(&mut child);
    assert_eq!(line(&mut out), "a\n");
    for value in ["b", "c"] {
        drop(dev);
        let waits = said();
        assert!(waits.starts_with("prism: "), "{waits}");
        assert!(waits.ends_with("; waiting until the gateway is back"), "{waits}");
        dev = Dev::with(&["--listen", &address]);
        assert_eq!(said(), "prism: the gateway is back");
        check(&dev, &[(&format!("list push-right jobs {value}"), "1\n", 0)]);
        assert_eq!(line(&mut out), format!("{value}\n"));
    }
    drop(dev);
    assert!(said().contains("; waiting"));
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!((child.wait().unwrap().code(), said()), (Some(0), String::new()));
}

#[test]
fn a_tail_gives_up_when_it_is_told_to() {
    let dev = Dev::start();
    check(&dev, &[("list push-right jobs a", "1\n", 0)]);
    let (mut child, mut out) = tail(&dev, &["--give-up-after", "1ms"]);
    let mut said = said(&mut child);
    assert_eq!(line(&mut out), "a\n");
    drop(dev);
    let waits = said();
    assert!(waits.ends_with("; waiting for at most 1ms until the gateway is back"), "{waits}");
    assert_eq!(child.wait().unwrap().code(), Some(4));
    assert!(said().starts_with("prism: "));
    // Also if nothing answers any more, while calls may take a minute.
    let dev = Dev::start();
    check(&dev, &[("list push-right jobs a", "1\n", 0)]);
    let (mut child, mut out) = tail(&dev, &["--give-up-after", "1s"]);
    assert_eq!(line(&mut out), "a\n");
    kill_process(dev.process.pid(), Signal::STOP).unwrap();
    let begun = Instant::now();
    assert_eq!(child.wait().unwrap().code(), Some(4));
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    // One that is not there from the first is no outage.
    let nobody = Ran::prism(["list", "tail", "jobs", "--address", "127.0.0.1:1"]);
    assert!(nobody.code == 4 && !nobody.err.contains("waiting"), "{nobody:?}");
}
