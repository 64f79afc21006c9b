//! A proxy counts exactly the calls that were made.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use prism_e2e::admin::Admin;
use prism_e2e::client;
use prism_e2e::echo::EchoRequest;
use prism_e2e::echo::echo_interface_client::EchoInterfaceClient;
use prism_e2e::http;
use prism_e2e::process::{Process, Proxy, config, workspace};
use prism_e2e::tls::Site;
use serde_json::{Value, json};

/// A call is counted once its response has been sent, so a client may be ahead of the counter.
const COUNTED_WITHIN: Duration = Duration::from_secs(60);

/// The samples of `/metrics`, by name and labels.
async fn samples(proxy: &Proxy) -> BTreeMap<String, f64> {
    let (status, text) = http::get(proxy.process.address("http"), "/metrics").await;
    assert_eq!(status, 200, "{text}");
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples
        .filter_map(|line| line.rsplit_once(' '))
        .map(|(name, value)| (name.to_owned(), value.parse().unwrap()))
        .collect()
}

/// The samples, once one has this value.
async fn samples_with(proxy: &Proxy, name: &str, value: f64) -> BTreeMap<String, f64> {
    let begun = Instant::now();
    loop {
        let samples = samples(proxy).await;
        if samples.get(name) == Some(&value) {
            return samples;
        }
        assert!(begun.elapsed() < COUNTED_WITHIN, "{name} is not {value} in {samples:#?}");
    }
}

async fn traffic(proxy: &Proxy) -> Value {
    let (status, text) = http::get(proxy.process.address("http"), "/traffic").await;
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).unwrap()
}

fn requests(namespace: &str, method: &str, code: &str) -> String {
    format!(
        "prism_proxy_requests_total{{namespace=\"{namespace}\",method=\"prism.interfaces.{method}\",code=\"{code}\"}}"
    )
}

#[tokio::test]
async fn calls_are_counted_by_namespace_method_and_code() {
    let store = Process::start("prism-memstore", ["--listen", "127.0.0.1:0"]);
    let proxy = Proxy::start(&[("orders", store.grpc()), ("quiet", store.grpc())]);
    let client = client(proxy.grpc());
    let orders = client.namespace("orders").keyvalue();
    for key in 0..5 {
        orders.set(format!("key:{key}"), vec![7; 1000]).await.unwrap();
    }
    orders.get("none").await.unwrap_err();
    orders.get("").await.unwrap_err();
    assert_eq!(orders.scan("key:").count().await, 5);
    client.namespace("unknown").keyvalue().get("key").await.unwrap_err();

    const GET: &str = "keyvalue.KeyValueBasicInterface/Get";
    const SET: &str = "keyvalue.KeyValueBasicInterface/Set";
    const SCAN: &str = "keyvalue.KeyValueScanInterface/Scan";
    let samples =
        samples_with(&proxy, "prism_proxy_unrouted_requests_total{code=\"FAILED_PRECONDITION\"}", 1.0).await;
    for (method, code, count) in
        [(SET, "OK", 5.0), (GET, "NOT_FOUND", 1.0), (GET, "INVALID_ARGUMENT", 1.0), (SCAN, "OK", 1.0)]
    {
        assert_eq!(samples[&requests("orders", method, code)], count, "{method} {code}");
    }
    assert!(samples.keys().all(|name| !name.contains("\"quiet\"") && !name.contains("\"unknown\"")));

    let of = |what: &str, method: &str| {
        samples[&format!("prism_proxy_{what}{{namespace=\"orders\",method=\"prism.interfaces.{method}\"}}")]
    };
    assert_eq!(of("request_duration_seconds_count", SET), 5.0);
    let all = format!(
        "prism_proxy_request_duration_seconds_bucket{{le=\"+Inf\",namespace=\"orders\",method=\"prism.interfaces.{SET}\"}}"
    );
    assert_eq!(samples[&all], 5.0);
    // A Set contains its value, a scan returns all of them; the rest is keys and framing.
    let within = |bytes: f64| (5_000.0..5_500.0).contains(&bytes);
    assert!(
        within(of("request_bytes_total", SET)) && within(of("response_bytes_total", SCAN)),
        "{samples:#?}"
    );
    assert_eq!(samples["prism_proxy_requests_in_flight{namespace=\"orders\"}"], 0.0);

    let backend = |what: &str, label: &str| {
        samples[&format!("prism_proxy_{what}{{backend=\"{}\"{label}}}", store.grpc())]
    };
    assert_eq!(backend("backend_state", ",state=\"ready\""), 1.0);
    assert_eq!(backend("backend_state", ",state=\"unreachable\""), 0.0);
    assert!(backend("backend_connects_total", ",outcome=\"made\"") >= 2.0, "one for calls, one for streams");
    assert_eq!(backend("retries_total", ""), 0.0);
    assert_eq!((samples["prism_proxy_config_namespaces"], samples["prism_proxy_config_applied"]), (2.0, 1.0));
    assert!(samples["process_cpu_seconds_total"] >= 0.0 && samples["process_resident_memory_bytes"] > 1e6);

    let traffic = traffic(&proxy).await;
    let names: Vec<_> =
        traffic["namespaces"].as_array().unwrap().iter().map(|found| &found["name"]).collect();
    assert_eq!(names, ["orders"]);
    let orders = &traffic["namespaces"][0];
    assert_eq!(orders["codes"], json!({"OK": 6, "NOT_FOUND": 1, "INVALID_ARGUMENT": 1}));
    assert_eq!(orders["requests"], 8);
    let counts = orders["latency"].as_array().unwrap();
    assert_eq!(counts.len(), traffic["latency_bounds_seconds"].as_array().unwrap().len() + 1);
    assert_eq!(counts.iter().filter_map(Value::as_u64).sum::<u64>(), 8);
}

