//! The states of a server in which it refuses calls: what the caller is told, and that it heals by itself.

use std::net::TcpStream;
use std::time::Duration;

use prism_plugin::{Context, Error, ErrorReason, KeyValue as _};
use serde_json::json;

use crate::support::plugin::Plugin;
use crate::support::server::{Kind, Server, free_port};
use crate::support::store::{get, key, namespace, patient, push, set, store};
use crate::support::until;

fn is_refused(error: &Error, words: &str) {
    assert_eq!(
        (error.reason, error.fact("applied")),
        (ErrorReason::BackendUnreachable, Some("no")),
        "{error}"
    );
    assert!(error.message.contains(words), "{error}");
}

#[tokio::test]
async fn a_full_server_refuses_writes_and_serves_reads() {
    let server = Server::start(Kind::Redis, &["--maxmemory-policy", "noeviction"]);
    let store = store(json!({ "url": server.url() }));
    set(&store, "a", "v").await.unwrap();
    push(&store, "l", "v").await.unwrap();
    server.tell(&["CONFIG", "SET", "maxmemory", "1"]);
    for refused in [set(&store, "a", "w").await.unwrap_err(), push(&store, "l", "w").await.unwrap_err()] {
        assert_eq!(refused.reason, ErrorReason::MemoryLimit, "{refused}");
    }
    assert_eq!(get(&store, "a").await.unwrap().as_deref(), Some("v"), "the key keeps its value");
    server.tell(&["CONFIG", "SET", "maxmemory", "0"]);
    set(&store, "a", "w").await.unwrap();
}

#[tokio::test]
async fn a_server_that_has_no_room_for_another_client_says_so() {
    let server = Server::start(Kind::Redis, &["--maxclients", "1"]);
    let holder = TcpStream::connect(server.url().trim_start_matches("redis://")).unwrap();
    let store = store(json!({ "url": server.url() }));
    let refused = until("the server is full", async || get(&store, "a").await.err()).await;
    is_refused(&refused, "no room for another connection (maxclients)");
    drop(holder);
    until("there is room", async || get(&store, "a").await.ok()).await;
}

/// It takes a second or more to load the keys below, and looks at its clients meanwhile.
const LOADS_SLOWLY: [&str; 4] = ["--key-load-delay", "20", "--loading-process-events-interval-bytes", "1024"];

#[tokio::test]
async fn a_server_that_loads_its_data_refuses_calls_until_it_has() {
    let mut server = Server::start(Kind::Redis, &LOADS_SLOWLY);
    let store = store(json!({ "url": server.url() }));
    set(&store, "a", "v").await.unwrap();
    server.tell(&["EVAL", "for i = 1, 50000 do redis.call('SET', KEYS[1] .. i, 'v') end", "1", "filler/"]);
    server.tell(&["SAVE"]);
    server.kill();
    let restarted = tokio::task::spawn_blocking(move || {
        server.restart();
        server
    });
    let refused = until("a call meets the loading server", async || {
        let refused = get(&store, "a").await.err()?;
        refused.message.contains("LOADING").then_some(refused)
    })
    .await;
    is_refused(&refused, "loading its data");
    let _server = restarted.await.unwrap();
    until("the data is there again", async || get(&store, "a").await.ok().flatten()).await;
}

#[tokio::test]
async fn a_password_is_read_again_at_each_connect() {
    let server = Server::start(Kind::Valkey, &["--requirepass", "first-secret"]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "wrong-secret\n").unwrap();
    let store = store(json!({ "url": server.url(), "password_file": file }));
    let refused = get(&store, "a").await.unwrap_err();
    is_refused(&refused, "password_file");
    assert!(!format!("{refused:?} {store:?}").contains("secret"), "{refused:?} {store:?}");

    std::fs::write(&file, "first-secret\n").unwrap();
    until("the right password is used", async || get(&store, "a").await.ok()).await;

    // Connections that are open stay; new ones need the new password.
    let mut connection = redis::Client::open(server.url()).unwrap();
    let info = redis::Client::get_connection_info(&connection).clone();
    let settings = info.redis_settings().clone().set_password("first-secret");
    connection = redis::Client::open(info.set_redis_settings(settings)).unwrap();
    let mut admin = connection.get_connection().unwrap();
    let () =
        redis::cmd("CONFIG").arg("SET").arg("requirepass").arg("second-secret").query(&mut admin).unwrap();
    get(&store, "a").await.unwrap();
    let _: i64 = redis::cmd("CLIENT")
        .arg("KILL")
        .arg("TYPE")
        .arg("normal")
        .arg("SKIPME")
        .arg("yes")
        .query(&mut admin)
        .unwrap();
    until("the old password is refused", async || {
        get(&store, "a").await.err().filter(|error| error.message.contains("password_file"))
    })
    .await;
    std::fs::write(&file, "second-secret").unwrap();
    until("the new password is used", async || get(&store, "a").await.ok()).await;
}

