//! Each verb is on each floor: served by each backend, checked by the conformance suite, callable by the clients.
//!
//! [`MISSING`] is the only list of what is not built yet. A verb that is missing and not listed fails the test, and so does one that
//! is listed although it is there: whoever builds one removes it from the list.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use http::uri::PathAndQuery;
use prism_e2e::process::{Process, workspace};
use prism_proto::codec::Codec;
use prism_proto::methods::KNOWN;
use prism_proto::{Error, ErrorReason};
use tonic::Request;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};

/// What each floor lacks.
const MISSING: &[(&str, &[&str])] = &[
    ("prism-memstore", &[]),
    ("prism-diskstore", &[]),
    ("prism-redis", &[]),
    ("conformance", &[]),
    ("prism-client", &[]),
    ("python", &[]),
];

/// How long a backend may take to answer, or to find that nothing is behind it.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// The name of the method at a path. Each name belongs to one path.
fn verb(path: &str) -> &str {
    path.rsplit('/').next().unwrap()
}

/// Compares what a floor lacks with what is listed.
fn check(floor: &str, is_there: impl Fn(&str) -> bool) {
    let missing: BTreeSet<_> = KNOWN.keys().filter(|path| !is_there(path)).map(|path| verb(path)).collect();
    let (_, listed) = MISSING.iter().find(|(listed, _)| *listed == floor).unwrap();
    assert_eq!(missing, listed.iter().copied().collect(), "what {floor} lacks is not what is listed");
}

/// Whether a server knows the method at a path: an empty message changes nothing.
async fn is_served(channel: &Channel, path: &str) -> bool {
    let mut grpc = Grpc::new(channel.clone());
    grpc.ready().await.unwrap();
    let path = PathAndQuery::try_from(path).unwrap();
    let mut request = Request::new(());
    request.set_timeout(ANSWER_MAX);
    let answer = match grpc.server_streaming(request, path, Codec::<(), ()>::default()).await {
        Ok(answer) => answer.into_inner().message().await.map(drop),
        Err(status) => Err(status),
    };
    let reason = answer.err().and_then(|status| Error::from_status(&status)).map(|error| error.reason);
    reason != Some(ErrorReason::MethodUnknown)
}

#[test]
fn a_verb_has_one_name() {
    let verbs: BTreeSet<_> = KNOWN.keys().map(|path| verb(path)).collect();
    assert_eq!(verbs.len(), KNOWN.len(), "two methods have the same name");
}

#[test]
fn each_backend_serves_each_verb() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    for (name, flags) in [
        ("prism-memstore", &["--listen", "127.0.0.1:0"][..]),
        ("prism-diskstore", &["--listen", "127.0.0.1:0", "--path", path.to_str().unwrap()]),
        // Nothing listens there: a method that is served fails in another way.
        ("prism-redis", &["--listen", "127.0.0.1:0", "--redis", "redis://127.0.0.1:1"]),
    ] {
        let plugin = Process::start(name, flags);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let served: BTreeSet<_> = runtime.block_on(async {
            let endpoint = Endpoint::from_shared(format!("http://{}", plugin.grpc())).unwrap();
            let channel = endpoint.connect().await.unwrap();
            let mut served = BTreeSet::new();
            for path in KNOWN.keys() {
                if is_served(&channel, path).await {
                    served.insert(path.as_str());
                }
            }
            served
        });
        check(name, |path| served.contains(path));
    }
}

/// The text of all sources below a folder or of a file.
fn sources(path: &Path) -> String {
    if path.is_file() {
        return fs::read_to_string(path).unwrap();
    }
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| sources(&path)).collect()
}

#[test]
fn the_conformance_suite_calls_each_verb() {
    let suite = sources(&workspace().join("crates/prism-plugin/src/conformance"));
    check("conformance", |path| suite.contains(&format!("{}Request", verb(path))));
}

#[test]
fn the_client_calls_each_verb() {
    let client = workspace().join("crates/prism-client/src");
    let calls: String = ["method.rs", "deletion.rs", "scan/item.rs", "transfer"]
        .iter()
        .map(|file| sources(&client.join(file)))
        .collect();
    check("prism-client", |path| {
        let package = path.split('.').nth(2).unwrap();
        let rpc = format!("{package}::{}", verb(path));
        calls.contains(&format!("{rpc},")) || calls.contains(&format!("{rpc};"))
    });
}

/// The table of the Python client has the rpc of each native verb, and its own tests see that it is complete and that a method of
/// the package calls each.
#[test]
fn the_python_client_calls_each_verb() {
    let table = sources(&workspace().join("bindings/python/python/prism/_traces.py"));
    check("python", |path| {
        let rpc = path.strip_prefix("/prism.interfaces.").unwrap();
        table.contains(&format!("\"{rpc}\","))
    });
}
