//! Who may do what: every method and every path of a proxy with every kind of bearer credential, compared with one table.
//! Certificates are in `certificates.rs`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::Path;

use bytes::Bytes;
use http::Request;
use http::header::CONTENT_TYPE;
use prism_e2e::guarded::{Files, Guarded, Issuer, PATIENCE, issue, request_of};
use prism_e2e::matrix::Kind::{Operator, Read, Write};
use prism_e2e::matrix::Outcome::{Admitted, Denied, Unauthenticated};
use prism_e2e::matrix::{GET, METHODS, PATHS, SET, Who, authorization, call, expected, outcome, status};
use prism_e2e::process::{Process, command, workspace};
use prism_e2e::{http as plain, raw};
use prism_proto::methods;
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tonic::Code;

/// Credentials of every kind, each with a name for messages.
fn credentials(files: &Files) -> Vec<(&'static str, Option<String>, Who)> {
    let tokens = files.path("tokens");
    let revoked = files.token("revoked");
    let revoke = command("prism").args(["token", "revoke", "revoked", "--token-file"]).arg(&tokens).output();
    assert!(revoke.unwrap().status.success());
    let expired = issue(&tokens, "reader", &[]);
    let text = std::fs::read_to_string(&tokens).unwrap();
    std::fs::write(&tokens, format!("{} expires=2020-01-01\n", text.trim_end())).unwrap();
    let (issuer, former) = (&files.issuer, Issuer::new("former"));
    let whole = issuer.token("reader", 3600);
    let (message, _) = whole.rsplit_once('.').unwrap();
    let of = |name: &str| (Some(files.token(name)), Some(issuer.token(name, 3600)));
    let [reader, writer, other, operator] = ["reader", "writer", "other", "operator"].map(of);
    vec![
        ("none", None, Who::Nobody),
        ("a garbage token", Some("prism_garbage".to_owned()), Who::Nobody),
        ("an expired token", Some(expired), Who::Nobody),
        ("a revoked token", Some(revoked), Who::Nobody),
        ("another namespace's token", other.0, Who::Other),
        ("a token that may read", reader.0, Who::Reader),
        ("a token that may write", writer.0, Who::Writer),
        ("an operator's token", operator.0, Who::AnOperator),
        ("a garbage JWT", Some(format!("{message}.AAAA")), Who::Nobody),
        ("an expired JWT", Some(issuer.token("reader", -120)), Who::Nobody),
        ("a JWT whose key was revoked", Some(former.token("reader", 3600)), Who::Nobody),
        ("another namespace's JWT", other.1, Who::Other),
        ("a JWT that may read", reader.1, Who::Reader),
        ("a JWT that may write", writer.1, Who::Writer),
        ("an operator's JWT", operator.1, Who::AnOperator),
    ]
}

#[tokio::test]
async fn each_method_admits_whom_the_table_says() {
    let files = Files::new();
    let credentials = credentials(&files);
    let stack = Guarded::start(files, &[]);
    let proxy = raw::Connection::open(stack.proxy.grpc()).await;
    for (path, kind) in METHODS {
        for (name, token, who) in &credentials {
            let answer = call(&proxy, path, "mine", token.as_ref()).await;
            assert_eq!(outcome(&answer), expected(kind, *who), "{path} with {name}: {answer:?}");
        }
    }
    // A namespace without access is for everybody, but not with a credential that is not accepted.
    for (name, token, who) in &credentials {
        let answer = call(&proxy, SET, "open", token.as_ref()).await;
        let refused = token.is_some() && *who == Who::Nobody;
        assert_eq!(outcome(&answer), if refused { Unauthenticated } else { Admitted }, "{name}");
    }
}

#[test]
fn each_method_has_an_expectation() {
    let own = [
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
    ];
    let own = own.map(|set| methods::of_files(&FileDescriptorSet::decode(set).unwrap().file));
    let there: BTreeSet<_> =
        own.iter().flat_map(|methods| methods.keys()).chain(methods::KNOWN.keys()).collect();
    let expected: BTreeSet<_> = METHODS.iter().map(|(path, _)| (*path).to_owned()).collect();
    assert_eq!(there, expected.iter().collect());
    for (path, kind) in METHODS {
        if let Some(method) = methods::KNOWN.get(path) {
            assert_eq!(kind, if method.no_side_effects { Read } else { Write }, "{path}");
        }
    }
}

