//! Who may call a namespace, set through the admin, whose own token the proxy knows.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use prism_e2e::admin::{Gateway, NO_PROXY, on};
use prism_e2e::dev::Ran;
use prism_e2e::guarded::Files;
use prism_e2e::http::send;
use prism_e2e::process::{Process, Proxy, command};

struct Guarded {
    gateway: Gateway,
    app: String,
    report: String,
    stranger: String,
    _files: Files,
    _store: Process,
}

/// A proxy with operators, and an admin that is one of them unless it `hides`.
fn guarded(hides: bool) -> Guarded {
    let store = Process::start("prism-memstore", ["--listen", "127.0.0.1:0"]);
    let files = Files::new();
    let own = files.path("own-token");
    std::fs::write(&own, files.token("admin")).unwrap();
    // A proxy reads a changed file within a second; these are there from the start.
    let [app, report, stranger] = ["app", "report", "stranger"].map(|name| files.token(name));
    let server = files.server("  operators: ['token:admin']\n");
    let endpoint = store.grpc();
    let namespace = format!(
        "namespaces:\n  - name: default\n    pattern: keyvalue\n    plugin: {{ endpoint: '{endpoint}' }}\n"
    );
    let proxy = Proxy::with_config(&(server + &namespace));
    let to = proxy.grpc().to_owned();
    let flags = ["--gateway", &to, "--proxy-token-file", own.to_str().unwrap()];
    let gateway = Gateway::of(proxy, if hides { &flags[..2] } else { &flags });
    Guarded { gateway, app, report, stranger, _files: files, _store: store }
}

impl Guarded {
    fn run_as(&self, token: &str, words: &[&str]) -> Ran {
        Ran::of(self.gateway.prism(words).env("PRISM_TOKEN", token), b"")
    }
}

#[test]
fn access_is_set_while_calls_flow_and_each_caller_has_its_rights() {
    let guarded = guarded(false);
    let Guarded { gateway, app, report, stranger, .. } = &guarded;
    assert_eq!(gateway.run(&["kv", "set", "a", "1"]).text(), "OK\n", "it is open to everybody");

    let set = [
        "namespaces",
        "set",
        "default",
        "--access",
        "token:app=read,write",
        "--access",
        "token:report=read",
        "--access",
        "token:admin=read",
    ];
    let applied = gateway.applied();
    assert_eq!(gateway.run(&set).text(), format!("written as revision 2\n{applied}"));
    let shown = gateway.run(&["namespaces", "get", "default"]).text().to_owned();
    assert!(shown.contains("token:app=read,write token:report=read token:admin=read"), "{shown}");

    assert_eq!(guarded.run_as(app, &["kv", "set", "a", "2"]).text(), "OK\n");
    assert_eq!(guarded.run_as(report, &["kv", "get", "a"]).text(), "2");
    for (refused, expected) in [
        (guarded.run_as(report, &["kv", "set", "a", "3"]), "PERMISSION_DENIED"),
        (guarded.run_as(stranger, &["kv", "get", "a"]), "PERMISSION_DENIED"),
        (gateway.run(&["kv", "get", "a"]), "TOKEN_INVALID"),
    ] {
        assert!(refused.code == 1 && refused.err.contains(expected), "{refused:?}");
    }
    // The console reads with the admin's own token, and may not write.
    let value = "/namespaces/default/value?key=a";
    assert_eq!(send(gateway.http(), "GET", value, &[], b"").body, b"2");
    let bytes = [("content-type", "application/octet-stream")];
    let put = send(gateway.http(), "PUT", value, &bytes, b"4");
    assert!(put.status == 409 && put.text().contains("token:admin may not call"), "{put:?}");

    let reset = gateway.run(&["namespaces", "set", "default", "--unset", "access"]);
    assert_eq!(reset.text(), format!("written as revision 3\n{applied}"));
    assert_eq!(gateway.run(&["kv", "get", "a"]).text(), "2");
}

#[test]
fn wrong_access_names_its_place() {
    let guarded = guarded(false);
    for (access, pointer) in [
        ("cert:app=read", "/access/0/name"),
        ("app=read", "/access/0/name"),
        ("token:app=", "/access/0/rights"),
        ("token:app=admin", "/access/0/rights"),
    ] {
        let refused = guarded.gateway.run(&["namespaces", "set", "default", "--access", access]);
        assert!(refused.code == 1 && refused.err.contains(pointer), "{access}: {refused:?}");
    }
    assert!(!guarded.gateway.text().contains("access"));
}

#[test]
fn an_admin_that_is_no_operator_is_told_so() {
    let guarded = guarded(true);
    let set = guarded.gateway.run(&["namespaces", "set", "default", "--timeout", "5s"]);
    assert!(set.code == 1 && String::from_utf8_lossy(&set.out).contains("--proxy-token-file"), "{set:?}");
}

#[test]
fn a_token_for_another_machine_needs_tls() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "secret").unwrap();
    let token = token.to_str().unwrap();
    let refused = |flags: &[&str]| {
        let mut admin = command("prism-admin");
        admin.args(["--listen", "127.0.0.1:0", "--proxy-config", "/nonexistent/prism.yaml"]).args(flags);
        let output = admin.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for flags in [
        ["--proxy-token-file", token, "--proxy", "http://proxy.invalid:8981"],
        ["--proxy-token-file", token, "--gateway", "proxy.invalid:8980"],
        ["--proxy-token-file", "/nonexistent/token", "--proxy", NO_PROXY],
    ] {
        let (code, err) = refused(&flags);
        assert!(code == Some(78) && !err.contains("secret"), "{flags:?}: {code:?} {err}");
    }
    let file = folder.path().join("prism.yaml");
    drop(on(&file, &["--proxy-token-file", token, "--proxy", NO_PROXY]));
}
