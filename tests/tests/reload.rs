//! A change of the configuration file takes effect while calls are in flight, and an invalid one has no effect.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use prism_client::Client;
use prism_e2e::client;
use prism_e2e::echo::echo_interface_client::EchoInterfaceClient;
use prism_e2e::http;
use prism_e2e::open::Open;
use prism_e2e::process::{Process, Proxy, command, config};
use prism_proto::ErrorReason;
use rustix::process::Signal;
use serde_json::{Value, json};

const KEYVALUE: &str = "prism.interfaces.keyvalue.KeyValueBasicInterface";

fn memstore() -> Process {
    Process::start("prism-memstore", ["--listen", "127.0.0.1:0"])
}

/// A store that responds with its own name.
async fn named(name: &'static str) -> Process {
    let store = memstore();
    for namespace in ["moving", "fixed"] {
        client(store.grpc()).namespace(namespace).keyvalue().set("name", name).await.unwrap();
    }
    store
}

async fn name(client: &Client, namespace: &'static str) -> Result<String, Option<ErrorReason>> {
    let value = client.namespace(namespace).keyvalue().get("name").await;
    value.map(|value| String::from_utf8(value.to_vec()).unwrap()).map_err(|error| error.reason())
}

fn outcome(status: &Value) -> &str {
    status["last_attempt"]["outcome"].as_str().unwrap()
}

#[tokio::test]
async fn namespaces_come_change_and_go() {
    let (a, b) = (named("a").await, named("b").await);
    let proxy = Proxy::start(&[("fixed", a.grpc())]);
    let client = client(proxy.grpc());
    assert_eq!(name(&client, "moving").await, Err(Some(ErrorReason::NamespaceNotFound)));

    for (store, expected) in [(&a, "a"), (&b, "b")] {
        let status = proxy.take(config(&[("fixed", a.grpc()), ("moving", store.grpc())])).await;
        assert_eq!((outcome(&status), &status["namespaces"]), ("applied", &json!(2)));
        assert_eq!(status["revision"], status["last_attempt"]["revision"]);
        assert_eq!(name(&client, "moving").await.unwrap(), expected);
    }
    proxy.take(config(&[("fixed", a.grpc())])).await;
    assert_eq!(name(&client, "moving").await, Err(Some(ErrorReason::NamespaceNotFound)));
    assert_eq!(name(&client, "fixed").await.unwrap(), "a");
    proxy.take(config(&[("fixed", a.grpc()), ("moving", b.grpc())])).await;
    assert_eq!(name(&client, "moving").await.unwrap(), "b", "its data is still there");
}

#[tokio::test]
async fn a_call_under_way_outlives_its_namespace() {
    let (echo, store) = (Process::start("echo-plugin", ["--listen", "127.0.0.1:0"]), named("a").await);
    let proxy = Proxy::start(&[("echo", echo.grpc()), ("fixed", store.grpc())]);
    let mut open = Open::begin(&proxy, "echo").await;
    let status = proxy.take(config(&[("fixed", store.grpc())])).await;
    assert_eq!(status["namespaces"], 1);
    open.is_alive().await;
    let client = client(proxy.grpc());
    assert_eq!(name(&client, "echo").await, Err(Some(ErrorReason::NamespaceNotFound)));
    open.is_alive().await;
}