#[tokio::test]
async fn each_path_admits_whom_the_table_says() {
    let files = Files::new();
    let credentials = credentials(&files);
    let stack = Guarded::start(files, &[]);
    let address = stack.proxy.process.address("http").to_owned();
    for (path, kind) in PATHS.into_iter().chain([("/nowhere", Operator)]) {
        for (name, token, who) in &credentials {
            let (address, headers) = (address.clone(), authorization(token.as_ref()));
            let answer = tokio::task::spawn_blocking(move || {
                let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
                plain::send(&address, "GET", path, &headers, b"")
            });
            let answer = answer.await.unwrap();
            let status = status(expected(kind, *who), path);
            assert_eq!(answer.status, status, "{path} with {name}: {}", answer.text());
        }
    }
}

/// The paths in the sources of the proxy's HTTP port: literals, and constants of the same file.
fn paths_in(source: &Path, found: &mut BTreeSet<String>) {
    if source.is_dir() {
        let entries = std::fs::read_dir(source).unwrap().map(|entry| entry.unwrap().path());
        return entries.for_each(|entry| paths_in(&entry, found));
    }
    let text = std::fs::read_to_string(source).unwrap();
    if !text.contains("use axum") {
        return;
    }
    for argument in text.split(".route(").skip(1).map(|rest| rest.split(',').next().unwrap().trim()) {
        let literal = if argument.starts_with('"') {
            argument.to_owned()
        } else {
            let constant = format!("const {argument}: &str = ");
            let value =
                text.split(&constant).nth(1).unwrap_or_else(|| panic!("{}: {argument}", source.display()));
            value.split(';').next().unwrap().to_owned()
        };
        found.insert(literal.trim_matches('"').to_owned());
    }
}

#[test]
fn each_path_has_an_expectation() {
    let mut there = BTreeSet::new();
    for source in ["prism-proxy/src", "prism-runtime/src/http.rs"] {
        paths_in(&workspace().join("crates").join(source), &mut there);
    }
    assert_eq!(there, PATHS.iter().map(|(path, _)| (*path).to_owned()).collect());
}

#[tokio::test]
async fn a_namespace_that_is_not_there_is_like_one_of_others() {
    let files = Files::new();
    let credentials = credentials(&files);
    let stack = Guarded::start(files, &[]);
    let proxy = raw::Connection::open(stack.proxy.grpc()).await;
    for (name, token, who) in &credentials {
        if *who == Who::Other {
            continue;
        }
        for path in [GET, SET, "/prism.interfaces.unknown.Interface/Method"] {
            let [theirs, absent] =
                ["theirs", "absent"].map(|namespace| call(&proxy, path, namespace, token.as_ref()));
            let (theirs, absent) = (theirs.await, absent.await);
            let words = |answer: &raw::Answer| {
                let mut headers: Vec<_> =
                    answer.headers.iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
                headers.sort();
                headers
            };
            assert_ne!(outcome(&theirs), Admitted, "{name}");
            assert_eq!(words(&theirs), words(&absent), "{path} with {name}");
        }
    }
}

#[tokio::test]
async fn an_unknown_method_needs_both_rights() {
    let files = Files::new();
    let (reader, writer, other) = (files.token("reader"), files.token("writer"), files.token("other"));
    let stack = Guarded::start(files, &[]);
    let proxy = raw::Connection::open(stack.proxy.grpc()).await;
    let path = "/prism.interfaces.unknown.Interface/Method";
    for (namespace, token, expected) in
        [("mine", reader, Denied), ("mine", writer, Denied), ("theirs", other, Admitted)]
    {
        assert_eq!(outcome(&call(&proxy, path, namespace, Some(&token)).await), expected);
    }
}

/// Sends a part of a call, never its end, and returns the status.
async fn begin(address: &str, token: &str, parts: &[&[u8]]) -> tonic::Status {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (send, driver) = h2::client::handshake(stream).await.unwrap();
    let driver = tokio::spawn(driver);
    let request = Request::post(format!("http://localhost{SET}"));
    let request = request.header(CONTENT_TYPE, "application/grpc").header("te", "trailers");
    let request = request.header("authorization", format!("Bearer {token}")).body(()).unwrap();
    let (answer, mut body) = send.ready().await.unwrap().send_request(request, false).unwrap();
    for part in parts {
        body.send_data(Bytes::copy_from_slice(part), false).unwrap();
    }
    let answer = tokio::time::timeout(PATIENCE, answer).await.unwrap().unwrap();
    driver.abort();
    tonic::Status::from_header_map(answer.headers()).unwrap()
}

