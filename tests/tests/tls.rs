//! TLS of the real binaries, between themselves and against strangers.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use prism_e2e::admin;
use prism_e2e::guarded::PATIENCE;
use prism_e2e::http;
use prism_e2e::process::{PROXY, Process, Proxy, command};
use prism_e2e::tls::{Site, by_name};
use prism_net::dial::dial_tls;
use prism_net::stream::Stream;
use prism_net::tls::Protocol;
use prism_net::tls::server::{Loaded, ServerFiles, ServerTls};
use prism_proto::interfaces::keyvalue::key_value_basic_interface_client::KeyValueBasicInterfaceClient;
use prism_proto::interfaces::keyvalue::{GetRequest, SetRequest};
use rustix::process::Signal;
use tonic::Code;
use tonic::transport::Channel;

const LISTEN: [&str; 4] = ["--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0"];

/// A memory store with TLS on both ports.
fn memstore(site: &Site) -> Process {
    Process::start("prism-memstore", LISTEN.map(str::to_owned).into_iter().chain(site.flags()))
}

/// A store without TLS.
fn plaintext_memstore() -> Process {
    Process::start("prism-memstore", LISTEN)
}

async fn set(channel: Channel, key: &str) -> Result<(), tonic::Status> {
    let request = SetRequest { key: key.to_owned(), value: vec![7; 100].into(), ..SetRequest::default() };
    KeyValueBasicInterfaceClient::new(channel).set(request).await.map(drop)
}

async fn get(channel: Channel, key: &str) -> Result<(), tonic::Status> {
    let request = GetRequest { key: key.to_owned(), ..GetRequest::default() };
    KeyValueBasicInterfaceClient::new(channel).get(request).await.map(drop)
}

/// A channel without TLS.
async fn plaintext(address: &str) -> Channel {
    Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap()
}

/// What `openssl s_client` says, and whether it was content.
fn openssl(site: &Site, address: &str, words: &[&str]) -> (bool, String) {
    let ca = site.text("servers.ca");
    let common = ["s_client", "-connect", address, "-verify_return_error", "-servername", "localhost"];
    let mut openssl = Command::new("openssl");
    openssl.args(common).args(["-CAfile", &ca]).args(words).stdin(Stdio::null());
    let output = openssl.output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[test]
fn strangers_agree_on_tls_1_2_and_1_3_and_say_why_not_on_anything_else() {
    let site = Site::default();
    let server = memstore(&site);
    let strangers = prism_e2e::authority::Authority::new("strangers").write(&site.path("strangers.ca"));
    let expired = site.clients.sign("report.example", |params| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    });
    std::fs::write(site.path("expired.crt"), expired.0).unwrap();
    std::fs::write(site.path("expired.key"), expired.1).unwrap();
    site.clients.write_pair(site.folder(), "client", "report.example");
    site.servers.write_pair(site.folder(), "wrong", "report.example");
    let shown = |stem: &str| {
        [
            "-cert".to_owned(),
            site.text(&format!("{stem}.crt")),
            "-key".to_owned(),
            site.text(&format!("{stem}.key")),
        ]
    };
    let (client, expired, wrong) = (shown("client"), shown("expired"), shown("wrong"));
    let text = |words: &[String; 4]| words.clone().map(|word| word);
    for (words, good, said) in [
        (vec!["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"], false, "SSL alert number"),
        (vec!["-tls1_2", "-alpn", "h2"], true, "ALPN protocol: h2"),
        (vec!["-tls1_3", "-alpn", "h2"], true, "TLSv1.3"),
        (vec!["-alpn", "http/1.1"], false, "alert no application protocol"),
        (vec!["-verify_hostname", "other.example"], false, "hostname mismatch"),
        (vec!["-CAfile", strangers.to_str().unwrap()], false, "unable to get local issuer certificate"),
    ] {
        let (went_well, told) = openssl(&site, server.grpc(), &words);
        assert_eq!(went_well, good, "{words:?}: {told}");
        assert!(told.contains(said), "{words:?}: {told}");
    }
    // With TLS 1.2, a client hears within the handshake what the server thinks of its certificate.
    for (pair, good, said) in [
        (text(&client), true, "Verify return code: 0"),
        (text(&expired), false, "alert certificate expired"),
        (text(&wrong), false, "alert unknown ca"),
    ] {
        let words: Vec<_> = ["-tls1_2"].into_iter().chain(pair.iter().map(String::as_str)).collect();
        let (went_well, told) = openssl(&site, server.grpc(), &words);
        assert_eq!(went_well, good, "{words:?}: {told}");
        assert!(told.contains(said), "{words:?}: {told}");
    }
}