#[tokio::test]
async fn what_a_backend_that_is_down_refuses_is_counted_and_a_change_of_settings_keeps_the_counts() {
    let mut store = Process::start("prism-memstore", ["--listen", "127.0.0.1:0"]);
    let proxy = Proxy::start(&[("default", store.grpc())]);
    let keyvalue = client(proxy.grpc()).keyvalue();
    keyvalue.set("key", "value").await.unwrap();
    store.kill();
    while keyvalue.count("").await.is_ok() {}

    let get = requests("default", "keyvalue.KeyValueScanInterface/Count", "UNAVAILABLE");
    let begun = Instant::now();
    while !samples(&proxy).await.contains_key(&get) {
        assert!(begun.elapsed() < COUNTED_WITHIN);
    }
    let failed =
        format!("prism_proxy_backend_connects_total{{backend=\"{}\",outcome=\"failed\"}}", store.grpc());
    while !samples(&proxy).await.get(&failed).is_some_and(|count| *count >= 1.0) {
        assert!(begun.elapsed() < COUNTED_WITHIN);
    }

    proxy.take(config(&[("default", "127.0.0.1:1")])).await;
    let set = requests("default", "keyvalue.KeyValueBasicInterface/Set", "OK");
    assert_eq!(samples(&proxy).await[&set], 1.0);
    proxy.take("namespaces: 7").await;
    samples_with(&proxy, "prism_proxy_config_applied", 0.0).await;
}

#[tokio::test]
async fn methods_that_the_plugin_describes_have_their_names_and_streams_their_bytes() {
    let plugin = Process::start("echo-plugin", ["--listen", "127.0.0.1:0"]);
    let proxy = Proxy::start(&[("echo", plugin.grpc())]);
    let request =
        |size: usize| EchoRequest { namespace: "echo".into(), payload: vec![7; size], ..Default::default() };
    let mut client = EchoInterfaceClient::connect(format!("http://{}", proxy.grpc())).await.unwrap();
    // The first call makes the connection over which the plugin's reflection is queried.
    client.unary(request(1)).await.unwrap();
    let named = |what: &str, method: &str| {
        format!(
            "prism_proxy_{what}_total{{namespace=\"echo\",method=\"prism.interfaces.echo.EchoInterface/{method}\""
        )
    };
    let begun = Instant::now();
    while !samples(&proxy).await.contains_key(&format!("{},code=\"OK\"}}", named("requests", "Unary"))) {
        client.unary(request(1)).await.unwrap();
        assert!(begun.elapsed() < COUNTED_WITHIN);
    }
    let requests = futures_util::stream::iter((0..10).map(move |_| request(1000)));
    client.client_streaming(requests).await.unwrap();
    let sent = format!("{}}}", named("request_bytes", "ClientStreaming"));
    let begun = Instant::now();
    while !samples(&proxy).await.get(&sent).is_some_and(|bytes| (10_000.0..10_500.0).contains(bytes)) {
        assert!(begun.elapsed() < COUNTED_WITHIN);
    }
}

/// The metrics that a server exports, as a scraper names them.
async fn exported(address: &str) -> BTreeSet<String> {
    names(http::get(address, "/metrics").await)
}

