//! A write through the admin reaches the proxy before the response, and no call suffers.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use prism_e2e::admin::{Gateway, namespace};
use prism_e2e::client;
use prism_e2e::http::{self, Answer};
use prism_e2e::open::Open;
use prism_e2e::process::Process;
use prism_proto::ErrorReason;
use rustix::process::Signal;
use serde_json::{Value, json};

fn memstore() -> Process {
    Process::start("prism-memstore", ["--listen", "127.0.0.1:0"])
}

/// Sends JSON to the admin while the client's tasks run.
async fn send(gateway: &Gateway, method: &'static str, path: &str, body: &str) -> Answer {
    let (address, path, body) = (gateway.http().to_owned(), path.to_owned(), body.to_owned());
    let headers = [("content-type", "application/json")];
    let sent =
        tokio::task::spawn_blocking(move || http::send(&address, method, &path, &headers, body.as_bytes()));
    sent.await.unwrap()
}

#[tokio::test]
async fn a_namespace_serves_once_its_creation_is_answered() {
    let store = memstore();
    let gateway = Gateway::start(&[("first", store.grpc())], &[]);
    let client = client(gateway.proxy.grpc());
    for number in 0..20 {
        let name = format!("n{number}");
        let keyvalue = client.namespace(name.as_str()).keyvalue();
        let early = keyvalue.set("a", "x").await.unwrap_err();
        assert_eq!(early.reason(), Some(ErrorReason::NamespaceNotFound));
        let created = send(&gateway, "POST", "/namespaces", &namespace(&name, store.grpc())).await;
        let told = created.json();
        assert_eq!((created.status, &told["applied"]), (201, &json!(true)), "{told}");
        let url = format!("http://{}", gateway.proxy.process.address("http"));
        assert_eq!(told["proxies"], json!([{"url": url, "applied": true, "error": null}]));
        assert_eq!(told["sha256"], gateway.proxy.status("").await["revision"]);
        keyvalue.set("a", "x").await.unwrap();
    }
}

#[tokio::test]
async fn what_the_proxy_refuses_is_told_and_changes_nothing() {
    let store = memstore();
    let gateway = Gateway::start(&[("first", store.grpc())], &[]);
    let client = client(gateway.proxy.grpc());
    let first = client.namespace("first").keyvalue();
    first.set("a", "x").await.unwrap();
    let in_force = gateway.proxy.status("").await["revision"].clone();

    let move_away = r#"{"plugin":{"endpoint":"embedded:nothing"}}"#;
    for (method, path, body, status) in [
        ("PATCH", "/namespaces/first", move_away.to_owned(), 200),
        ("POST", "/namespaces", namespace("second", "embedded:nothing"), 201),
    ] {
        let answer = send(&gateway, method, path, &body).await;
        let told = answer.json();
        assert_eq!(
            (answer.status, &told["applied"], &told["changed"]),
            (status, &json!(false), &json!(true))
        );
        let error = told["proxies"][0]["error"].as_str().unwrap();
        assert!(
            error.starts_with("refused") && error.contains("the driver \"nothing\" is not in this program"),
            "{error}"
        );
        assert_eq!(first.get("a").await.unwrap(), "x");
        assert_eq!(gateway.proxy.status("").await["revision"], in_force);
    }
    let status = send(&gateway, "GET", "/config/status", "").await.json();
    assert_eq!(status["in_sync"], false, "{status}");
    let back = send(&gateway, "POST", "/config/rollback/1", "").await.json();
    assert_eq!((&back["applied"], &back["proxies"][0]["error"]), (&json!(true), &Value::Null), "{back}");
    assert_eq!(first.get("a").await.unwrap(), "x");
}

#[tokio::test]
async fn a_removed_namespace_is_drained_and_comes_back() {
    let (store, echo) = (memstore(), Process::start("echo-plugin", ["--listen", "127.0.0.1:0"]));
    let gateway = Gateway::start(&[("echo", echo.grpc()), ("first", store.grpc())], &[]);
    let client = client(gateway.proxy.grpc());
    client.namespace("first").keyvalue().set("a", "x").await.unwrap();
    let mut open = Open::begin(&gateway.proxy, "echo").await;

    for name in ["echo", "first"] {
        let removed = send(&gateway, "DELETE", &format!("/namespaces/{name}"), "").await;
        let told = removed.json();
        assert_eq!((removed.status, &told["applied"]), (200, &json!(true)), "{told}");
        assert!(told["warnings"].to_string().contains("stays in its backend"), "{told}");
        let error = client.namespace(name).keyvalue().get("a").await.unwrap_err();
        assert_eq!(
            (error.code_name(), error.reason()),
            ("FAILED_PRECONDITION", Some(ErrorReason::NamespaceNotFound))
        );
        open.is_alive().await;
    }
    open.ends_well().await;

    let back = send(&gateway, "POST", "/config/rollback/1", "").await.json();
    assert_eq!((&back["applied"], &back["revision"]), (&json!(true), &json!(4)), "{back}");
    assert_eq!(client.namespace("first").keyvalue().get("a").await.unwrap(), "x", "its data is still there");
    Open::begin(&gateway.proxy, "echo").await.ends_well().await;
}

#[test]
fn a_newer_revision_that_came_after_the_change_is_the_change() {
    let mut gateway = Gateway::start(&[("first", "a:1")], &[]);
    gateway.proxy.process.signal(Signal::STOP);
    let (address, file) = (gateway.http().to_owned(), gateway.proxy.folder().join("prism.yaml"));
    let create = |number: usize| {
        let (name, headers) = (format!("n{number}"), [("content-type", "application/json")]);
        http::send(&address, "POST", "/namespaces", &headers, namespace(&name, "a:1").as_bytes())
    };
    let answers: Vec<_> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..20).map(|number| scope.spawn(move || create(number))).collect();
        // The proxy sees only the last one.
        while std::fs::read_to_string(&file).unwrap().matches("name: n").count() < 20 {
            std::thread::yield_now();
        }
        gateway.proxy.process.signal(Signal::CONT);
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    for answer in answers {
        let told = answer.json();
        assert_eq!((answer.status, &told["applied"]), (201, &json!(true)), "{told}");
    }
}