#[tokio::test]
async fn a_right_is_judged_before_the_rest_of_the_message_has_arrived() {
    let files = Files::new();
    let reader = files.token("reader");
    let stack = Guarded::start(files, &[]);
    let address = stack.proxy.grpc();
    let field = &request_of("mine")[5..];
    // The message says that it has 4 MiB, then that it is larger than any may be.
    for prefix in [[0, 0, 0x40, 0, 0], [0, 0x7f, 0, 0, 0]] {
        let whole = [&prefix[..], field].concat();
        let status = begin(address, &reader, &[&whole]).await;
        assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");
    }
    // Byte by byte.
    let whole = [&[0, 0, 0x40, 0, 0], field].concat();
    let bytes: Vec<_> = whole.chunks(1).collect();
    assert_eq!(begin(address, &reader, &bytes).await.code(), Code::PermissionDenied);
    // A second namespace is refused by all.
    let proxy = raw::Connection::open(address).await;
    let twice = [field, &request_of("theirs")[5..]].concat();
    let twice = prism_grpc::message::framed(&twice);
    let bearer = format!("Bearer {reader}");
    let (code, error) = proxy.call(GET, &[("authorization", &bearer)], &[&twice]).await.refusal();
    assert_eq!((code, error.reason), (Code::InvalidArgument, prism_proto::ErrorReason::MalformedRequest));
}

#[tokio::test]
async fn a_compressed_message_is_judged_once_it_is_there() {
    use std::io::Write as _;
    let files = Files::new();
    let (reader, other) = (files.token("reader"), files.token("other"));
    let stack = Guarded::start(files, &[]);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&request_of("mine")[5..]).unwrap();
    let packed = gzip.finish().unwrap();
    let message = [&[1, 0, 0, 0, u8::try_from(packed.len()).unwrap()], &*packed].concat();
    let proxy = raw::Connection::open(stack.proxy.grpc()).await;
    for (token, expected) in [(reader, Admitted), (other, Denied)] {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", &*bearer), ("grpc-encoding", "gzip")];
        assert_eq!(outcome(&proxy.call(GET, &headers, &[&message]).await), expected);
    }
}

#[tokio::test]
async fn a_jwt_with_the_name_of_a_token_is_somebody_else() {
    let files = Files::new();
    let (token, jwt) = (files.token("orders"), files.issuer.token("orders", 3600));
    let store = Process::start("prism-memstore", ["--listen", "127.0.0.1:0"]);
    let namespace = format!(
        "namespaces:\n  - name: mine\n    pattern: keyvalue\n    plugin: {{ endpoint: {:?} }}\n    access:\n",
        store.grpc()
    );
    let text = [&files.server(""), &namespace, "      - { name: 'token:orders', rights: [read] }\n"].concat();
    let proxy = prism_e2e::process::Proxy::with_config(&text);
    let connection = raw::Connection::open(proxy.grpc()).await;
    for (credential, expected) in [(token, Admitted), (jwt, Denied)] {
        assert_eq!(outcome(&call(&connection, GET, "mine", Some(&credential)).await), expected);
    }
    // A bare name could be either, and changes nothing.
    let status = proxy.take(text.replace("token:orders", "orders")).await;
    assert_eq!(status["last_attempt"]["outcome"], "refused");
    assert!(status["last_attempt"]["error"].as_str().unwrap().contains("several are enabled"), "{status}");
}

#[tokio::test]
async fn a_revoked_token_and_changed_rights_take_effect_while_the_proxy_runs() {
    let files = Files::new();
    let reader = files.token("reader");
    let stack = Guarded::start(files, &[]);
    let proxy = raw::Connection::open(stack.proxy.grpc()).await;
    assert_eq!(outcome(&call(&proxy, GET, "mine", Some(&reader)).await), Admitted);
    let file = stack.files.path("tokens");
    // A wrong file changes nothing, and is told.
    std::fs::write(&file, "reader\n").unwrap();
    let operator = stack.files.issuer.token("operator", 3600);
    let metric = |value: &'static str| {
        let (address, operator) = (stack.proxy.process.address("http").to_owned(), operator.clone());
        async move {
            tokio::time::timeout(PATIENCE, async {
                loop {
                    let (address, bearer) = (address.clone(), format!("Bearer {operator}"));
                    let page = tokio::task::spawn_blocking(move || {
                        plain::send(&address, "GET", "/metrics", &[("authorization", &bearer)], b"")
                            .text()
                            .to_owned()
                    });
                    if page.await.unwrap().contains(&format!("prism_proxy_credentials_applied {value}\n")) {
                        return;
                    }
                }
            })
            .await
            .unwrap();
        }
    };
    metric("0").await;
    assert_eq!(outcome(&call(&proxy, GET, "mine", Some(&reader)).await), Admitted);
    assert!(stack.proxy.process.log().contains("tokens:1: expected NAME sha256:HASH"));
    std::fs::write(&file, "# nobody\n").unwrap();
    metric("1").await;
    assert_eq!(outcome(&call(&proxy, GET, "mine", Some(&reader)).await), Unauthenticated);
}