fn names((status, text): (u16, String)) -> BTreeSet<String> {
    assert_eq!(status, 200, "{text}");
    let kinds = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    kinds
        .map(|(name, kind)| if kind == "counter" { format!("{name}_total") } else { name.to_owned() })
        .collect()
}

#[tokio::test]
async fn the_guide_lists_every_metric_and_dashboard_and_alerts_name_no_other() {
    let store = Process::start("prism-memstore", ["--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0"]);
    let proxy = Proxy::start(&[("default", store.grpc())]);
    let admin = Admin::start(None);
    let flags = ["--redis", "redis://127.0.0.1:1", "--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0"];
    let redis = Process::start("prism-redis", flags);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let flags =
        ["--path", path, "--min-free", "0", "--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0"];
    let disk = Process::start("prism-diskstore", flags);
    let mut found = BTreeSet::new();
    // The admin twice: requests are counted once they have been answered.
    let servers =
        [store.address("http"), redis.address("http"), disk.address("http"), proxy.process.address("http")];
    for address in servers.into_iter().chain([admin.http(); 2]) {
        found.append(&mut exported(address).await);
    }
    let site = Site::default();
    let flags = ["--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0"].map(str::to_owned);
    let secure = Process::start("prism-memstore", flags.into_iter().chain(site.flags()));
    found.append(&mut names(site.get(secure.address("http"), "/metrics").await));
    let read = |file: &str| std::fs::read_to_string(workspace().join(file)).unwrap();
    let guide = read("docs/OPERATIONS.md");
    let (metrics, _) = guide.split_once("## `GET /traffic`").unwrap();
    let rows = metrics.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let listed: BTreeSet<_> = rows.map(|(name, _)| name.to_owned()).collect();
    assert_eq!(listed, found);

    for file in ["deploy/grafana/prism.json", "deploy/alerts.yaml"] {
        let text = read(file);
        let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        let named: BTreeSet<_> =
            words.filter(|word| word.starts_with("prism_") || word.starts_with("process_")).collect();
        assert!(named.len() > 5, "{file}: {named:?}");
        for name in named {
            let metric = name.strip_suffix("_bucket").unwrap_or(name);
            assert!(found.contains(metric), "{file} names {name}, which nothing exports");
        }
    }
}

#[tokio::test]
async fn a_store_in_the_proxys_process_has_the_metrics_of_its_plugin() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let flags = ["--min-free", "0", "--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", "--path"];
    let plugin = path("plugin");
    let plugin = Process::start("prism-diskstore", flags.iter().copied().chain([plugin.as_str()]));
    let of_plugin: BTreeSet<_> = exported(plugin.address("http")).await;
    let of_plugin: BTreeSet<_> =
        of_plugin.into_iter().filter(|name| name.starts_with("prism_diskstore_")).collect();
    let backend = |name: &str| json!({"name": name, "embedded": "diskstore", "options": {"path": path(name), "min_free": 0}});
    let namespace = json!({"name": "default", "pattern": "keyvalue", "plugin": {"backend": "one"}});
    let config = json!({"backends": [backend("one"), backend("two")], "namespaces": [namespace]});
    let proxy = Proxy::with_config(&config.to_string());
    client(proxy.grpc()).keyvalue().set("k", "v").await.unwrap();

    let samples = samples(&proxy).await;
    let of = |backend: &str| -> BTreeSet<String> {
        let label = format!("{{backend=\"{backend}\"}}");
        let named = samples.keys().filter_map(|sample| sample.strip_suffix(&label));
        named.filter(|name| name.starts_with("prism_diskstore_")).map(str::to_owned).collect()
    };
    assert!(of_plugin.len() > 10, "{of_plugin:?}");
    assert_eq!([of("one"), of("two")], [of_plugin.clone(), of_plugin]);
    let writes = |backend: &str| samples[&format!("prism_diskstore_writes_total{{backend=\"{backend}\"}}")];
    assert!(writes("one") >= 1.0 && writes("two") == 0.0, "{samples:#?}");

    let (_, status) = http::get(proxy.process.address("http"), "/config/status").await;
    let status: Value = serde_json::from_str(&status).unwrap();
    let figures = &status["backends"][0]["figures"];
    assert!(figures["prism_diskstore_writes"].as_u64() >= Some(1), "{status}");
    assert!(figures["prism_diskstore_commit_seconds"].as_f64() > Some(0.0), "{status}");
}