#[tokio::test]
async fn an_acl_user_meets_its_limits() {
    let server = Server::start(Kind::Redis, &[]);
    server.tell(&[
        "ACL",
        "SETUSER",
        "app",
        "on",
        ">secret",
        "~kv:*",
        "+@connection",
        "+get",
        "+exists",
        "+info",
    ]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "secret").unwrap();
    let store = store(json!({ "url": server.url(), "username": "app", "password_file": file }));
    assert_eq!(get(&store, "a").await.unwrap(), None);
    is_refused(&set(&store, "a", "v").await.unwrap_err(), "NOPERM");
    server.tell(&["ACL", "SETUSER", "app", "+set"]);
    set(&store, "a", "v").await.unwrap();
    let with_ttl = || async { store.get_with_ttl(&patient(), namespace(), key("a")).await };
    is_refused(&with_ttl().await.unwrap_err(), "NOPERM");
    server.tell(&["ACL", "SETUSER", "app", "+eval", "+evalsha"]);
    let denied = with_ttl().await.unwrap_err();
    assert_eq!(
        (denied.reason, denied.fact("applied")),
        (ErrorReason::BackendUnreachable, Some("maybe")),
        "{denied}"
    );
    server.tell(&["ACL", "SETUSER", "app", "+pttl"]);
    assert_eq!(with_ttl().await.unwrap(), Some(("v".into(), None)));
}

#[tokio::test]
async fn servers_of_another_kind_are_named() {
    let cluster = Server::start(Kind::Redis, &["--cluster-enabled", "yes"]);
    let plain = Server::start(Kind::Redis, &[]);
    let replica = Server::start(Kind::Redis, &["--replicaof", "127.0.0.1", &plain.port.to_string()]);
    let sentinel = Server::start_sentinel(Kind::Redis, "");
    for (options, words) in [
        (json!({ "url": cluster.url() }), "set cluster"),
        (json!({ "url": plain.url(), "cluster": true }), "leave cluster out"),
        (json!({ "url": replica.url() }), "is a replica"),
        (json!({ "url": sentinel.url() }), "is a sentinel"),
        (json!({ "url": plain.url(), "sentinel": "main" }), "not a sentinel"),
        (json!({ "url": sentinel.url(), "sentinel": "main" }), "knows no primary"),
        (json!({ "url": "redis://127.0.0.1:1" }), "cannot connect to 127.0.0.1:1"),
        (json!({ "url": "unix:/nonexistent/redis.sock" }), "cannot connect to unix:/nonexistent/redis.sock"),
    ] {
        let store = store(options);
        is_refused(&get(&store, "a").await.unwrap_err(), words);
        let why = store.probe().await.unwrap_err();
        assert!(why.contains(words), "{why}");
    }
}