#[tokio::test]
async fn a_bad_file_changes_nothing_and_says_why() {
    let store = named("a").await;
    let good = config(&[("fixed", store.grpc())]);
    let proxy = Proxy::with_config(&good);
    let client = client(proxy.grpc());
    let in_force = proxy.status("").await["revision"].clone();

    let two = format!("{good}  - name: Bad\n    pattern: list\n    plugin: {{ endpoint: nowhere }}\n");
    for (bad, says) in [
        (good.as_bytes()[..good.len() / 2].to_vec(), "prism.yaml"),
        (b"".to_vec(), "the file is empty"),
        (b"server: {}\n".to_vec(), "missing field `namespaces`"),
        (b"namespaces: [\n".to_vec(), "prism.yaml"),
        (b"\x00\xff\xfe\x80".to_vec(), "not UTF-8"),
        (two.into_bytes(), "2 mistakes"),
        (
            good.replace(store.grpc(), "embedded:nothing").into_bytes(),
            "the driver \"nothing\" is not in this program",
        ),
    ] {
        let status = proxy.take(&bad).await;
        let error = status["last_attempt"]["error"].as_str().unwrap();
        assert_eq!((outcome(&status), &status["revision"]), ("refused", &in_force), "{says}");
        assert!(error.contains(says) && error.contains("prism.yaml"), "{says}: {error}");
        assert!(!status["last_attempt"]["mistakes"].as_array().unwrap().is_empty(), "{status}");
        assert_eq!(name(&client, "fixed").await.unwrap(), "a");
    }
    // 10 MB of comments and one more namespace are not a mistake.
    let large = config(&[("fixed", store.grpc()), ("moving", store.grpc())]);
    let large = [large.as_bytes(), &b"# padding\n".repeat(1_000_000)].concat();
    assert_eq!(outcome(&proxy.take(large).await), "applied");
    assert_eq!(name(&client, "moving").await.unwrap(), "a");

    let huge = [good.as_bytes(), &b"# padding\n".repeat(2_000_000)].concat();
    let file = proxy.folder().join("prism.yaml");
    let spoil: [(&dyn Fn(), &str); 3] = [
        (&|| proxy.write(&huge), "more than 16777216 bytes"),
        (&|| std::fs::remove_file(&file).unwrap(), "No such file"),
        (&|| std::fs::create_dir(&file).unwrap(), "not a regular file"),
    ];
    for (spoil, says) in spoil {
        spoil();
        let status = loop {
            let status = proxy.status("").await;
            if status["last_attempt"]["error"].as_str().is_some_and(|error| error.contains(says)) {
                break status;
            }
        };
        assert_eq!((outcome(&status), &status["last_attempt"]["revision"]), ("refused", &Value::Null));
        assert_eq!(name(&client, "moving").await.unwrap(), "a");
    }
    std::fs::remove_dir(&file).unwrap();
    assert_eq!(outcome(&proxy.take(&good).await), "applied");
}

#[tokio::test]
async fn the_status_tells_every_mistake_that_validate_tells() {
    let proxy = Proxy::start(&[("fixed", "embedded:memstore")]);
    let bad = "namespaces:\n  - {name: 5, pattern: graph, plugin: {}, timeout: [1], colour: red}\n  - {name: B, plugin: 7}\n";
    let status = proxy.take(bad).await;
    let mistakes = status["last_attempt"]["mistakes"].as_array().unwrap();
    let told: Vec<_> = mistakes.iter().map(|mistake| &mistake["why"]).collect();
    let file = proxy.folder().join("prism.yaml");
    let validated =
        command("prism").args(["config", "--output", "json", "validate"]).arg(file).output().unwrap();
    let validated: Value = serde_json::from_slice(&validated.stdout).unwrap();
    let errors = validated["errors"].as_array().unwrap();
    assert_eq!(told, errors.iter().map(|error| &error["detail"]).collect::<Vec<_>>());
    assert!(told.len() >= 8, "{told:?}");
}

#[tokio::test]
async fn a_folder_that_is_swapped_by_a_link_is_seen() {
    // As Kubernetes mounts a ConfigMap: prism.yaml -> ..data/prism.yaml, and ..data -> one folder after another.
    let (a, b) = (named("a").await, named("b").await);
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);
    for (version, store) in [("..1", &a), ("..2", &b)] {
        std::fs::create_dir(at(version)).unwrap();
        std::fs::write(at(version).join("prism.yaml"), config(&[("moving", store.grpc())])).unwrap();
    }
    symlink("..1", at("..data")).unwrap();
    symlink("..data/prism.yaml", at("prism.yaml")).unwrap();
    let file = at("prism.yaml").display().to_string();
    let flags = ["--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", "--config", &file];
    let proxy = Process::start("prism-proxy", flags);
    let client = client(proxy.grpc());
    assert_eq!(name(&client, "moving").await.unwrap(), "a");

    symlink("..2", at("..next")).unwrap();
    std::fs::rename(at("..next"), at("..data")).unwrap();
    while name(&client, "moving").await.unwrap() != "b" {}
}

