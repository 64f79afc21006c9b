//! What becomes of a caller's name and its credential: plugins that require callers, the header prism-caller, ports that must
//! be secure. Secrets that appear nowhere are in `canary.rs`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Stdio;

use prism_e2e::echo::{EchoRequest, EchoResponse};
use prism_e2e::guarded::{Files, PATIENCE, issue};
use prism_e2e::process::{Process, Proxy, command};
use prism_e2e::tls::{Site, by_name, connect};
use prism_e2e::{http, raw};
use prism_grpc::message::framed;
use prism_net::tls::Protocol;
use prism_proto::ErrorReason;
use prost::Message as _;
use rustix::process::Signal;
use tonic::Code;

const ECHO: &str = "/prism.interfaces.echo.EchoInterface/Unary";

/// Calls the echo plugin and returns the metadata that it has received.
async fn echo(address: &str, headers: &[(&'static str, &str)]) -> Result<String, (Code, ErrorReason)> {
    echo_over(&raw::Connection::open(address).await, headers).await
}

async fn echo_over(
    connection: &raw::Connection,
    headers: &[(&'static str, &str)],
) -> Result<String, (Code, ErrorReason)> {
    let request = EchoRequest { namespace: "mine".into(), ..EchoRequest::default() };
    let message = framed(&request.encode_to_vec());
    let answer = connection.call(ECHO, headers, &[&message]).await;
    if answer.status().unwrap().code() == Code::Ok {
        return Ok(EchoResponse::decode(answer.messages[0].clone()).unwrap().metadata);
    }
    let (code, error) = answer.refusal();
    Err((code, error.reason))
}

/// The caller that the plugin has seen.
fn caller(metadata: &str) -> Option<&str> {
    metadata.lines().find_map(|line| line.strip_prefix("caller: "))
}

const UNKNOWN: (Code, ErrorReason) = (Code::Unauthenticated, ErrorReason::TokenInvalid);

fn plugin(flags: &[&str]) -> Process {
    Process::start("echo-plugin", ["--listen", "127.0.0.1:0"].iter().chain(flags))
}

#[tokio::test]
async fn a_plugin_ignores_the_caller_that_anybody_may_name() {
    let plugin = plugin(&[]);
    let metadata = echo(plugin.grpc(), &[("prism-caller", "token:root")]).await.unwrap();
    assert_eq!(caller(&metadata), None);
}

#[tokio::test]
async fn a_plugin_that_requires_callers_believes_those_it_knows() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens");
    let token = issue(&file, "proxy", &[]);
    let plugin = plugin(&["--require-caller", "--token-file", file.to_str().unwrap()]);
    let bearer = format!("Bearer {token}");
    let known = ("authorization", bearer.as_str());
    for refused in [
        &[][..],
        &[("prism-caller", "token:root")],
        &[("authorization", "Bearer prism_garbage"), ("prism-caller", "token:root")],
    ] {
        assert_eq!(echo(plugin.grpc(), refused).await, Err(UNKNOWN));
    }
    assert_eq!(caller(&echo(plugin.grpc(), &[known]).await.unwrap()), Some("token:proxy"));
    let named = echo(plugin.grpc(), &[known, ("prism-caller", "jwt:orders")]).await.unwrap();
    assert_eq!(caller(&named), Some("jwt:orders"));
    let malformed = echo(plugin.grpc(), &[known, ("prism-caller", "orders")]).await;
    assert_eq!(malformed, Err((Code::InvalidArgument, ErrorReason::MalformedRequest)));
    // Probes have no credential.
    let connection = raw::Connection::open(plugin.grpc()).await;
    let health = connection.call("/grpc.health.v1.Health/Check", &[], &[&[0; 5]]).await;
    assert_eq!(health.status().unwrap().code(), Code::Ok);
    let reflection = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    let reflected = connection.call(reflection, &[], &[&[0; 5]]).await;
    assert_eq!(reflected.status().unwrap().code(), Code::Unauthenticated);
}

#[tokio::test]
async fn a_proxy_tells_a_plugin_who_calls_and_presents_its_own_token() {
    let files = Files::new();
    let (reader, own) = (files.token("reader"), issue(&files.path("plugins"), "proxy", &[]));
    std::fs::write(files.path("own"), format!("{own}\n")).unwrap();
    let plugin = plugin(&["--require-caller", "--token-file", files.path("plugins").to_str().unwrap()]);
    let text = format!(
        "{}backends:\n  - {{ name: echo, endpoint: {:?}, token_file: {:?} }}\nnamespaces:\n  - name: mine\n    pattern: keyvalue\n    \
         plugin: {{ backend: echo }}\n    access: [{{ name: 'token:reader', rights: [read, write] }}]\n",
        files.server(""),
        plugin.grpc(),
        files.path("own"),
    );
    let proxy = Proxy::with_config(&text);
    let bearer = format!("Bearer {reader}");
    let headers = [("authorization", bearer.as_str()), ("prism-caller", "token:root"), ("prism-other", "x")];
    let metadata = echo(proxy.grpc(), &headers).await.unwrap();
    assert_eq!(caller(&metadata), Some("token:reader"));
    assert_eq!(metadata.matches("prism-caller: ").count(), 1, "{metadata}");
    assert!(
        metadata.contains("prism-caller: token:reader\n") && !metadata.contains("prism-other"),
        "{metadata}"
    );
    assert!(metadata.contains(&format!("authorization: Bearer {own}\n")) && !metadata.contains(&reader));
    // The plugin's reflection was read with the token, too.
    let reflected = async {
        while !proxy.status("").await["backends"][0]["interfaces"].to_string().contains("EchoInterface") {}
    };
    tokio::time::timeout(PATIENCE, reflected).await.unwrap();
}

#[tokio::test]
async fn a_plugin_that_requires_callers_believes_those_with_a_certificate() {
    let site = Site::default();
    let flags = site.flags();
    let flags: Vec<_> = ["--require-caller"].into_iter().chain(flags.iter().map(String::as_str)).collect();
    let plugin = plugin(&flags);
    let of = |name: &str| site.clients.sign(name, |_| {});
    let nameless = site.clients.sign("x", |params| params.subject_alt_names.clear());
    let named = [("prism-caller", "jwt:orders")];
    for (certificate, headers, expected) in [
        (None, &named[..], Err(UNKNOWN)),
        (Some(nameless), &named, Err(UNKNOWN)),
        (Some(of("proxy.example")), &[], Ok(Some("cert:proxy.example"))),
        (Some(of("spiffe://corp/proxy")), &named, Ok(Some("jwt:orders"))),
    ] {
        let client = site.showing(Protocol::Http2, certificate.as_ref());
        let stream = connect(&client, plugin.grpc()).await.unwrap();
        let answer = echo_over(&raw::Connection::over(stream).await.unwrap(), headers).await;
        assert_eq!(answer.as_deref().map(caller).map_err(|error| *error), expected);
    }

    // A proxy shows its certificate, and says on whose behalf it calls.
    site.clients.write_pair(site.folder(), "proxy", "proxy.example");
    let (files, [ca, certificate, key]) = (Files::new(), ["servers.ca", "proxy.crt", "proxy.key"]);
    let [ca, certificate, key] = [ca, certificate, key].map(|name| site.path(name));
    let reader = files.token("reader");
    let text = format!(
        "{}backends:\n  - name: echo\n    endpoint: {:?}\n    \
         tls: {{ ca_file: {ca:?}, certificate_file: {certificate:?}, key_file: {key:?} }}\nnamespaces:\n  \
         - name: mine\n    pattern: keyvalue\n    plugin: {{ backend: echo }}\n    \
         access: [{{ name: 'token:reader', rights: [read, write] }}]\n",
        files.server(""),
        by_name(plugin.grpc()),
    );
    let proxy = Proxy::with_config(&text);
    let bearer = format!("Bearer {reader}");
    let headers = [("authorization", bearer.as_str()), ("prism-caller", "token:root")];
    let metadata = echo(proxy.grpc(), &headers).await.unwrap();
    assert_eq!(caller(&metadata), Some("token:reader"));
    assert!(!metadata.contains("authorization"), "{metadata}");
}

#[tokio::test]
async fn without_a_source_the_credential_is_ignored_and_goes_no_further() {
    let plugin = plugin(&[]);
    let proxy = Proxy::start(&[("mine", plugin.grpc())]);
    let headers = [("authorization", "Bearer prism_whatever"), ("prism-caller", "token:root")];
    let metadata = echo(proxy.grpc(), &headers).await.unwrap();
    assert!(!metadata.contains("prism_whatever") && !metadata.contains("prism-caller"), "{metadata}");
}

/// The exit code and the log of a server that must not start.
fn refused(name: &str, args: &[&str]) -> (Option<i32>, String) {
    let output = command(name).args(args).stdout(Stdio::null()).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_plugin_that_could_know_nobody_does_not_start() {
    let (code, log) = refused("prism-memstore", &["--require-caller", "--listen", "127.0.0.1:0"]);
    assert_eq!(code, Some(78), "{log}");
    assert!(log.contains("expected --token-file FILE"), "{log}");
    let missing = ["--require-caller", "--token-file", "/nowhere/tokens", "--listen", "127.0.0.1:0"];
    let (code, log) = refused("prism-memstore", &missing);
    assert_eq!(code, Some(78), "{log}");
    assert!(log.contains("--token-file: /nowhere/tokens: cannot be read"), "{log}");
    let (code, log) = refused("prism-memstore", &["--token-file", "tokens"]);
    assert_eq!(code, Some(2), "{log}");
}

#[test]
fn an_open_port_is_a_warning_and_with_require_secure_an_error() {
    let store = Process::start("prism-memstore", ["--listen", "0.0.0.0:0"]);
    let log = whole_log(store);
    assert_eq!(log.matches("without TLS and without credentials").count(), 1, "{log}");
    let local = Process::start("prism-memstore", ["--listen", "127.0.0.1:0", "--require-secure"]);
    let log = whole_log(local);
    assert!(!log.contains("other machines"), "{log}");
    let (code, log) = refused("prism-memstore", &["--listen", "0.0.0.0:0", "--require-secure"]);
    assert_eq!(code, Some(78), "{log}");
    assert!(log.contains("--require-secure: other machines could reach gRPC on 0.0.0.0:"), "{log}");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("prism.yaml");
    let start = |require: &str| {
        let text = format!("server: {{ listen_address: '0.0.0.0:0'{require} }}\nnamespaces: []\n");
        std::fs::write(&file, text).unwrap();
        ["--http-listen", "127.0.0.1:0", "--config", file.to_str().unwrap()]
    };
    // The RFC's file starts as it stands.
    let proxy = Process::start("prism-proxy", start(""));
    let status = http::send(proxy.address("http"), "GET", "/config/status", &[], b"");
    let status: serde_json::Value = serde_json::from_str(status.text()).unwrap();
    let open = status["open_to_others"][0].as_str().unwrap();
    assert!(
        open.starts_with("gRPC on 0.0.0.0:") && open.ends_with("without TLS and without credentials"),
        "{open}"
    );
    let log = whole_log(proxy);
    assert!(log.contains("gRPC on 0.0.0.0:"), "{log}");
    let (code, log) = refused("prism-proxy", &start(", require_secure: true"));
    assert_eq!(code, Some(78), "{log}");
}

/// The log of a server from its start to its end.
fn whole_log(mut process: Process) -> String {
    process.signal(Signal::TERM);
    assert!(process.wait().success());
    process.log()
}

#[test]
fn an_admin_that_must_be_secure_needs_tls_and_tokens() {
    let site = Site::default();
    let (tokens, file) = (site.text("tokens"), site.text("prism.yaml"));
    let made = ["token", "--role", "read", "--name", "eye", "--token-file", &tokens];
    assert!(command("prism-admin").args(made).output().unwrap().status.success());
    let [certificate, key] = ["server.crt", "server.key"].map(|name| site.text(name));
    let tls = ["--tls-certificate-file", &certificate, "--tls-key-file", &key];
    let with_tokens = ["--token-file", tokens.as_str()];
    let common = ["--proxy-config", &file, "--proxy", "http://127.0.0.1:1"];
    let start = |flags: &[&str]| Process::start("prism-admin", common.iter().chain(flags));
    let beyond = ["--listen", "0.0.0.0:0"];
    for (flags, lacks) in [
        (vec!["--insecure"], "without TLS and without credentials"),
        ([&tls[..], &["--insecure"]].concat(), "without credentials"),
        (with_tokens.to_vec(), "without TLS"),
        ([&with_tokens[..], &["--insecure"]].concat(), "without TLS"),
    ] {
        let open = [&beyond[..], &flags].concat();
        let log = whole_log(start(&open));
        assert!(log.matches("other machines can reach").count() == 1 && log.contains(lacks), "{log}");
        let (code, log) = refused("prism-admin", &[&common[..], &open, &["--require-secure"]].concat());
        assert_eq!(code, Some(78), "{log}");
        let told = "--require-secure: other machines could reach HTTP on 0.0.0.0:";
        assert!(log.contains(told) && log.contains(&format!("{lacks};")), "{log}");
    }
    let require = ["--require-secure"];
    let local = ["--listen", "127.0.0.1:0"];
    for flags in [[&beyond[..], &tls, &with_tokens, &require].concat(), [&local[..], &require].concat()] {
        let log = whole_log(start(&flags));
        assert!(!log.contains("other machines"), "{log}");
    }
}

#[test]
fn an_admin_warns_of_tokens_that_others_may_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let [tokens, file] = ["tokens", "prism.yaml"].map(|name| folder.path().join(name));
    std::fs::write(&tokens, "").unwrap();
    let flags = ["--proxy", "http://127.0.0.1:1", "--token-file", tokens.to_str().unwrap()];
    for (mode, told) in [(0o600, false), (0o644, true)] {
        std::fs::set_permissions(&tokens, std::fs::Permissions::from_mode(mode)).unwrap();
        let log = whole_log(prism_e2e::admin::on(&file, &flags));
        assert_eq!(log.contains("its mode is 0644"), told, "{log}");
    }
}

#[test]
fn a_wrong_file_of_credentials_stops_the_start_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let (config, tokens) = (folder.path().join("prism.yaml"), folder.path().join("tokens"));
    let text = format!("server: {{ token_file: {tokens:?} }}\nnamespaces: []\n");
    std::fs::write(&config, text).unwrap();
    let args = ["--listen", "127.0.0.1:0", "--http-listen", "off", "--config", config.to_str().unwrap()];
    let (code, log) = refused("prism-proxy", &args);
    assert_eq!(code, Some(78), "{log}");
    assert!(log.contains("server.token_file: ") && log.contains("tokens: cannot be read"), "{log}");
    std::fs::write(&tokens, "# one\norders sha256:abc\n").unwrap();
    let (code, log) = refused("prism-proxy", &args);
    assert_eq!(code, Some(78), "{log}");
    assert!(log.contains("tokens:2: the hash of orders is not valid"), "{log}");
}

#[test]
fn the_tool_prints_a_token_once_and_the_file_is_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let run = |words: &[&str]| {
        let output = command("prism").arg("token").args(words).current_dir(folder.path()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (code, out, told) = run(&["new", "orders", "--expires", "90d"]);
    assert_eq!(code, Some(0), "{told}");
    let token = out.split_whitespace().last().unwrap();
    let file = folder.path().join("tokens");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("orders sha256:") && text.contains(" expires=20"), "{text}");
    assert!(token.starts_with("prism_") && !text.contains(token) && !told.contains(token));
    let (_, listed, _) = run(&["ls", "-o", "json"]);
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed["name"], "orders");
    assert_eq!(run(&["revoke", "orders"]), (Some(0), "1\n".to_owned(), String::new()));
    assert_eq!(run(&["revoke", "orders"]).0, Some(3));
    for wrong in [&["new", "a b"][..], &["new", "a\nb"], &["new"], &["new", "a", "--expires", "90"]] {
        assert_eq!(run(wrong).0, Some(2), "{wrong:?}");
    }
}
