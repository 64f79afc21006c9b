//! Secrets that appear nowhere: tokens, passwords, private keys, keys and values go through every path, and no log, status,
//! page, metric, span or output of a tool has them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use bytes::Bytes;
use prism_e2e::canary::{Canaries, KEY, VALUE, Whole, namespace};
use prism_e2e::guarded::{Files, Guarded, Issuer, PATIENCE};
use prism_e2e::matrix::{GET, SET};
use prism_e2e::process::{Process, command, workspace};
use prism_e2e::tls::connect;
use prism_e2e::{http as plain, raw};
use prism_grpc::message::framed;
use prism_net::tls::Protocol;
use prism_proto::interfaces::keyvalue::{GetRequest, SetRequest};
use prost::Message as _;
use rustix::process::Signal;
use tonic::Code;

fn set(namespace: &str) -> Bytes {
    let value = VALUE.as_bytes().to_vec().into();
    let request = SetRequest { namespace: namespace.into(), key: KEY.into(), value, ..SetRequest::default() };
    framed(&request.encode_to_vec())
}

fn get(namespace: &str) -> Bytes {
    let request = GetRequest { namespace: namespace.into(), key: KEY.into(), ..GetRequest::default() };
    framed(&request.encode_to_vec())
}

async fn page(address: &str, path: &'static str, bearer: &str) -> String {
    let (address, bearer) = (address.to_owned(), bearer.to_owned());
    let page = tokio::task::spawn_blocking(move || {
        let answer = plain::send(&address, "GET", path, &[("authorization", &bearer)], b"");
        answer.head.clone() + answer.text()
    });
    page.await.unwrap()
}

/// Waits until the log of a proxy has a text.
async fn logged(proxy: &Process, text: &str) {
    let there = async {
        while !proxy.log().contains(text) {
            // As long as a request takes, so that the proxy has a turn.
            plain::get(proxy.address("http"), "/livez").await;
        }
    };
    tokio::time::timeout(PATIENCE, there).await.unwrap();
}

#[tokio::test]
async fn no_credential_of_a_caller_appears_anywhere() {
    let files = Files::new();
    let (reader, writer) = (files.token("reader"), files.token("writer"));
    let jwt = files.issuer.token("reader", 3600);
    let operator = files.issuer.token("operator", 3600);
    let garbage = "prism_canary-of-garbage".to_owned();
    let former = Issuer::new("former").token("reader", 3600);
    let hashes = std::fs::read_to_string(files.path("tokens")).unwrap();
    let hash = hashes.split("sha256:").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    let secrets = [&reader, &writer, &jwt, &operator, &garbage, &former].map(Clone::clone);
    let canaries = Canaries([&secrets[..], &[hash, VALUE.to_owned(), KEY.to_owned()]].concat());
    let stack = Guarded::start(files, &["--log", "trace", "--access-log"]);
    let connection = raw::Connection::open(stack.proxy.grpc()).await;
    for token in &secrets {
        let bearer = format!("Bearer {token}");
        for headers in [
            &[("authorization", bearer.as_str())][..],
            &[("authorization", &bearer), ("authorization", &bearer)],
        ] {
            for namespace in ["mine", "theirs", "open", "absent"] {
                for (path, message) in [(SET, set(namespace)), (GET, get(namespace))] {
                    let answer = connection.call(path, headers, &[&message]).await;
                    let mut status = answer.headers;
                    // The answer itself has the value.
                    canaries.check("a status", &format!("{:?}", status.drain().collect::<Vec<_>>()));
                }
            }
        }
    }
    let http = stack.proxy.process.address("http").to_owned();
    for token in [&operator, &reader, &garbage] {
        for path in ["/metrics", "/config/status", "/traffic", "/nowhere"] {
            canaries.check(path, &page(&http, path, &format!("Bearer {token}")).await);
        }
    }
    // Files that are wrong in a way that could tempt to show them.
    let tokens = stack.files.path("tokens");
    std::fs::write(&tokens, format!("{hashes}\nreader {reader}\n")).unwrap();
    logged(&stack.proxy.process, "the hash of reader is not valid").await;
    std::fs::write(stack.files.path("jwks.json"), format!("{{\"keys\": [{jwt}]}}")).unwrap();
    logged(&stack.proxy.process, "is not a JSON Web Key Set").await;
    canaries.check("/config/status", &page(&http, "/config/status", &format!("Bearer {operator}")).await);
    canaries.check("the proxy's log", &stack.proxy.process.log());
    canaries.check("the plugin's log", &stack.store.log());
    assert!(Path::new(&tokens).exists() && stack.proxy.process.log().contains("TRACE"));
}

/// The page's paths, and those of the API that are read.
fn pages() -> Vec<String> {
    let console = std::fs::read_dir(workspace().join("crates/prism-admin/src/console")).unwrap();
    let console = console.map(|entry| format!("/console/{}", entry.unwrap().file_name().to_str().unwrap()));
    let api = [
        "/",
        "/config",
        "/config/status",
        "/config/revisions",
        "/config/revisions/1",
        "/config/revisions/2/diff",
        "/audit",
        "/backends",
        "/backends/cache",
        "/backends/wrong",
        "/backends/plugin",
        "/namespaces",
        "/namespaces/cache/interfaces",
        "/metrics",
        "/health",
        "/session",
        "/openapi.json",
        "/docs",
        "/nowhere",
    ];
    console.chain(api.map(str::to_owned)).collect()
}

