//! `prism conformance`: what it prints and ends with. What the cases check is tested where they are written.

use prism_e2e::dev::{Dev, Ran};
use prism_e2e::process::Process;
use serde_json::json;

#[test]
fn a_conformant_server_ends_with_0_and_tells_each_case() {
    let dev = Dev::start();
    let run = Ran::prism(["conformance", dev.address("grpc"), "--case", "ttl/"]);
    let lines: Vec<_> = run.text().lines().collect();
    assert!(lines.len() > 2 && lines[0].starts_with("pass  ttl/"), "{run:?}");
    assert!(lines.last().unwrap().contains(" is conformant: "), "{run:?}");

    let run = Ran::prism(["conformance", dev.address("grpc"), "--case", "ttl/", "-o", "json"]);
    let mut objects = run.json();
    let summary = objects.pop().unwrap()["summary"].clone();
    assert_eq!((run.code, &summary["conformant"], &summary["failed"]), (0, &json!(true), &json!(0)));
    assert_eq!(summary["passed"].as_u64(), Some(objects.len() as u64), "{run:?}");
    for case in objects {
        assert!(case["name"].as_str().unwrap().starts_with("ttl/"), "{case}");
        assert_eq!(case["outcome"], "passed");
    }
    assert_eq!(dev.run(&["kv", "count"]).text(), "0\n", "the cases remove what they write");
}

#[test]
fn a_server_with_nothing_to_check_ends_with_1() {
    let plugin = Process::start("echo-plugin", ["--listen", "127.0.0.1:0"]);
    let refused = Ran::prism(["conformance", plugin.grpc(), "-o", "json"]);
    assert_eq!((refused.code, &refused.error()["code"]), (1, &json!("FAILED_PRECONDITION")), "{refused:?}");
    let dev = Dev::start();
    assert_eq!(Ran::prism(["conformance", dev.address("grpc"), "-n", "nowhere"]).code, 1);
}

#[test]
fn a_case_that_is_not_there_ends_with_2() {
    let wrong = Ran::prism(["conformance", "localhost:1", "--case", "no/such-case"]);
    assert!(wrong.code == 2 && wrong.err.contains("no/such-case"), "{wrong:?}");
}

#[test]
fn a_server_that_is_not_there_ends_with_4() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = format!("unix:{}", folder.path().join("nowhere").display());
    let failed = Ran::prism(["conformance", &nowhere]);
    assert!(failed.code == 4 && failed.err.contains(&nowhere), "{failed:?}");
}
