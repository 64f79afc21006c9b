//! `prism bench`: what it prints, leaves behind and ends with. No test checks how fast anything is.

use std::net::TcpListener;
use std::process::Stdio;

use prism_e2e::dev::{Dev, Ran};
use prism_e2e::process::{Process, command};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// Runs a small load with JSON output.
fn bench(dev: &Dev, words: &[&str]) -> Ran {
    let common = ["bench", "-o", "json", "--warmup", "0s", "--connections", "2", "--streams", "4"];
    dev.run(&[&common, words].concat())
}

/// The figures of a successful load.
fn figures(dev: &Dev, words: &[&str]) -> Value {
    let ran = bench(dev, words);
    let told: [Value; 1] = ran.json().try_into().unwrap_or_else(|_| panic!("{ran:?}"));
    assert!(ran.code == 0 && ran.err.is_empty(), "{ran:?}");
    let [figures] = told;
    figures
}

fn keys_of(object: &Value) -> Vec<&str> {
    object.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[test]
fn a_closed_loop_measures_as_many_requests_as_asked() {
    let dev = Dev::start();
    let figures = figures(&dev, &["--requests", "500", "--threads", "2"]);
    assert_eq!(
        (&figures["requests"], &figures["mode"], &figures["rate"]),
        (&json!(500), &json!("closed"), &json!(null))
    );
    assert_eq!(
        (&figures["errors"], &figures["not_found"], &figures["unsent"]),
        (&json!({}), &json!(0), &json!(0))
    );
    assert_eq!(figures["endpoint"], dev.address("grpc"));
    assert_eq!(dev.run(&["kv", "count"]).text(), "0\n", "the keys are removed");
}

#[test]
fn the_figures_have_the_documented_form() {
    let dev = Dev::start();
    let figures = figures(&dev, &["--requests", "300", "--calls", "get=2,set=1", "--threads", "1"]);
    let mut fields = vec![
        "endpoint",
        "mode",
        "rate",
        "connections",
        "streams",
        "threads",
        "duration_seconds",
        "requests",
        "errors",
        "not_found",
        "requests_per_second",
        "bytes_per_second",
        "latency_us",
        "late_us_max",
        "unsent",
        "calls",
        "histogram",
    ];
    fields.sort_unstable();
    assert_eq!(keys_of(&figures), fields);
    assert_eq!(
        (&figures["connections"], &figures["streams"], &figures["threads"]),
        (&json!(2), &json!(4), &json!(1))
    );
    assert!(
        figures["duration_seconds"].is_f64() && figures["bytes_per_second"].as_f64().unwrap() > 0.0,
        "{figures}"
    );
    let latency = &figures["latency_us"];
    assert_eq!(keys_of(latency), ["max", "mean", "p50", "p90", "p99", "p999"]);
    let quantiles = ["p50", "p90", "p99", "p999", "max"].map(|name| latency[name].as_f64().unwrap());
    assert!(quantiles.is_sorted() && quantiles[0] > 0.0, "{latency}");
    let buckets: Vec<(u64, u64)> = serde_json::from_value(figures["histogram"].clone()).unwrap();
    assert_eq!(buckets.iter().map(|(_, count)| count).sum::<u64>(), 300);
    assert!(buckets.is_sorted() && buckets[0].1 > 0, "{buckets:?}");
    for call in ["get", "set"] {
        let mut names = vec!["requests", "errors", "requests_per_second", "bytes_per_second", "latency_us"];
        names.sort_unstable();
        assert_eq!(keys_of(&figures["calls"][call]), names);
    }
}

#[test]
fn a_mix_makes_every_call_and_leaves_nothing() {
    let dev = Dev::start();
    assert_eq!(dev.run(&["kv", "set", "mine", "untouched"]).code, 0);
    let calls = [
        "get",
        "set",
        "exists",
        "delete",
        "set-if",
        "expire",
        "batch-get",
        "count",
        "scan",
        "scan-keys",
        "push-left",
        "push-right",
        "pop-left",
        "pop-right",
        "length",
    ];
    let words =
        ["--requests", "2000", "--keys", "20", "--prefix", "load:", "--key-bytes", "2", "--ttl", "1h"];
    let figures = figures(&dev, &[&words[..], &["--calls", &calls.join(","), "--limit", "5"]].concat());
    let counted = calls.map(|call| figures["calls"][call]["requests"].as_u64().unwrap());
    assert!(counted.iter().all(|count| *count > 0), "{figures}");
    assert_eq!((counted.iter().sum::<u64>(), keys_of(&figures["calls"]).len()), (2000, calls.len()));
    assert_eq!(figures["errors"], json!({}), "a get of a deleted key is none");
    assert_eq!(dev.run(&["kv", "scan"]).text(), "mine\tuntouched\n");
    for number in 0..20 {
        assert_eq!(dev.run(&["list", "length", &format!("load:{number:02}")]).text(), "0\n");
    }
}

#[test]
fn counters_are_numbers_and_are_removed_too() {
    let dev = Dev::start();
    let words = ["--requests", "500", "--keys", "5", "--calls", "increment=3,get,expire"];
    let figures = figures(&dev, &words);
    assert_eq!(figures["errors"], json!({}));
    assert!(figures["calls"]["increment"]["requests"].as_u64().unwrap() > 0, "{figures}");
    assert_eq!(dev.run(&["kv", "scan"]).text(), "");
    for (words, expected) in [
        (["--calls", "increment", "--value-bytes", "10"], "--value-bytes: not with increment"),
        (["--calls", "batch-get", "--limit", "1001"], "--limit is 1001; with batch-get"),
        (["--calls", "batch-get", "--limit", "0"], "from 1 to 1000"),
    ] {
        let ended = dev.run(&[&["bench"], &words[..]].concat());
        assert_eq!(ended.code, 2, "{words:?}");
        assert!(ended.err.contains(expected), "{ended:?}");
    }
}

#[test]
fn an_open_loop_sends_what_is_due() {
    let dev = Dev::start();
    let figures = figures(&dev, &["--rate", "2000", "--requests", "200", "--threads", "2"]);
    assert_eq!(
        (&figures["mode"], &figures["rate"], &figures["requests"]),
        (&json!("open"), &json!(2000.0), &json!(200))
    );
    assert!(figures["late_us_max"].is_u64() && figures["unsent"] == 0, "{figures}");

    let text = dev.run(&["bench", "--rate", "500", "--duration", "100ms", "--warmup", "10ms"]);
    assert!(
        text.text().contains("open loop of 500 requests/s") && text.text().contains("\nlate: "),
        "{text:?}"
    );
}

#[test]
fn the_text_is_a_table_and_a_histogram() {
    let dev = Dev::start();
    let text = dev.run(&["bench", "--requests", "100", "--warmup", "0s", "--calls", "get,set"]);
    for told in [
        ": closed loop, 4 connections x 16 streams, ",
        "\ncall ",
        "\nget ",
        "\nset ",
        "\nall ",
        "p99.9",
        "  <= ",
    ] {
        assert!(text.text().contains(told), "{told:?} is missing in {text:?}");
    }
    assert!(!text.text().contains("errors:") && !text.text().contains("late:"), "{text:?}");
}

#[test]
fn keys_are_kept_when_asked_and_others_are_not_removed() {
    let dev = Dev::start();
    let words = ["--prefix", "kept:", "--keys", "30", "--requests", "50"];
    figures(&dev, &[&words[..], &["--keep"]].concat());
    assert_eq!(dev.run(&["kv", "count", "kept:"]).text(), "30\n");
    let read = figures(&dev, &[&words[..], &["--no-fill"]].concat());
    assert_eq!(read["not_found"], 0);
    assert_eq!(dev.run(&["kv", "count", "kept:"]).text(), "30\n", "a load that only reads removes nothing");
    let missed = figures(&dev, &["--no-fill", "--requests", "50"]);
    assert_eq!((&missed["not_found"], &missed["errors"]), (&json!(50), &json!({})));
}

#[test]
fn plugins_are_reached_directly_and_over_unix_sockets() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("unix:{}", folder.path().join("socket").display());
    let _plugin = Process::start("prism-memstore", ["--listen", &address]);
    let ran = Ran::prism([
        "bench",
        &address,
        "--requests",
        "100",
        "--warmup",
        "0s",
        "--value-bytes",
        "70000",
        "--timeout",
        "1min",
        "-o",
        "json",
    ]);
    assert_eq!((ran.code, &ran.json()[0]["requests"], ran.err.as_str()), (0, &json!(100), ""), "{ran:?}");
}

