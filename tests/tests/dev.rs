//! `prism dev`: the gateway and its backend in one process.

use std::net::TcpListener;

use prism_e2e::dev::{Dev, Ran};
use prism_e2e::http;
use prism_e2e::process::{Process, command};
use rustix::process::Signal;
use serde_json::json;

#[tokio::test]
async fn the_ready_line_is_json_and_true() {
    let dev = Dev::start();
    let ready = &dev.ready;
    assert_eq!((&ready["event"], &ready["namespaces"]), (&json!("ready"), &json!(["default"])));
    assert_eq!(ready["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(ready["memory_limit_bytes"], 1 << 30);
    assert!(ready["pid"].is_u64(), "{ready}");
    // At once, without a try more: the line was the promise.
    assert_eq!(http::get(dev.address("http"), "/readyz").await, (200, "ok\n".into()));
    assert_eq!(dev.run(&["health"]).text(), "SERVING\n");
}

#[test]
fn the_banner_tells_people_where_and_how() {
    let flags = ["dev", "--listen", "127.0.0.1:0", "--http-listen", "off", "--memory-limit", "64MiB"];
    let mut dev = Process::start("prism", flags);
    let mut banner = dev.ready.clone();
    while !banner.contains("SyncPrismClient(") {
        banner = format!("{banner}\n{}", dev.next_line());
    }
    for told in [
        "is ready",
        "gRPC  127.0.0.1:",
        "at most 64 MiB",
        "gone when",
        "prism kv set greeting hello --address",
    ] {
        assert!(banner.contains(told), "{told:?} is missing in {banner}");
    }
    assert!(!banner.contains("HTTP"), "{banner}");
    assert_eq!(dev.log(), "", "the banner stands alone");
}

#[test]
fn a_signal_ends_it_with_0() {
    for signal in [Signal::INT, Signal::TERM] {
        let mut dev = Dev::start();
        assert_eq!(dev.run(&["kv", "set", "a", "x"]).code, 0);
        dev.process.signal(signal);
        assert!(dev.process.wait().success(), "{signal:?}: {}", dev.process.log());
    }
}

#[test]
fn a_taken_port_ends_with_69_and_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (grpc, http) in [(address.as_str(), "off"), ("127.0.0.1:0", &address)] {
        let failed = Ran::prism(["dev", "--listen", grpc, "--http-listen", http]);
        assert_eq!((failed.code, failed.out.len()), (69, 0), "{failed:?}");
        assert!(failed.err.contains(&address) && failed.err.contains("another process"), "{failed:?}");
    }
}

#[test]
fn a_wrong_setting_ends_before_anything_listens() {
    let wrong = Ran::prism(["dev", "--listen", "127.0.0.1:0", "--http-listen", "off", "--log", "=?"]);
    assert!(wrong.code == 78 && wrong.err.contains("--log"), "{wrong:?}");
    let wrong = Ran::prism(["dev", "--memory-limit", "lots"]);
    assert!(wrong.code == 2 && wrong.err.contains("expected bytes"), "{wrong:?}");
}

#[test]
fn variables_set_what_no_flag_does() {
    let mut starting = command("prism");
    starting.args(["dev", "--http-listen", "off", "--json"]);
    starting.env("PRISM_DEV_LISTEN", "127.0.0.1:0").env("PRISM_DEV_HTTP_LISTEN", "nowhere:1");
    let dev = Process::spawn("prism", &mut starting);
    assert!(dev.ready.contains(r#""http":null"#), "the flag wins: {}", dev.ready);
}

#[test]
fn the_memory_limit_holds() {
    let dev = Dev::with(&["--listen", "127.0.0.1:0", "--memory-limit", "64KiB"]);
    let full = Ran::of(&mut dev.prism(&["kv", "set", "a", "-o", "json"]), &[0; 100_000]);
    assert_eq!((full.code, &full.error()["reason"]), (1, &json!("MEMORY_LIMIT")));
    assert_eq!(dev.run(&["kv", "set", "a", "small"]).code, 0);
}

#[test]
fn the_demo_passes_again_and_again_and_leaves_nothing() {
    let dev = Dev::start();
    for _ in 0..2 {
        let demo = Ran::of(command("demo").arg(dev.address("grpc")), b"");
        assert!(demo.text().ends_with("✅ The demo is complete: every answer was as promised.\n"));
    }
    assert_eq!(dev.run(&["kv", "count"]).text(), "0\n");
}

#[test]
fn the_demo_fails_where_nobody_listens() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Ran::of(command("demo").arg(format!("unix:{}", folder.path().join("nowhere").display())), b"");
    assert!(demo.code == 1 && demo.err.contains("The demo failed"), "{demo:?}");
}