/// What curl says: the version of HTTP and the status, and the body.
fn curl(site: &Site, words: &[&str]) -> String {
    let ca = site.text("servers.ca");
    let mut curl = Command::new("curl");
    curl.args([
        "--silent",
        "--show-error",
        "--cacert",
        &ca,
        "--write-out",
        " HTTP/%{http_version} %{http_code}",
    ]);
    let output = curl.args(words).output().unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[test]
fn curl_reaches_both_ports_and_is_told_what_a_port_speaks() {
    let site = Site::default();
    let server = memstore(&site);
    let (grpc, page) = (by_name(server.grpc()), by_name(server.address("http")));
    let health = format!("https://{grpc}/grpc.health.v1.Health/Check");
    let body = site.path("request");
    std::fs::write(&body, [0; 5]).unwrap();
    let data = format!("@{}", body.display());
    let asked = ["--http2", "--header", "content-type: application/grpc", "--header", "te: trailers"];
    let answer =
        curl(&site, &[&asked[..], &["--output", "/dev/null", "--data-binary", &data, &health]].concat());
    assert!(answer.ends_with(" HTTP/2 200"), "{answer}");
    assert_eq!(curl(&site, &["--http2", &format!("https://{page}/livez")]), "ok\n HTTP/1.1 200");
    for address in [&grpc, &page] {
        let told = curl(&site, &[&format!("http://{address}/")]);
        assert_eq!(
            told,
            "this port speaks TLS: connect with TLS (https://, or a secure channel)\n HTTP/1.1 400"
        );
    }
    let told = curl(&site, &[&format!("https://{}/", server.grpc())]);
    assert!(told.contains("127.0.0.1"), "a name that the certificate does not have: {told}");
}

#[tokio::test]
async fn a_mismatch_of_tls_and_plaintext_is_told_to_both_sides() {
    let site = Site::default();
    let (secure, plain) = (memstore(&site), plaintext_memstore());
    let error = set(plaintext(secure.grpc()).await, "a").await.unwrap_err();
    let mut told = format!("{error:?}");
    let mut source: &dyn std::error::Error = &error;
    while let Some(next) = source.source() {
        told += &format!(" {next}");
        source = next;
    }
    assert!(told.contains("this port speaks TLS"), "{told}");
    let error = site.channel(plain.grpc()).await.unwrap_err();
    assert!(error.contains("the server does not speak TLS here, but plaintext"), "{error}");
    plain.until_metric("prism_connections_closed_for_tls_total", |count| count >= 1.0).await;
    site.until_metric(secure.address("http"), "prism_tls_plaintext_refused_total", |count| count >= 1.0)
        .await;
    plain.until_logged("a client speaks TLS on a port without TLS").await;
    secure.until_logged("a client speaks plaintext on a port with TLS").await;
    let page = by_name(plain.address("http")).parse().unwrap();
    let error = dial_tls(&page, &site.connector(Protocol::Http1), PATIENCE).await.unwrap_err().to_string();
    assert!(error.contains("the server does not speak TLS here, but plaintext"), "{error}");
    plain.until_logged("on the HTTP port; it may speak TLS on a port without TLS").await;
}

#[tokio::test]
async fn requests_with_tls_say_https() {
    let site = Site::default();
    let [certificate_file, key_file] = ["server.crt", "server.key"].map(|name| site.path(name));
    let files = ServerFiles { certificate_file, key_file, client_ca_file: None };
    let tls = ServerTls::new(Loaded::read(files).unwrap());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let served = async {
        let (stream, _) = listener.accept().await.unwrap();
        let (stream, _) = tls.accept(Stream::Tcp(stream), Protocol::Http2, &"a client").await.unwrap();
        let mut connection = h2::server::handshake(stream).await.unwrap();
        let (request, _) = connection.accept().await.unwrap().unwrap();
        request.uri().scheme_str().map(str::to_owned)
    };
    let call = async { get(site.channel(&address).await.unwrap(), "a").await };
    let (scheme, lost) = tokio::join!(served, call);
    assert!(scheme.as_deref() == Some("https") && lost.is_err(), "{scheme:?}");
}

#[tokio::test]
async fn certificates_are_renewed_a_hundred_times_under_load_without_a_failed_call() {
    let site = Arc::new(Site::default());
    let store = plaintext_memstore();
    let text = format!(
        "{}namespaces: [{{name: default, pattern: keyvalue, plugin: {{endpoint: \"{}\"}}}}]\n",
        site.section(),
        store.grpc()
    );
    let mut proxy = Proxy::with_config(&text);
    let (stop, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let load = |calls_of_a_connection: usize| {
        let (site, address) = (Arc::clone(&site), proxy.grpc().to_owned());
        let (stop, calls) = (Arc::clone(&stop), Arc::clone(&calls));
        tokio::spawn(async move {
            while !stop.load(Relaxed) {
                let channel = site.channel(&address).await.unwrap();
                for _ in 0..calls_of_a_connection {
                    set(channel.clone(), "a").await.unwrap();
                    calls.fetch_add(1, Relaxed);
                    if stop.load(Relaxed) {
                        return;
                    }
                }
            }
        })
    };
    let clients = [load(3), load(usize::MAX)];
    let http = proxy.process.address("http").to_owned();
    for renewal in 1..=100 {
        site.servers.write_pair(site.folder(), "server", "localhost");
        let before = calls.load(Relaxed);
        proxy.process.signal(Signal::HUP);
        site.until_metric(&http, "prism_tls_reloads_total", |count| count >= f64::from(renewal)).await;
        while calls.load(Relaxed) < before + 2 {
            tokio::task::yield_now().await;
        }
    }
    stop.store(true, Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    assert_eq!(site.metric(&http, "prism_tls_handshakes_failed_total").await, 0.0);
    assert!(site.metric(&http, "prism_tls_certificate_seconds_left").await > 0.0);
}

#[tokio::test]
async fn slow_and_half_handshakes_keep_nobody_out() {
    let site = Site::default();
    let flags = LISTEN.map(str::to_owned).into_iter().chain(site.flags());
    let flags = flags.chain(["--connections-max", "8", "--log", "debug"].map(str::to_owned));
    let server = Process::start("prism-memstore", flags);
    // The begin of a ClientHello of 512 bytes.
    let halves = (0..40).map(|index| {
        let mut stream = std::net::TcpStream::connect(server.grpc()).unwrap();
        if index % 2 == 0 {
            stream.write_all(&[0x16, 3, 1, 2, 0, 1]).unwrap();
        }
        stream
    });
    let halves: Vec<_> = halves.collect();
    for _ in 0..20 {
        set(site.channel(server.grpc()).await.unwrap(), "a").await.unwrap();
    }
    assert!(site.metric(server.address("http"), "prism_connections_evicted_total").await >= 32.0);
    assert!(site.metric(server.address("http"), "prism_connections").await <= 8.0);
    for mut half in halves.into_iter().take(8) {
        assert!(matches!(half.read(&mut [0; 100]), Ok(0) | Err(_)), "it was closed to make room");
    }
}

/// A proxy's file with one backend, `main`, that has these settings beside its name.
fn with_backend(settings: &str) -> String {
    format!(
        "backends: [{{name: main, {settings}}}]\nnamespaces: [{{name: default, pattern: keyvalue, plugin: {{backend: main}}}}]\n"
    )
}

#[tokio::test]
async fn a_plugin_is_reached_with_tls_and_a_certificate() {
    let site = Site::default();
    site.clients.write_pair(site.folder(), "proxy", "proxy.example");
    let store = memstore(&site);
    let tls = |ca: &str| {
        let [ca, certificate, key] = [ca, "proxy.crt", "proxy.key"].map(|name| site.text(name));
        format!("tls: {{ca_file: {ca}, certificate_file: {certificate}, key_file: {key}}}")
    };
    let endpoint = format!("endpoint: \"{}\"", by_name(store.grpc()));
    let proxy = Proxy::with_config(&with_backend(&format!("{endpoint}, {}", tls("servers.ca"))));
    let channel = plaintext(proxy.grpc()).await;
    set(channel.clone(), "a").await.unwrap();
    let backend = &proxy.status("").await["backends"][0];
    assert!(backend["tls"] == true && backend["state"] == "ready", "{backend}");

    for (settings, told) in [
        (
            format!("{endpoint}, {}", tls("clients.ca")),
            "not signed by a CA that is trusted here; set ca_file",
        ),
        (endpoint.clone(), "this port speaks TLS"),
        (
            format!("{endpoint}, tls: {{ca_file: {}, server_name: other.example}}", site.text("servers.ca")),
            "is for localhost, not for other.example",
        ),
    ] {
        let status = proxy.take(with_backend(&settings)).await;
        assert_eq!(status["last_attempt"]["outcome"], "applied", "{status}");
        let error = get(channel.clone(), "a").await.unwrap_err();
        assert_eq!(error.code(), Code::Unavailable);
        assert!(error.message().contains(told), "{error}");
    }
    let status = proxy.take(with_backend(&format!("{endpoint}, {}", tls("servers.ca")))).await;
    assert_eq!(status["last_attempt"]["outcome"], "applied", "{status}");
    get(channel, "a").await.unwrap();
}

#[tokio::test]
async fn a_plugin_on_a_unix_socket_has_tls_too_and_one_without_is_told() {
    let site = Site::default();
    let socket = site.text("store.sock");
    let flags = ["--listen".to_owned(), format!("unix:{socket}")].into_iter().chain(site.flags());
    let _store = Process::start("prism-memstore", flags);
    let tls = format!("tls: {{ca_file: {}}}", site.text("servers.ca"));
    let proxy = Proxy::with_config(&with_backend(&format!("endpoint: \"unix:{socket}\", {tls}")));
    let channel = plaintext(proxy.grpc()).await;
    set(channel.clone(), "a").await.unwrap();
    let plain = plaintext_memstore();
    proxy.take(with_backend(&format!("endpoint: \"{}\", {tls}", by_name(plain.grpc())))).await;
    let error = get(channel, "a").await.unwrap_err();
    assert!(error.message().contains("does not speak TLS here, but plaintext"), "{error}");
}

/// The exit code and the log of a server that does not start.
fn refused(mut command: Command) -> (Option<i32>, String) {
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn files_that_cannot_be_used_stop_the_start_with_a_sentence() {
    let site = Site::default();
    site.servers.write_pair(site.folder(), "other", "localhost");
    let expired = site.servers.sign("localhost", |params| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    });
    std::fs::write(site.path("expired.crt"), expired.0).unwrap();
    std::fs::write(site.path("expired.key"), expired.1).unwrap();
    std::fs::write(site.path("empty"), "").unwrap();
    std::fs::write(site.path("cut.crt"), "\n\n-----BEGIN CERTIFICATE-----\nAAAA\n").unwrap();
    std::fs::create_dir(site.path("folder")).unwrap();
    for (certificate, key, ca, told) in [
        ("absent.crt", "server.key", "clients.ca", "absent.crt: there is no such file; check the path"),
        ("folder", "server.key", "clients.ca", "folder: cannot be read: Is a directory"),
        ("empty", "server.key", "clients.ca", "empty: the file is empty; expected a certificate in PEM"),
        ("server.crt", "empty", "clients.ca", "empty: the file is empty; expected a private key in PEM"),
        (
            "cut.crt",
            "server.key",
            "clients.ca",
            "cut.crt:3: -----BEGIN CERTIFICATE----- has no END; the file is cut off",
        ),
        (
            "server.key",
            "server.key",
            "clients.ca",
            "server.key:1: the file holds no certificate; expected a line",
        ),
        (
            "server.crt",
            "other.key",
            "clients.ca",
            "other.key:1: the private key is not that of the certificate in",
        ),
        (
            "expired.crt",
            "expired.key",
            "clients.ca",
            "expired.crt:1: the certificate expired on 2021-01-01T00:00:00Z; renew it",
        ),
        ("server.crt", "server.key", "server.key", "server.key:1: the file holds no certificate"),
    ] {
        let [certificate, key, ca] = [certificate, key, ca].map(|name| site.text(name));
        let mut store = command("prism-memstore");
        store.args(LISTEN).args(["--tls-certificate-file", &certificate, "--tls-key-file", &key]);
        store.args(["--tls-client-ca-file", &ca]);
        let (code, log) = refused(store);
        assert_eq!(code, Some(78), "{log}");
        assert!(log.contains(told), "{told}: {log}");
        let file = site.path("prism.yaml");
        let files = format!("certificate_file: {certificate}, key_file: {key}, client_ca_file: {ca}");
        std::fs::write(&file, format!("server: {{tls: {{{files}}}}}\nnamespaces: []\n")).unwrap();
        let mut proxy = command(PROXY);
        proxy.args(LISTEN).arg("--config").arg(&file);
        let (code, log) = refused(proxy);
        assert_eq!(code, Some(78), "{log}");
        assert!(log.contains(told), "{told}: {log}");
    }
    for (settings, told) in [
        (format!("ca_file: {}", site.text("absent.ca")), "backends[0].tls: "),
        ("certificate_file: a.crt".to_owned(), "backends[0].tls: certificate_file and key_file go together"),
        (
            "server_name: 'a b'".to_owned(),
            "backends[0].tls: \"a b\" is not a name that a certificate can have",
        ),
    ] {
        let file = site.path("prism.yaml");
        std::fs::write(&file, with_backend(&format!("endpoint: 'a:1', tls: {{{settings}}}"))).unwrap();
        let mut proxy = command(PROXY);
        proxy.args(LISTEN).arg("--config").arg(&file);
        let (code, log) = refused(proxy);
        assert_eq!(code, Some(78), "{log}");
        assert!(log.contains(told), "{told}: {log}");
    }
    let both = site.path("prism.yaml");
    std::fs::write(&both, format!("{}namespaces: []\n", site.section())).unwrap();
    let mut proxy = command(PROXY);
    proxy.args(LISTEN).arg("--config").arg(&both).args(site.flags());
    let (code, log) = refused(proxy);
    assert_eq!(code, Some(78), "{log}");
    assert!(log.contains("server.tls of the file and --tls-certificate-file are both given"), "{log}");
    let mut alone = command("prism-memstore");
    alone.args(LISTEN).args(["--tls-key-file", &site.text("server.key")]);
    assert_eq!(refused(alone).0, Some(2));
}

#[tokio::test]
async fn a_changed_file_that_cannot_be_used_leaves_the_old_and_says_so_once() {
    let site = Site::default();
    let key = site.path("server.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let server = memstore(&site);
    server.until_logged("every user of this machine may read the private key").await;
    let http = server.address("http").to_owned();
    std::fs::write(&key, "").unwrap();
    site.until_metric(&http, "prism_tls_files_stale", |stale| stale == 1.0).await;
    set(site.channel(server.grpc()).await.unwrap(), "a").await.unwrap();
    site.servers.write_pair(site.folder(), "server", "localhost");
    site.until_metric(&http, "prism_tls_reloads_total", |count| count == 1.0).await;
    assert_eq!(site.metric(&http, "prism_tls_files_stale").await, 0.0);
    assert_eq!(site.metric(&http, "prism_tls_reloads_failed_total").await, 1.0);
    let log = server.log();
    let told = "server.key: the file is empty; expected a private key in PEM";
    assert_eq!(log.matches(told).count(), 1, "{log}");
}

#[tokio::test]
async fn a_reload_takes_other_paths_and_plaintext_to_tls_takes_a_restart() {
    let site = Site::default();
    let proxy = Proxy::with_config(&format!("{}namespaces: []\n", site.section()));
    let http = proxy.process.address("http").to_owned();
    site.servers.write_pair(site.folder(), "new", "localhost");
    let other = site.section().replace("server.crt", "new.crt").replace("server.key", "new.key");
    let wrong = site.section().replace("server.crt", "absent.crt");
    let outcome = async |section: &str, outcome: &str| {
        let text = format!("{section}namespaces: []\n# {outcome}\n");
        proxy.write(&text);
        let revision = prism_proxy_revision(&text);
        let (_, body) = site.get(&http, &format!("/config/status?wait_for={revision}")).await;
        let status: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(status["last_attempt"]["outcome"], outcome, "{status}");
        status
    };
    let status = outcome(&wrong, "refused").await;
    let mistake = &status["last_attempt"]["mistakes"][0];
    assert_eq!(mistake["field"], "server.tls");
    assert!(mistake["why"].as_str().unwrap().contains("absent.crt: there is no such file"), "{mistake}");
    let status = outcome(&other, "applied").await;
    assert_eq!(status["restart_required"], serde_json::json!([]), "{status}");
    assert_eq!(site.metric(&http, "prism_tls_reloads_total").await, 1.0);
    let status = outcome("", "applied").await;
    assert_eq!(status["restart_required"][0]["field"], "server.tls", "{status}");

    let plain = Proxy::with_config("namespaces: []\n");
    let status = plain.take(format!("{}namespaces: []\n", site.section())).await;
    assert_eq!(status["restart_required"][0]["field"], "server.tls", "{status}");
    assert_eq!(http::get(plain.process.address("http"), "/livez").await.0, 200, "it stays as it was");
}

fn prism_proxy_revision(text: &str) -> String {
    use sha2::Digest as _;
    format!("{:x}", sha2::Sha256::digest(text))
}

#[tokio::test]
async fn an_admin_serves_tls_and_probes_a_plugin_with_it() {
    let site = Site::default();
    let store = memstore(&site);
    let file = site.path("prism.yaml");
    let flags = [site.flags(), vec!["--proxy".to_owned(), admin::NO_PROXY.to_owned()]].concat();
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    let secure = admin::on(&file, &flags);
    assert_eq!(site.get(secure.address("http"), "/livez").await, (200, "ok\n".to_owned()));

    let probe = |admin: &Process| {
        let tls = serde_json::json!({ "ca_file": site.text("servers.ca") });
        let body = serde_json::json!({ "endpoint": by_name(store.grpc()), "tls": tls }).to_string();
        let headers = [("content-type", "application/json")];
        http::send(admin.address("http"), "POST", "/backends/probe", &headers, body.as_bytes())
    };
    let root = site.folder().to_str().unwrap();
    let plain = admin::on(&file, &["--proxy", admin::NO_PROXY, "--secrets-root", root]);
    let found = probe(&plain);
    assert_eq!((found.status, &found.json()["health"]), (200, &"serving".into()), "{found:?}");
    let refused = probe(&admin::on(&file, &["--proxy", admin::NO_PROXY]));
    assert_eq!(refused.status, 422, "{refused:?}");
    assert!(
        refused.text().contains("--secrets-root FOLDER") && refused.text().contains("/tls"),
        "{refused:?}"
    );
}
