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
    // Immediately, without a retry: the line promised it.
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
        "lost when",
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
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().to_str().unwrap();
    let free = "127.0.0.1:0";
    for (grpc, http, admin) in
        [(address.as_str(), "off", "off"), (free, &address, "off"), (free, free, &address)]
    {
        let words =
            ["dev", "--listen", grpc, "--http-listen", http, "--admin-listen", admin, "--folder", folder];
        let failed = Ran::prism(words);
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
fn namespaces_are_made_while_it_runs_and_are_there_the_next_time() {
    let folder = tempfile::tempdir().unwrap();
    let kept = tempfile::tempdir_in(folder.path()).unwrap();
    let path = kept.path().to_owned();
    let mut dev = Dev::within(kept, &["--listen", "127.0.0.1:0"]);
    let made = ["namespaces", "create", "orders", "--pattern", "keyvalue", "--endpoint", "embedded:memstore"];
    let made = dev.run(&made);
    assert_eq!(made.code, 0, "{made:?}");
    assert_eq!(dev.run(&["kv", "set", "a", "x", "-n", "orders"]).code, 0, "at once");
    assert_eq!(dev.run(&["kv", "get", "a"]).code, 3, "the other namespace has nothing of it");
    dev.process.signal(Signal::TERM);
    assert!(dev.process.wait().success());

    let copy = tempfile::tempdir().unwrap();
    std::fs::copy(path.join("prism.yaml"), copy.path().join("prism.yaml")).unwrap();
    let again = Dev::within(copy, &["--listen", "127.0.0.1:0"]);
    assert_eq!(again.ready["namespaces"], json!(["default", "orders"]));
    assert_eq!(
        again.run(&["kv", "count", "-n", "orders"]).text(),
        "0\n",
        "data is gone, the namespace is not"
    );
}

#[test]
fn its_file_is_not_overwritten_and_its_mistakes_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("prism.yaml");
    std::fs::write(&file, "namespaces: {}\n").unwrap();
    let folder = folder.path().to_str().unwrap();
    let free = "127.0.0.1:0";
    let dev = ["dev", "--listen", free, "--http-listen", free, "--admin-listen", free, "--folder"];
    let wrong = Ran::prism(dev.iter().chain(&[folder]));
    assert!(wrong.code == 78 && wrong.err.contains("prism.yaml"), "{wrong:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "namespaces: {}\n");

    let wrong = Ran::prism(dev.iter().chain(&["/proc/nowhere"]));
    assert!(wrong.code == 78 && wrong.err.contains("--folder"), "{wrong:?}");
    let wrong = Ran::prism(["dev", "--listen", free, "--http-listen", "off", "--admin-listen", free]);
    assert!(wrong.code == 78 && wrong.err.contains("--http-listen off"), "{wrong:?}");
}

#[test]
fn data_in_a_folder_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let flags = ["dev", "--json", "--listen", "127.0.0.1:0", "--http-listen", "off", "--data"];
    let start = || Process::spawn("prism", command("prism").args(flags).arg(&data));
    let address = |dev: &Process| {
        let ready: serde_json::Value = serde_json::from_str(&dev.ready).unwrap();
        assert_eq!(ready["data"], json!(data), "{ready}");
        ready["grpc"].as_str().unwrap().to_owned()
    };
    let mut dev = start();
    let set = Ran::prism(["kv", "set", "a", "kept", "--address", &address(&dev)]);
    assert_eq!(set.code, 0, "{set:?}");
    dev.signal(Signal::KILL);
    dev.wait();
    let mut dev = start();
    assert_eq!(Ran::prism(["kv", "get", "a", "--address", &address(&dev)]).text(), "kept");
    let store = data.join("store");
    let open = Ran::prism(["diskstore", "check", store.to_str().unwrap()]);
    assert!(open.code == 1 && open.err.contains("is open in another process"), "{open:?}");
    dev.signal(Signal::TERM);
    assert!(dev.wait().success());
    assert!(store.join("CLOSED").exists(), "a store whose process has ended by itself says so");
    let checked = Ran::prism(["diskstore", "check", store.to_str().unwrap(), "-o", "json"]);
    let report: serde_json::Value = serde_json::from_str(checked.text()).unwrap();
    assert_eq!((&report["keys"], &report["read"]["list_values"]), (&json!(1), &json!(0)), "{report}");
    let none = Ran::prism(["diskstore", "stats", folder.path().to_str().unwrap()]);
    assert!(none.code == 1 && none.err.contains("neither empty nor a store"), "{none:?}");
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