#[tokio::test]
async fn no_secret_of_servers_appears_anywhere() {
    let mut whole = Whole::start().await;
    let client = whole.site.showing(Protocol::Http2, None);
    let connection = connect(&client, whole.proxy.grpc()).await.unwrap();
    let connection = raw::Connection::over(connection).await.unwrap();
    for (name, code) in [
        ("cache", Code::Ok),
        ("plugin", Code::Ok),
        ("wrong", Code::Unavailable),
        ("absent", Code::PermissionDenied),
    ] {
        for (path, message) in [(SET, set(name)), (GET, get(name))] {
            let bearer = format!("Bearer {}", whole.caller);
            let answer = connection.call(path, &[("authorization", &bearer)], &[&message]).await;
            assert_eq!(answer.status().unwrap().code(), code, "{path} in {name}: {answer:?}");
            let text = format!("{:?} {:?}", answer.headers, answer.status());
            whole.canaries.check("a status", &text);
        }
    }

    // The admin: keys and values, a log-in, changes of the file, and every page.
    let value = format!("/namespaces/cache/value?key={KEY}");
    whole.ask_admin("PUT", &value, "application/octet-stream", VALUE).await;
    whole.ask_admin("GET", &value, "", "").await;
    let login = format!("{{\"token\":\"{}\"}}", whole.operator);
    let session = whole.ask_admin("POST", "/session", "application/json", &login).await;
    assert_eq!(session.status, 200, "{session:?}");
    let session = session.header("set-cookie").unwrap().split(['=', ';']).nth(1).unwrap().to_owned();
    whole.canaries.0.push(session);
    let file = whole.proxy.folder().join("prism.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let changed = text.clone() + &namespace("more").replace("backend: more", "backend: cache");
    for path in ["/config?dry_run=true", "/config"] {
        let answer = whole.ask_admin("PUT", path, "application/yaml", &changed).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let with_password = changed.replace("redis://", "redis://:canary-of-another-password@");
    let answer = whole.ask_admin("PUT", "/config", "application/yaml", &with_password).await;
    assert_eq!(answer.status, 422, "{answer:?}");
    let probe = format!(
        "{{\"name\":\"probe\",\"embedded\":\"redis\",\"options\":{{\"url\":\"{}\",\"password_file\":{:?}}}}}",
        whole.redis.url(),
        whole.site.path("wrong-password")
    );
    let probe = whole.ask_admin("POST", "/backends/probe", "application/json", &probe).await;
    assert_eq!(probe.status, 200, "{probe:?}");
    for path in pages() {
        whole.ask_admin("GET", &path, "", "").await;
    }

    // What the tool says of the file, right and wrong.
    let wrong = whole.site.path("wrong.yaml");
    std::fs::write(&wrong, &with_password).unwrap();
    for (file, code) in [(&file, 0), (&wrong, 1)] {
        let output = command("prism").args(["config", "validate"]).arg(file).output().unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code() == Some(0), code == 0, "{text}");
        whole.canaries.check("prism config validate", &text);
    }

    // Files that are wrong in a way that could tempt to show them, and the servers' own pages.
    let key = std::fs::read_to_string(whole.site.path("server.key")).unwrap();
    std::fs::write(whole.site.path("server.key"), key.replace("-----END", "----END")).unwrap();
    let proxy = whole.proxy.process.address("http").to_owned();
    let stale = whole.site.until_metric(&proxy, "prism_tls_files_stale", |stale| stale == 1.0);
    stale.await;
    for address in [&proxy, whole.plugin.address("http")] {
        for path in ["/metrics", "/config/status", "/traffic", "/nowhere"] {
            let answer = whole.ask(address, "GET", path, &[], "").await;
            whole.canaries.check(path, &(answer.head.clone() + answer.text()));
        }
    }

    // The collector runs meanwhile.
    let stopped = tokio::task::spawn_blocking(move || {
        for process in [&mut whole.proxy.process, &mut whole.plugin, &mut whole.admin] {
            process.signal(Signal::TERM);
            process.wait();
            whole.canaries.check("a log", &process.log());
            assert!(process.log().contains("TRACE"));
        }
        whole
    });
    let mut whole = stopped.await.unwrap();
    let spans = whole.collector.spans(None);
    assert!(spans.iter().any(|span| span.service == "prism-redis") && spans.len() > 6, "{spans:?}");
    whole.canaries.check("the spans", &format!("{spans:?}"));
    // The audit log has keys, and only its owner reads it.
    whole.canaries.0.retain(|canary| canary != KEY);
    for name in std::fs::read_dir(whole.proxy.folder()).unwrap() {
        let path = name.unwrap().path();
        if path.is_file() {
            whole.canaries.check("a file of the admin", &std::fs::read_to_string(path).unwrap());
        }
    }
}