#[tokio::test]
async fn a_folder_that_is_removed_and_made_anew_is_followed() {
    let proxy = Proxy::start(&[("one", "embedded:memstore")]);
    std::fs::remove_dir_all(proxy.folder()).unwrap();
    // Until the proxy has seen that.
    while proxy.status("").await["last_attempt"]["outcome"] != "refused" {}
    std::fs::create_dir(proxy.folder()).unwrap();
    for namespaces in [&["one", "two"][..], &["one"], &["one", "two", "three"]] {
        let namespaces: Vec<_> = namespaces.iter().map(|name| (*name, "embedded:memstore")).collect();
        let status = proxy.take(config(&namespaces)).await;
        assert_eq!((outcome(&status), &status["namespaces"]), ("applied", &json!(namespaces.len())));
    }
}

#[tokio::test]
async fn a_signal_makes_it_look_at_once() {
    let store = named("a").await;
    let mut proxy = Proxy::start(&[("fixed", store.grpc())]);
    assert_eq!(proxy.status("").await["last_attempt"], Value::Null);
    proxy.process.signal(Signal::HUP);
    while proxy.status("").await["last_attempt"].is_null() {}
    assert_eq!(outcome(&proxy.status("").await), "applied");
}

#[tokio::test]
async fn the_default_file_is_taken_when_it_appears() {
    let store = named("a").await;
    let folder = tempfile::tempdir().unwrap();
    let mut proxy = command("prism-proxy");
    proxy.args(["--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0"]).current_dir(folder.path());
    let proxy = Process::spawn("prism-proxy", &mut proxy);
    let status = http::get(proxy.address("http"), "/config/status").await.1;
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!((&status["revision"], &status["namespaces"]), (&Value::Null, &json!(1)));
    let file = folder.path().canonicalize().unwrap().join("prism.yaml");
    assert_eq!(status["path"], *file.to_str().unwrap());

    std::fs::write(&file, config(&[("moving", store.grpc())])).unwrap();
    let client = client(proxy.grpc());
    while name(&client, "moving").await.is_err() {}
}

#[tokio::test]
async fn keys_that_only_a_start_reads_are_named() {
    let store = named("a").await;
    let good = config(&[("fixed", store.grpc())]);
    let proxy = Proxy::with_config(&good);
    let status = proxy.take(format!("server: {{ listen_address: '127.0.0.1:1' }}\n{good}")).await;
    let expected = json!([{"field": "server.listen_address", "at_start": null, "in_file": "127.0.0.1:1"}]);
    assert_eq!(status["restart_required"], expected);
    assert_eq!(proxy.take(good).await["restart_required"], json!([]));
}

#[tokio::test]
async fn the_status_shows_backends_and_what_they_lack() {
    let (echo, store) = (Process::start("echo-plugin", ["--listen", "127.0.0.1:0"]), named("a").await);
    let proxy = Proxy::start(&[("fixed", store.grpc()), ("echo", echo.grpc()), ("dead", "127.0.0.1:1")]);
    let client = client(proxy.grpc());
    let state = |status: &Value, endpoint: &str| {
        let backends = status["backends"].as_array().unwrap().clone();
        backends.into_iter().find(|backend| backend["endpoint"] == *endpoint).unwrap()
    };
    assert_eq!(state(&proxy.status("").await, store.grpc())["state"], "idle");
    assert_eq!(name(&client, "fixed").await.unwrap(), "a");
    assert_eq!(name(&client, "dead").await, Err(Some(ErrorReason::BackendUnreachable)));
    while name(&client, "echo").await != Err(Some(ErrorReason::InterfaceNotServed)) {}

    let status = proxy.status("").await;
    let ready = state(&status, store.grpc());
    assert_eq!((&ready["state"], &ready["namespaces"]), (&json!("ready"), &json!(1)));
    assert!(ready["interfaces"].as_array().unwrap().contains(&json!(KEYVALUE)), "{ready}");
    let dead = state(&status, "127.0.0.1:1");
    assert_eq!(dead["state"], "unreachable");
    assert!(dead["error"].as_str().unwrap().contains("refused") && dead["since"].is_string(), "{dead}");
    let [problem] = status["problems"].as_array().unwrap().as_slice() else { panic!("{status}") };
    assert_eq!(problem["namespace"], "echo");
    assert!(problem["error"].as_str().unwrap().starts_with("INTERFACE_NOT_SERVED"), "{problem}");
}

