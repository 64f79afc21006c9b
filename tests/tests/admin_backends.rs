//! Backends with a name through the admin: created, probed, changed and removed while the proxy serves.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use prism_e2e::admin::{Admin, Gateway};
use prism_e2e::client;
use prism_e2e::http::{self, Answer};
use prism_e2e::process::Process;
use prism_e2e::redis::Redis;
use prism_proto::ErrorReason;
use serde_json::{Value, json};

const FILE: &str = "# ours\nnamespaces: # all\n  - name: first # the first\n    pattern: keyvalue\n    plugin:\n      endpoint: 'a:1'\n";

const FAST: &str = r#"{"name":"fast","embedded":"memstore","options":{"memory_limit":"1MiB"}}"#;

/// Sends JSON to the admin while the client's tasks run.
async fn send(gateway: &Gateway, method: &'static str, path: &str, body: &str) -> Answer {
    let (address, path, body) = (gateway.http().to_owned(), path.to_owned(), body.to_owned());
    let headers = [("content-type", "application/json")];
    let sent =
        tokio::task::spawn_blocking(move || http::send(&address, method, &path, &headers, body.as_bytes()));
    sent.await.unwrap()
}

fn on(name: &str, backend: &str) -> String {
    format!(r#"{{"name":"{name}","pattern":"keyvalue","plugin":{{"backend":"{backend}"}}}}"#)
}

fn word(answer: &Answer) -> String {
    answer.json()["type"].as_str().unwrap().rsplit(':').next().unwrap().to_owned()
}

#[test]
fn a_backend_is_created_read_changed_replaced_and_removed_with_comments_in_place() {
    let admin = Admin::start(Some(FILE));
    let created = admin.json("POST", "/backends", FAST);
    assert_eq!((created.status, created.header("location")), (201, Some("/backends/fast")), "{created:?}");
    let fast: Value = serde_json::from_str(FAST).unwrap();
    assert_eq!(created.json()["backend"], fast);
    let list = "backends:\n  - name: fast\n    embedded: memstore\n    options:\n      memory_limit: 1MiB\n";
    assert_eq!(admin.text(), FILE.replace("namespaces:", &format!("{list}namespaces:")));
    let again = admin.json("POST", "/backends", FAST);
    assert_eq!((again.status, word(&again).as_str()), (409, "exists"));

    let read = admin.ask("GET", "/backends/fast");
    assert_eq!((read.status, read.json(), read.header("etag")), (200, fast, created.header("etag")));
    let tag = read.header("etag").unwrap().to_owned();
    let patched = admin.json("PATCH", "/backends/fast", r#"{"options":{"memory_limit":"2MiB"}}"#);
    assert_eq!(patched.json()["backend"]["options"], json!({ "memory_limit": "2MiB" }), "{patched:?}");
    let headers = [("content-type", "application/json"), ("if-match", tag.as_str())];
    let late = http::send(admin.http(), "PATCH", "/backends/fast", &headers, b"{}");
    assert_eq!(late.status, 412, "{late:?}");

    let put = admin.json("PUT", "/backends/fast", r#"{"endpoint":"a:2","embedded":null,"options":null}"#);
    assert_eq!(
        (put.status, &put.json()["backend"]),
        (200, &json!({ "name": "fast", "endpoint": "a:2" })),
        "{put:?}"
    );
    assert_eq!(admin.json("PUT", "/backends/probe", r#"{"endpoint":"a:3"}"#).status, 201);
    assert_eq!(admin.ask("GET", "/backends/probe").json()["endpoint"], "a:3", "any name can be read");
    assert_eq!(admin.json("PATCH", "/backends/probe", r#"{"endpoint":"a:4"}"#).status, 200);
    assert_eq!(admin.ask("DELETE", "/backends/probe").status, 200);
    assert_eq!(admin.ask("DELETE", "/backends/fast").status, 200);
    assert_eq!(admin.text(), FILE.replace("namespaces:", "backends: []\nnamespaces:"));
    for (method, body) in [("GET", ""), ("DELETE", ""), ("PATCH", "{}")] {
        assert_eq!(admin.json(method, "/backends/fast", body).status, 404, "{method}");
    }
    let audit = admin.ask("GET", "/audit").text().to_owned();
    for action in ["create backend fast", "patch backend fast", "put backend fast", "delete backend fast"] {
        assert!(audit.contains(action), "{action} is missing in {audit}");
    }
}

#[test]
fn what_is_wrong_with_a_backend_is_pointed_to_and_nothing_is_written() {
    let admin = Admin::start(Some(FILE));
    for (body, pointer, says) in [
        (r#"{"name":"Fast","embedded":"memstore"}"#, "/name", "a-z"),
        (r#"{"name":"a"}"#, "/embedded", "endpoint: ADDRESS"),
        (r#"{"name":"a","embedded":"memstore","endpoint":"a:1"}"#, "/endpoint", "one of"),
        (
            r#"{"name":"a","embedded":"memstore","options":{"memory_limit":"1MB"}}"#,
            "/options/memory_limit",
            "KiB",
        ),
        (r#"{"name":"a","embedded":"memstore","options":{"colour":1}}"#, "/options/colour", "`memory_limit`"),
        (r#"{"name":"a","endpoint":"169.254.169.254:80"}"#, "/endpoint", "link-local"),
        (r#"{"name":"a","endpoint":"unix:/run/docker.sock"}"#, "/endpoint", "--unix-root"),
        (r#"{"name":"a","endpoint":"a:1","colour":"red"}"#, "/colour", "unknown field"),
    ] {
        for path in ["/backends", "/backends?dry_run=true", "/backends/probe"] {
            let refused = admin.json("POST", path, body);
            let error = &refused.json()["errors"][0];
            assert_eq!(
                (refused.status, error["pointer"].as_str()),
                (422, Some(pointer)),
                "{body}: {refused:?}"
            );
            assert!(error["detail"].as_str().unwrap().contains(says), "{body}: {error}");
        }
    }
    let file = "backends: [{name: a, embedded: memstore, options: {memory_limit: x}}]\nnamespaces: []\n";
    let refused = admin.yaml("/config", file.as_bytes()).json();
    assert_eq!(refused["errors"][0]["pointer"], "/backends/0/options/memory_limit", "{refused}");
    let file = "backends: [{name: a, endpoint: '169.254.169.254:1'}]\nnamespaces: []\n";
    let refused = admin.yaml("/config", file.as_bytes()).json();
    assert_eq!(refused["errors"][0]["pointer"], "/backends/0/endpoint", "{refused}");
    assert_eq!(admin.text(), FILE);

    // A proxy may have what the admin does not.
    let other =
        admin.json("POST", "/backends", r#"{"name":"a","embedded":"other","options":{"b":{"c":[1]}}}"#);
    assert!(
        other.status == 201 && other.json()["warnings"].to_string().contains("\\\"other\\\""),
        "{other:?}"
    );
    let later = admin.json("POST", "/namespaces", &on("a", "a"));
    assert!(later.status == 201 && later.json()["warnings"] == json!([]), "it was told once: {later:?}");
    let probed = admin.json("POST", "/backends/probe", r#"{"embedded":"other"}"#).json();
    assert!(
        probed["health"] == "not_asked" && probed["error"].as_str().unwrap().contains("other"),
        "{probed}"
    );
}

#[test]
fn a_namespace_names_a_backend_that_is_there() {
    let admin = Admin::start(Some(FILE));
    let missing = admin.json("POST", "/namespaces", &on("a", "fast"));
    assert_eq!(
        (missing.status, &missing.json()["errors"][0]["pointer"]),
        (422, &json!("/plugin/backend")),
        "{missing:?}"
    );
    assert_eq!(admin.json("POST", "/backends", FAST).status, 201);
    assert_eq!(admin.json("POST", "/namespaces", &on("a", "fast")).status, 201);
    assert_eq!(
        admin.json("PATCH", "/namespaces/first", r#"{"plugin":{"backend":"fast","endpoint":null}}"#).status,
        200
    );
    let both = admin.json("PATCH", "/namespaces/a", r#"{"plugin":{"endpoint":"a:1"}}"#);
    assert_eq!(
        (both.status, &both.json()["errors"][0]["pointer"]),
        (422, &json!("/plugin/endpoint")),
        "{both:?}"
    );
    assert_eq!(admin.ask("GET", "/namespaces?q=fas").json()["total"], 2);

    let used = admin.ask("DELETE", "/backends/fast");
    let detail = used.json()["detail"].as_str().unwrap().to_owned();
    assert_eq!((used.status, word(&used).as_str()), (409, "in-use"), "{used:?}");
    assert!(detail.contains("backend fast serves first, a;"), "{detail}");
    assert_eq!(admin.ask("DELETE", "/backends/fast?dry_run=true").status, 409);
    assert_eq!(admin.json("PUT", "/backends/fast", r#"{"name":"slow","endpoint":"a:1"}"#).status, 422);
    for name in ["first", "a"] {
        assert_eq!(admin.ask("DELETE", &format!("/namespaces/{name}")).status, 200);
    }
    assert_eq!(admin.ask("DELETE", "/backends/fast").status, 200);
}

#[test]
fn a_probe_tells_what_is_there_and_saves_nothing() {
    let admin = Admin::start(Some(FILE));
    let memstore = Process::start("prism-memstore", ["--listen", "127.0.0.1:0"]);
    let probe = |body: &str| {
        let probed = admin.json("POST", "/backends/probe", body);
        assert_eq!(probed.status, 200, "{probed:?}");
        probed.json()
    };
    let interface = json!("prism.interfaces.list.ListBasicInterface");
    let driver = probe(r#"{"embedded":"memstore"}"#);
    let plugin = probe(&format!(r#"{{"name":"a","endpoint":"{}"}}"#, memstore.grpc()));
    for found in [&driver, &plugin] {
        assert_eq!((&found["health"], &found["error"]), (&json!("serving"), &Value::Null), "{found}");
        assert!(found["interfaces"].as_array().unwrap().contains(&interface), "{found}");
        let promised = &found["capabilities"];
        assert!(["in_memory", "ordered", "resumable"].iter().all(|name| promised[*name] == true), "{found}");
    }
    assert!(driver["latency_ms"].is_null() && plugin["latency_ms"].as_f64() > Some(0.0), "{driver} {plugin}");
    let nobody = probe(r#"{"endpoint":"127.0.0.1:1"}"#);
    assert_eq!((&nobody["health"], &nobody["interfaces"]), (&json!("unreachable"), &Value::Null), "{nobody}");
    assert_eq!(admin.text(), FILE);
    assert_eq!(admin.json("POST", "/backends/probe", "[]").status, 422);
    assert_eq!(admin.json("POST", "/backends/probe?dry_run=true", "{}").status, 400);
}

#[test]
fn a_redis_is_probed_by_its_driver() {
    let admin = Admin::start(Some(FILE));
    let mut redis = Redis::start();
    let body = |url: &str| json!({ "embedded": "redis", "options": { "url": url } }).to_string();
    let probe = |url: &str| admin.json("POST", "/backends/probe", &body(url));
    let found = probe(&redis.url()).json();
    assert_eq!((&found["health"], &found["error"]), (&json!("serving"), &Value::Null), "{found}");
    let facts = found["facts"].as_array().unwrap();
    for label in ["server", "mode", "role", "primaries", "persistence", "eviction policy"] {
        assert!(facts.iter().any(|fact| fact["label"] == label), "{label} is missing in {found}");
    }
    assert!(found["interfaces"].to_string().contains("KeyValueBasicInterface"), "{found}");
    assert_eq!(found["capabilities"]["ordered"], false);

    for (url, pointer, says) in [
        ("redis://169.254.169.254:6379", "/options", "link-local"),
        ("redis://app:hunter2@127.0.0.1:1", "/options/url", "password_file"),
    ] {
        for refused in
            [probe(url), admin.json("POST", "/backends", &body(url).replacen('{', r#"{"name":"a","#, 1))]
        {
            let told = refused.json();
            assert_eq!((refused.status, &told["errors"][0]["pointer"]), (422, &json!(pointer)), "{told}");
            assert!(told["detail"].as_str().unwrap().contains(says), "{told}");
            assert!(!told.to_string().contains("hunter2"), "{told}");
        }
    }
    redis.kill();
    let lost = probe(&redis.url()).json();
    assert!(lost["health"] == "unreachable" && lost["error"].is_string(), "{lost}");

    let raw =
        json!({ "name": "raw", "embedded": "redis", "options": { "url": redis.url(), "layout": "raw" } });
    assert_eq!(admin.json("POST", "/backends", &raw.to_string()).status, 201);
    assert_eq!(admin.json("POST", "/namespaces", &on("a", "raw")).status, 201);
    let second = admin.json("POST", "/namespaces", &on("b", "raw"));
    assert_eq!(
        (second.status, &second.json()["errors"][0]["pointer"]),
        (422, &json!("/namespaces/2/plugin/backend"))
    );
}

/// Otherwise whoever may write could have any file sent to a server of their own.
#[test]
fn a_file_in_options_must_be_in_the_folder_of_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = folder.path().join("secrets");
    std::fs::create_dir(&secrets).unwrap();
    std::fs::write(folder.path().join("prism.yaml"), FILE).unwrap();
    let flags = ["--proxy", "http://127.0.0.1:1", "--secrets-root", secrets.to_str().unwrap()];
    let allows = Admin::within(folder, &flags);
    let body = |file: &std::path::Path| {
        let options = json!({ "url": "redis://127.0.0.1:1", "password_file": file });
        json!({ "name": "a", "embedded": "redis", "options": options }).to_string()
    };
    for path in ["/backends", "/backends/probe"] {
        let refused = Admin::start(Some(FILE)).json("POST", path, &body(&secrets.join("password")));
        assert_eq!(refused.status, 422, "{refused:?}");
        assert!(refused.json()["detail"].as_str().unwrap().contains("--secrets-root"), "{refused:?}");
        let outside = allows.json("POST", path, &body("/etc/passwd".as_ref()));
        assert_eq!((outside.status, &outside.json()["errors"][0]["pointer"]), (422, &json!("/options")));
    }
    assert_eq!(allows.json("POST", "/backends", &body(&secrets.join("password"))).status, 201);
}

/// Otherwise whoever may write could have the proxy create folders, and fill a disk, anywhere.
#[test]
fn a_store_on_disk_must_be_in_the_folder_of_stores() {
    let folder = tempfile::tempdir().unwrap();
    let stores = folder.path().join("stores");
    std::fs::create_dir(&stores).unwrap();
    std::fs::write(folder.path().join("prism.yaml"), FILE).unwrap();
    let flags = ["--proxy", "http://127.0.0.1:1", "--stores-root", stores.to_str().unwrap()];
    let allows = Admin::within(folder, &flags);
    let body = |path: &std::path::Path| {
        json!({ "name": "a", "embedded": "diskstore", "options": { "path": path } }).to_string()
    };
    for path in ["/backends", "/backends/probe"] {
        let refused = Admin::start(Some(FILE)).json("POST", path, &body(&stores.join("a")));
        assert_eq!(refused.status, 422, "{refused:?}");
        assert!(refused.json()["detail"].as_str().unwrap().contains("--stores-root"), "{refused:?}");
        let outside = allows.json("POST", path, &body(&stores.join("../a")));
        assert_eq!((outside.status, &outside.json()["errors"][0]["pointer"]), (422, &json!("/options")));
    }
    assert_eq!(allows.json("POST", "/backends", &body(&stores.join("a"))).status, 201);
}

#[tokio::test]
async fn a_backend_serves_is_changed_and_goes_with_its_data_which_is_told_before() {
    let gateway = Gateway::start(&[("first", "a:1")], &[]);
    let client = client(gateway.proxy.grpc());
    assert_eq!(send(&gateway, "POST", "/backends", FAST).await.json()["applied"], true);
    assert_eq!(send(&gateway, "POST", "/namespaces", &on("orders", "fast")).await.json()["applied"], true);
    let orders = client.namespace("orders").keyvalue();
    orders.set("a", "x").await.unwrap();
    let large = vec![0; 2 << 20];
    let full = orders.set("b", large.clone()).await.unwrap_err();
    assert_eq!(full.reason(), Some(ErrorReason::MemoryLimit));
    let patch = r#"{"options":{"memory_limit":"8MiB"}}"#;
    assert_eq!(send(&gateway, "PATCH", "/backends/fast", patch).await.json()["applied"], true);
    orders.set("b", large).await.unwrap();
    assert_eq!(orders.get("a").await.unwrap(), "x", "its data stayed");

    let listed = send(&gateway, "GET", "/backends", "").await.json();
    let fast =
        &listed["backends"].as_array().unwrap().iter().find(|it| it["name"] == "fast").unwrap().clone();
    assert_eq!((&fast["endpoint"], &fast["namespaces"]), (&json!("embedded:memstore"), &json!(["orders"])));
    assert_eq!(
        (&fast["would_lose"], &fast["options"]),
        (&json!({ "keys": 2, "lists": 0 }), &json!({ "memory_limit": "8MiB" }))
    );
    assert_eq!(
        (&fast["proxies"][0]["state"], &fast["health"]),
        (&json!("ready"), &json!("not_asked")),
        "{fast}"
    );
    assert!(fast["interfaces"].to_string().contains("KeyValueBasicInterface"), "{fast}");
    let unnamed = listed["backends"].as_array().unwrap().iter().find(|it| it["name"].is_null()).unwrap();
    assert_eq!((&unnamed["endpoint"], &unnamed["would_lose"]), (&json!("a:1"), &Value::Null));
    let quick = send(&gateway, "GET", "/backends?probe=false", "").await.json();
    assert!(quick["backends"].as_array().unwrap().iter().all(|it| it["health"] == "not_asked"), "{quick}");

    let url = format!("http://{}", gateway.proxy.process.address("http"));
    let lost = json!(format!("without backend fast, {url} loses what it holds in memory: 2 keys, 0 lists"));
    let has = |answer: &Answer| answer.json()["warnings"].as_array().unwrap().contains(&lost);
    let before = gateway.text();
    let moved = send(&gateway, "PUT", "/backends/fast?dry_run=true", r#"{"endpoint":"a:1"}"#).await;
    assert!(has(&moved), "another place loses it, too: {moved:?}");
    let same = send(&gateway, "PUT", "/backends/fast?dry_run=true", r#"{"embedded":"memstore"}"#).await;
    assert!(!has(&same), "{same:?}");
    let back = send(&gateway, "POST", "/config/rollback/1?dry_run=true", "").await;
    assert!(has(&back), "so does going back: {back:?}");
    assert_eq!(send(&gateway, "DELETE", "/namespaces/orders", "").await.status, 200);
    for path in ["/backends/fast?dry_run=true", "/backends/fast"] {
        let removed = send(&gateway, "DELETE", path, "").await;
        assert!(removed.status == 200 && has(&removed), "{removed:?}");
    }
    assert!(before.contains("fast") && !gateway.text().contains("fast"));
    let status = gateway.proxy.status("").await;
    assert!(status["backends"].as_array().unwrap().iter().all(|it| it["name"] != "fast"), "{status}");
}

#[test]
fn backends_come_change_and_go_by_command() {
    let gateway = Gateway::start(&[("first", "a:1")], &[]);
    let applied = gateway.applied();
    let create = ["backends", "create", "fast", "--embedded", "memstore", "--option", "memory_limit=1MiB"];
    let dry = gateway.run(&[&create[..], &["--dry-run"]].concat());
    assert!(
        dry.text().contains("+  - name: fast\n") && dry.text().ends_with("nothing was written\n"),
        "{dry:?}"
    );
    assert_eq!(gateway.run(&create).text(), format!("written as revision 2\n{applied}"));
    let orders = ["namespaces", "create", "orders", "--pattern", "keyvalue", "--backend", "fast"];
    assert_eq!(gateway.run(&orders).text(), format!("written as revision 3\n{applied}"));
    assert_eq!(gateway.run(&["kv", "set", "a", "x", "-n", "orders"]).text(), "OK\n");
    assert_eq!(
        gateway.run(&["namespaces", "ls"]).text(),
        "NAME    PATTERN   BACKEND  SETTINGS\nfirst   keyvalue  a:1\norders  keyvalue  fast\n"
    );
    assert_eq!(
        gateway.run(&["namespaces", "get", "orders"]).text(),
        "name      orders\npattern   keyvalue\nbackend   fast\ncan lose  unknown: the backend could not be asked\n"
    );
    let ls = gateway.run(&["backends", "ls"]);
    let lines: Vec<Vec<_>> = ls
        .text()
        .lines()
        .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
        .collect();
    assert_eq!(lines[0], ["NAME", "ENDPOINT", "STATE", "NAMESPACES", "IN MEMORY", "OPTIONS"]);
    assert_eq!(lines[2], ["fast", "embedded:memstore", "ready", "1", "1 key, 0 lists", "memory_limit=1MiB"]);
    assert_eq!(lines[1][..3], ["-", "a:1", "unreachable"], "{lines:?}");
    assert_eq!(
        gateway.run(&["backends", "get", "fast"]).text(),
        "name                  fast\nembedded              memstore\noptions.memory_limit  1MiB\n"
    );
    assert_eq!(
        gateway.run_json(&["backends", "get", "fast"]).json(),
        [serde_json::from_str::<Value>(FAST).unwrap()]
    );
    assert_eq!(gateway.run_json(&["backends", "ls"]).json().len(), 2);

    let set = gateway.run(&["backends", "set", "fast", "--option", "memory_limit=2MiB"]);
    assert_eq!(set.text(), format!("written as revision 4\n{applied}"));
    let unset = gateway.run_json(&["backends", "set", "fast", "--unset", "memory_limit"]).json();
    assert_eq!(unset[0]["backend"]["options"], json!({}), "{unset:?}");
    let probed = gateway.run(&["backends", "probe", "fast"]);
    assert!(
        probed.text().starts_with("health        serving\n") && probed.text().contains("in_memory"),
        "{probed:?}"
    );
    let nobody = gateway.run(&["backends", "probe", "--endpoint", "127.0.0.1:1"]);
    assert!(nobody.code == 4 && String::from_utf8_lossy(&nobody.out).contains("unreachable"), "{nobody:?}");
    let found =
        gateway.run_json(&["backends", "probe", "--embedded", "memstore", "--option", "memory_limit=5"]);
    assert_eq!(found.json()[0]["health"], "serving");

    let used = gateway.run(&["backends", "delete", "fast"]);
    assert!(used.code == 1 && used.err.contains("serves orders"), "{used:?}");
    let moved = gateway.run(&["namespaces", "set", "orders", "--endpoint", "a:1"]);
    assert!(moved.text().ends_with(&applied), "{moved:?}");
    let note = "note: without backend fast, ";
    let dry = gateway.run(&["backends", "delete", "fast", "--dry-run"]);
    assert!(dry.text().starts_with(note) && dry.text().contains("1 key, 0 lists\n"), "{dry:?}");
    let deleted = gateway.run(&["backends", "delete", "fast"]);
    assert!(deleted.text().starts_with(note) && deleted.text().ends_with(&applied), "{deleted:?}");
    for verb in ["get", "delete", "probe"] {
        assert_eq!(gateway.run(&["backends", verb, "fast"]).code, 3, "{verb}");
    }
    let wrong = gateway.run_json(&[
        "backends",
        "create",
        "a",
        "--embedded",
        "memstore",
        "--option",
        "memory_limit=x",
    ]);
    assert_eq!(
        (wrong.code, wrong.error()["field"].as_str()),
        (1, Some("/options/memory_limit")),
        "{wrong:?}"
    );
}
