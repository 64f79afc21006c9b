//! `prism conformance`: what it prints and ends with. What the cases check is tested with the suite.

use std::ffi::OsStr;

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
    for row in [["keyvalue.KeyValueBasicInterface", "yes"], ["can", "lose"], ["idempotent_retries", "yes"]] {
        assert!(
            lines.iter().any(|line| line.split_whitespace().take(2).eq(row)),
            "{row:?} is not in {run:?}"
        );
    }

    let run = Ran::prism(["conformance", dev.address("grpc"), "--case", "ttl/", "-o", "json"]);
    let mut objects = run.json();
    let summary = objects.pop().unwrap()["summary"].clone();
    assert_eq!((run.code, &summary["conformant"], &summary["failed"]), (0, &json!(true), &json!(0)));
    assert_eq!(summary["passed"].as_u64(), Some(objects.len() as u64), "{run:?}");
    let interfaces = summary["interfaces"].as_array().unwrap();
    assert!(interfaces.iter().all(|interface| interface["served"] == true), "{interfaces:?}");
    let counted: u64 = interfaces.iter().map(|interface| interface["passed"].as_u64().unwrap()).sum();
    assert_eq!(Some(counted), summary["passed"].as_u64(), "{interfaces:?}");
    assert_eq!(summary["can_lose"], "everything, when the backend ends");
    let ordered = json!({"capability": "ordered", "declared": true,
        "meaning": "scans return keys in ascending byte order, and can be reversed or begin at any key"});
    assert_eq!(summary["capabilities"][0], ordered);
    for case in objects {
        assert!(case["name"].as_str().unwrap().starts_with("ttl/"), "{case}");
        assert_eq!(case["outcome"], "passed");
    }
    assert_eq!(dev.run(&["kv", "count"]).text(), "0\n", "the cases remove what they write");
}

/// Only the proxy's own parts distinguish it from the plugin behind it: its namespaces, its health and its reflection.
#[test]
fn a_plugin_is_as_conformant_through_the_proxy() {
    let plugin = Process::start("prism-memstore", ["--listen", "127.0.0.1:0"]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("prism.yaml");
    let namespace =
        format!("{{ name: default, pattern: keyvalue, plugin: {{ endpoint: \"{}\" }} }}", plugin.grpc());
    std::fs::write(&file, format!("namespaces: [{namespace}]\n")).unwrap();
    let arguments = ["--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", "--config"].map(OsStr::new);
    let proxy = Process::start("prism-proxy", arguments.into_iter().chain([file.as_os_str()]));

    let run = |address: &str| {
        let run = Ran::prism(["conformance", address, "-o", "json"]);
        let mut objects = run.json();
        let summary = objects.pop().unwrap()["summary"].clone();
        assert_eq!((run.code, &summary["conformant"]), (0, &json!(true)), "{run:?}");
        let passed = objects.into_iter().filter(|case| case["outcome"] == "passed");
        passed.map(|case| case["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (direct, proxied) = (run(plugin.grpc()), run(proxy.grpc()));
    let lost: Vec<_> = direct.iter().filter(|name| !proxied.contains(name)).collect();
    let own = [
        "namespaces/",
        "health/",
        "reflection/",
        "scan/empty-prefix-matches-all",
        "scan/resume-belongs-to-a-namespace",
        "lists/scan-sees-its-namespace-only",
        "transfer/export-sees-its-namespace-only",
    ];
    assert!(lost.iter().all(|name| own.iter().any(|own| name.starts_with(own))), "{lost:?}");
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