#[tokio::test]
async fn limits_of_a_namespace_hold_and_change() {
    let store = named("a").await;
    let echo = Process::start("echo-plugin", ["--listen", "127.0.0.1:0"]);
    let with = |namespace: &str, endpoint: &str, setting: &str| {
        format!("{}    {setting}\n", config(&[(namespace, endpoint)]))
    };
    let proxy = Proxy::with_config(&with("fixed", store.grpc(), "read_only: true"));
    let client = client(proxy.grpc());
    let fixed = client.namespace("fixed").keyvalue();
    assert_eq!(fixed.set("name", "b").await.unwrap_err().reason(), Some(ErrorReason::ReadOnly));
    assert_eq!(fixed.delete("name").await.unwrap_err().reason(), Some(ErrorReason::ReadOnly));
    assert_eq!(name(&client, "fixed").await.unwrap(), "a");
    assert_eq!(fixed.count("").await.unwrap(), 1);

    proxy.take(with("fixed", store.grpc(), "requests_per_second: 1")).await;
    assert_eq!(name(&client, "fixed").await.unwrap(), "a");
    let refused = loop {
        if let Err(error) = fixed.get("name").await {
            break error;
        }
    };
    assert_eq!((refused.reason(), refused.limit()), (Some(ErrorReason::RateLimit), Some(1)));
    assert!(refused.retry_delay().is_some(), "{refused}");

    proxy.take(with("echo", echo.grpc(), "max_in_flight: 1")).await;
    let mut open = Open::begin(&proxy, "echo").await;
    let mut other = EchoInterfaceClient::connect(format!("http://{}", proxy.grpc())).await.unwrap();
    let refused = other.unary(Open::request("echo", "x")).await.unwrap_err();
    let refused = prism_proto::Error::from_status(&refused).unwrap();
    assert_eq!((refused.reason, refused.fact("limit")), (ErrorReason::TooManyInFlight, Some("1")));
    open.is_alive().await;
    drop(open);
    while other.unary(Open::request("echo", "x")).await.is_err() {}
}

#[tokio::test]
async fn a_thousand_reloads_under_load_fail_no_call() {
    let (a, b) = (named("a").await, named("b").await);
    let echo = Process::start("echo-plugin", ["--listen", "127.0.0.1:0"]);
    let version = |number: usize| {
        let moving = if number.is_multiple_of(2) { a.grpc() } else { b.grpc() };
        let config = config(&[("fixed", a.grpc()), ("echo", echo.grpc()), ("moving", moving)]);
        format!("{config}# {number}\n")
    };
    let proxy = Proxy::with_config(&version(0));
    let mut streams = [Open::begin(&proxy, "echo").await, Open::begin(&proxy, "echo").await];
    let client = client(proxy.grpc());
    let (done, answered) = (AtomicBool::new(false), AtomicU64::new(0));
    let load = |namespace: &'static str| {
        let (client, done, answered) = (&client, &done, &answered);
        async move {
            while !done.load(Ordering::Relaxed) {
                let name = name(client, namespace).await.unwrap();
                assert!(name == "a" || (namespace == "moving" && name == "b"), "{namespace}: {name}");
                answered.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    let reloads = async {
        for number in 1..=1000 {
            let status = proxy.take(version(number)).await;
            assert_eq!(outcome(&status), "applied");
            // From now on, calls are served by the new backend.
            let expected = if number.is_multiple_of(2) { "a" } else { "b" };
            assert_eq!(name(&client, "moving").await.unwrap(), expected, "reload {number}");
            for stream in &mut streams {
                stream.is_alive().await;
            }
        }
        done.store(true, Ordering::Relaxed);
    };
    tokio::join!(reloads, load("fixed"), load("fixed"), load("fixed"), load("moving"));
    assert!(answered.load(Ordering::Relaxed) > 1000, "{answered:?} calls are no load");
}