#[test]
fn values_as_large_as_can_be_are_sent_and_read() {
    let dev = Dev::start();
    let words = [
        "--value-bytes",
        "4177920",
        "--keys",
        "20",
        "--requests",
        "20",
        "--calls",
        "get,set,scan",
        "--limit",
        "2",
    ];
    assert_eq!(figures(&dev, &[&words[..], &["--timeout", "1min"]].concat())["requests"], 20);
}

#[test]
fn failed_calls_are_counted_by_their_code() {
    let dev = Dev::start();
    let refused = bench(&dev, &["-n", "nowhere", "--no-fill", "--requests", "40"]);
    let figures = &refused.json()[0];
    assert_eq!((refused.code, &figures["errors"]), (1, &json!({"FAILED_PRECONDITION": 40})), "{refused:?}");
    assert_eq!((&figures["requests"], &figures["calls"]["get"]["errors"]), (&json!(40), &json!(40)));

    let refused = bench(&dev, &["-n", "nowhere"]);
    assert_eq!((refused.code, refused.out.len()), (1, 0), "it cannot be filled");
    assert_eq!(refused.error()["kind"], "namespace_not_found");
}

#[test]
fn a_server_that_is_not_there_ends_with_4() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = format!("unix:{}", folder.path().join("nowhere").display());
    let common = ["bench", &nowhere, "--timeout", "1min", "-o", "json"];
    for words in [&common[..], &[&common[..], &["--no-fill"]].concat()] {
        let failed = Ran::prism(words);
        let error = failed.error();
        assert_eq!(
            (failed.code, &error["kind"], failed.out.len()),
            (4, &json!("unavailable"), 0),
            "{failed:?}"
        );
        assert!(error["message"].as_str().unwrap().contains(&nowhere), "{error}");
    }
}