#[tokio::test]
async fn a_probe_tells_what_the_server_is() {
    let server = Server::start(Kind::Redis, &["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]);
    let store = store(json!({ "url": server.url() }));
    let found = store.probe().await.unwrap();
    assert!(found.version.starts_with("7."), "{found}");
    assert_eq!((found.mode.as_str(), found.role.as_str(), found.nodes), ("standalone", "master", 1));
    assert!(found.evicts);
    assert!(store.capabilities().in_memory && store.capabilities().linearizable);
    server.tell(&["CONFIG", "SET", "appendonly", "yes"]);
    let found = store.probe().await.unwrap();
    assert_eq!(found.persistence.to_string(), "append-only file, appendfsync everysec");
    assert!(!store.capabilities().in_memory);
    server.tell(&["CONFIG", "SET", "appendonly", "no"]);
    server.tell(&["CONFIG", "SET", "save", "900 1"]);
    assert_eq!(store.probe().await.unwrap().persistence, prism_redis::Persistence::Snapshots);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_follows_the_server() {
    let mut server = Server::start(Kind::Redis, &[]);
    let plugin = Plugin::start(json!({ "url": server.url() })).await;
    server.kill();
    until("NOT_SERVING", async || (!plugin.running.health().is_serving()).then_some(())).await;
    let prism_redis::State::Failing { error, .. } = plugin.store.state() else { panic!("it fails") };
    assert!(error.contains("cannot connect"), "{error}");
    is_refused(&get(&plugin.store, "a").await.unwrap_err(), "cannot connect");
    server.restart();
    until("SERVING", async || plugin.running.health().is_serving().then_some(())).await;
    until("calls succeed", async || get(&plugin.store, "a").await.ok()).await;
    plugin.stop().await;
}

#[tokio::test]
async fn a_paused_server_costs_a_call_its_deadline_and_no_more() {
    let server = Server::start(Kind::Redis, &[]);
    let store = store(json!({ "url": server.url() }));
    set(&store, "a", "v").await.unwrap();
    server.pause();
    let context = Context::default().or_timeout(Duration::from_millis(300));
    let begun = std::time::Instant::now();
    let late = store.get(&context, namespace(), key("a")).await.unwrap_err();
    assert_eq!((late.reason, late.fact("applied")), (ErrorReason::DeadlineExceeded, Some("maybe")));
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert!(store.check().await.unwrap_err().contains("did not answer"));
    server.resume();
    assert_eq!(get(&store, "a").await.unwrap().as_deref(), Some("v"));
}

#[tokio::test]
async fn a_server_that_becomes_a_replica_refuses_writes() {
    let (server, other) = (Server::start(Kind::Redis, &[]), Server::start(Kind::Redis, &[]));
    let store = store(json!({ "url": server.url() }));
    set(&store, "a", "v").await.unwrap();
    server.tell(&["REPLICAOF", "127.0.0.1", &other.port.to_string()]);
    is_refused(&set(&store, "a", "w").await.unwrap_err(), "READONLY");
    assert!(store.check().await.unwrap_err().contains("not a primary"));
    server.tell(&["REPLICAOF", "NO", "ONE"]);
    set(&store, "a", "w").await.unwrap();
    store.check().await.unwrap();
}

#[tokio::test]
async fn tls_checks_the_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let openssl = |words: &str| {
        let mut command = std::process::Command::new("openssl");
        let output = command.args(words.split(' ')).current_dir(folder.path()).output().unwrap();
        assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let new = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2";
    openssl(&format!("{new} -keyout other.key -out other.pem -subj /CN=other"));
    openssl(&format!("{new} -keyout ca.key -out ca.pem -subj /CN=ca"));
    openssl(
        "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout server.key -out server.csr -subj /CN=server",
    );
    std::fs::write(path("names"), "subjectAltName=IP:127.0.0.1").unwrap();
    openssl(
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out server.pem -extfile names",
    );
    let port = free_port().to_string();
    let (certificate, key_file, ca) = (path("server.pem"), path("server.key"), path("ca.pem"));
    let _server = Server::start(
        Kind::Redis,
        &[
            "--tls-port",
            &port,
            "--tls-cert-file",
            &certificate,
            "--tls-key-file",
            &key_file,
            "--tls-ca-cert-file",
            &ca,
            "--tls-auth-clients",
            "no",
        ],
    );
    let url = format!("rediss://127.0.0.1:{port}");
    let trusted = store(json!({ "url": url, "ca_file": ca }));
    set(&trusted, "a", "v").await.unwrap();
    assert_eq!(get(&trusted, "a").await.unwrap().as_deref(), Some("v"));
    for (ca_file, words) in [
        (path("other.pem"), "not signed by a CA that is trusted here; set ca_file"),
        (path("missing.pem"), "missing.pem: there is no such file"),
        (path("names"), "names:1: the file holds no certificate"),
    ] {
        let store = store(json!({ "url": url, "ca_file": ca_file }));
        is_refused(&get(&store, "a").await.unwrap_err(), words);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_server_refuses_calls_until_its_script_ends() {
    let server = Server::start(Kind::Redis, &["--busy-reply-threshold", "50"]);
    let store = store(json!({ "url": server.url() }));
    set(&store, "a", "v").await.unwrap();
    let url = server.url();
    let script = std::thread::spawn(move || {
        let mut connection = redis::Client::open(url).unwrap().get_connection().unwrap();
        redis::cmd("EVAL").arg("while true do end").arg("0").query::<()>(&mut connection)
    });
    let refused = until("the server is busy", async || get(&store, "a").await.err()).await;
    is_refused(&refused, "BUSY");
    assert!(store.check().await.unwrap_err().contains("BUSY"));
    server.tell(&["SCRIPT", "KILL"]);
    assert!(script.join().unwrap().is_err());
    assert_eq!(get(&store, "a").await.unwrap().as_deref(), Some("v"));
}

#[tokio::test]
async fn a_server_with_too_few_replicas_refuses_writes() {
    let server = Server::start(Kind::Valkey, &["--min-replicas-to-write", "1"]);
    let store = store(json!({ "url": server.url() }));
    is_refused(&set(&store, "a", "v").await.unwrap_err(), "NOREPLICAS");
    assert_eq!(get(&store, "a").await.unwrap(), None, "reads are served");
    server.tell(&["CONFIG", "SET", "min-replicas-to-write", "0"]);
    set(&store, "a", "v").await.unwrap();
}

#[tokio::test]
async fn a_cluster_heals_once_its_slots_are_served() {
    let server = Server::start(Kind::Valkey, &["--cluster-enabled", "yes"]);
    let store = store(json!({ "url": server.url(), "cluster": true }));
    is_refused(&set(&store, "a", "v").await.unwrap_err(), "nobody who serves slots");
    server.tell(&["CLUSTER", "ADDSLOTSRANGE", "0", "8191"]);
    // A cluster that wants all of its slots served serves none until they are.
    until("the cluster is down", async || {
        set(&store, "a", "v").await.err().filter(|error| error.message.contains("CLUSTERDOWN"))
    })
    .await;
    server.tell(&["CLUSTER", "ADDSLOTSRANGE", "8192", "16383"]);
    until("each slot is served", async || set(&store, "a", "v").await.ok()).await;
    assert_eq!(get(&store, "a").await.unwrap().as_deref(), Some("v"));
}