#[test]
fn a_server_that_is_silent_ends_with_4() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let common = ["bench", &address, "--timeout", "50ms", "-o", "json", "--warmup", "0s"];
    let failed = Ran::prism([&common[..], &["--no-fill", "--requests", "20"]].concat());
    let figures = &failed.json()[0];
    assert_eq!((failed.code, &figures["errors"]), (4, &json!({"DEADLINE_EXCEEDED": 20})), "{failed:?}");
    assert_eq!(Ran::prism(common).code, 4);
}

#[test]
fn an_interrupt_ends_it_early_with_its_figures() {
    let dev = Dev::start();
    let words = ["bench", "-o", "json", "--duration", "1h", "--prefix", "load:", "--warmup", "0s"];
    let running = dev.prism(&words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Once it has stored a key, it handles signals.
    while dev.run(&["kv", "count", "load:"]).text() == "0\n" {}
    let pid = i32::try_from(running.id()).ok().and_then(Pid::from_raw).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let ended = running.wait_with_output().unwrap();
    let figures: Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert!(ended.status.success() && ended.stderr.is_empty(), "{ended:?}");
    assert_eq!(figures["errors"], json!({}));
    assert_eq!(dev.run(&["kv", "count"]).text(), "0\n", "the keys are removed");
}

#[test]
fn interrupts_end_it_although_the_server_is_silent() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let mut running = command("prism");
    running
        .args(["bench", &address, "--timeout", "1h", "-o", "json"])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut running = running.spawn().unwrap();
    let pid = i32::try_from(running.id()).ok().and_then(Pid::from_raw).unwrap();
    // Once it has connected, it handles signals.
    let (_connection, _) = silent.accept().unwrap();
    let status = loop {
        kill_process(pid, Signal::INT).unwrap();
        if let Some(status) = running.try_wait().unwrap() {
            break status;
        }
        std::thread::yield_now();
    };
    assert_eq!(status.code(), Some(1));
}

#[test]
fn what_cannot_be_run_is_wrong_usage_and_names_the_flag() {
    for (words, told) in [
        ("--connections 0", &["--connections", "1..=4096"][..]),
        ("--connections 5000", &["--connections", "1..=4096"]),
        ("--streams 0", &["--streams", "1..=1024"]),
        ("--connections 4096 --streams 1024", &["--connections", "--streams", "65536"]),
        ("--threads 0", &["--threads", "1..=256"]),
        ("--threads 5 --connections 4", &["--threads", "--connections", "4"]),
        ("--requests 0", &["--requests", "1..="]),
        ("--requests 1 --duration 1s", &["--requests", "--duration"]),
        ("--duration 0s", &["--duration", "more than 0s"]),
        ("--duration 10", &["--duration", "10s"]),
        ("--duration 99999999years", &["--duration", "365 days"]),
        ("--warmup 2years", &["--warmup", "365 days"]),
        ("--timeout 0s", &["--timeout", "more than 0s"]),
        ("--rate 0", &["--rate", "0.001"]),
        ("--rate NaN", &["--rate", "0.001"]),
        ("--calls get=0", &["--calls", "weight of get"]),
        ("--calls fetch", &["--calls", "scan-keys"]),
        ("--keys 0", &["--keys", "1..=1000000000"]),
        ("--keys 1001 --key-bytes 3", &["--key-bytes", "at least 4"]),
        ("--key-bytes 4097", &["--key-bytes", "1..=4096"]),
        ("--key-bytes 4096 --prefix p", &["--prefix", "--key-bytes", "4096"]),
        ("--value-bytes 4177921", &["--value-bytes", "0..=4177920"]),
        ("--ttl 0s", &["--ttl", "more than 0s"]),
        ("--ttl 101years", &["--ttl", "100 years"]),
        ("--limit -1", &["--limit", "-1 is not in 0..="]),
        ("--rate -1", &["--rate", "0.001"]),
        ("--connections -1", &["--connections", "1..=4096"]),
        ("-n Orders", &["--namespace", "a-z"]),
        ("nowhere", &["ADDR", "host:port"]),
    ] {
        let mut wrong = command("prism");
        let wrong = Ran::of(wrong.arg("bench").args(words.split(' ')), b"");
        assert_eq!((wrong.code, wrong.out.len()), (2, 0), "{words}: {wrong:?}");
        for told in told {
            assert!(wrong.err.contains(told), "{words}: {told:?} is missing in {}", wrong.err);
        }
    }
}
