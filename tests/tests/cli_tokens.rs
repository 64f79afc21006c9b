//! The token of the tool: where it comes from, where it may go, and what a refusal says.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;
use std::sync::mpsc;

use prism_e2e::dev::Ran;
use prism_e2e::process::command;
use prism_proto::interfaces::keyvalue::key_value_basic_interface_server::{
    KeyValueBasicInterface, KeyValueBasicInterfaceServer,
};
use prism_proto::interfaces::keyvalue::{
    DeleteRequest, DeleteResponse, ExistsRequest, ExistsResponse, GetRequest, GetResponse, SetRequest,
    SetResponse,
};
use tokio::net::TcpListener;
use tonic::{Request, Response, Status};

const TOKEN: &str = "s3cret";

/// Serves keys that begin with `open` to everybody who has the token, and no other key.
struct Guarded;

impl Guarded {
    fn check<T>(request: &Request<T>, key: &str) -> Result<(), Status> {
        let sent = request.metadata().get("authorization").map(|sent| sent.to_str().unwrap().to_owned());
        match sent.as_deref() == Some(&format!("Bearer {TOKEN}")) {
            false => Err(Status::unauthenticated("the token is not known")),
            true if key.starts_with("open") || key.starts_with("bench:") => Ok(()),
            true => Err(Status::permission_denied("no right to do that")),
        }
    }
}

#[tonic::async_trait]
impl KeyValueBasicInterface for Guarded {
    async fn set(&self, request: Request<SetRequest>) -> Result<Response<SetResponse>, Status> {
        Self::check(&request, &request.get_ref().key)?;
        Ok(Response::new(SetResponse { success: true }))
    }

    async fn get(&self, request: Request<GetRequest>) -> Result<Response<GetResponse>, Status> {
        Self::check(&request, &request.get_ref().key)?;
        Ok(Response::new(GetResponse { value: "value".into(), ..GetResponse::default() }))
    }

    async fn delete(&self, request: Request<DeleteRequest>) -> Result<Response<DeleteResponse>, Status> {
        Self::check(&request, &request.get_ref().key)?;
        Ok(Response::new(DeleteResponse { found: true }))
    }

    async fn exists(&self, request: Request<ExistsRequest>) -> Result<Response<ExistsResponse>, Status> {
        Self::check(&request, &request.get_ref().key)?;
        Ok(Response::new(ExistsResponse { exists: true }))
    }
}

/// Starts the server, on a thread that lives as long as the tests, and returns its address.
fn guarded() -> String {
    let (bound, address) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            bound.send(listener.local_addr().unwrap().to_string()).unwrap();
            let incoming = futures_util::stream::unfold(listener, |listener| async move {
                Some((listener.accept().await.map(|(stream, _)| stream), listener))
            });
            let service = KeyValueBasicInterfaceServer::new(Guarded);
            tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming).await
        })
    });
    address.recv().unwrap()
}

fn prism(address: &str, words: &[&str]) -> Command {
    let mut prism = command("prism");
    prism.args(words).env("PRISM_ADDRESS", address);
    prism
}

/// Runs a command. The token is in nothing that it prints.
fn run(prism: &mut Command) -> Ran {
    let ran = Ran::of(prism, b"");
    assert!(!format!("{ran:?} {}", String::from_utf8_lossy(&ran.out)).contains(TOKEN), "{ran:?}");
    ran
}

#[test]
fn a_token_comes_from_a_flag_a_file_or_a_variable() {
    let address = guarded();
    let folder = tempfile::tempdir().unwrap();
    let [good, bad] = ["good", "bad"].map(|name| folder.path().join(name).display().to_string());
    std::fs::write(&good, format!("{TOKEN}\n")).unwrap();
    std::fs::write(&bad, "another\n").unwrap();
    let get = ["kv", "get", "open", "--timeout", "1min"];
    let with = |flags: &[&str], variables: &[(&str, &str)]| {
        run(prism(&address, &[&get, flags].concat()).envs(variables.iter().copied())).code
    };
    assert_eq!(with(&["--token", TOKEN], &[]), 0);
    assert_eq!(with(&["--token-file", &good], &[]), 0);
    assert_eq!(with(&[], &[("PRISM_TOKEN", TOKEN)]), 0);
    assert_eq!(with(&[], &[("PRISM_TOKEN_FILE", &good)]), 0);
    assert_eq!(with(&["--token-file", &good], &[("PRISM_TOKEN", "another")]), 0, "a flag wins");
    assert_eq!(with(&["--token", TOKEN], &[("PRISM_TOKEN_FILE", &bad)]), 0);
    assert_eq!(with(&["--token", TOKEN], &[("PRISM_TOKEN", "another")]), 0);
    assert_eq!(with(&["--token", TOKEN, "--token-file", &good], &[]), 2);
    assert_eq!(with(&[], &[("PRISM_TOKEN", TOKEN), ("PRISM_TOKEN_FILE", &good)]), 2);
    assert_eq!(with(&["--token", "two words"], &[]), 1);
    assert_eq!(with(&["--token-file", "/nowhere/token"], &[]), 1);
    let bench = ["bench", "--requests", "10", "--keys", "10", "--warmup", "0s", "--timeout", "1min"];
    let bench = run(&mut prism(&address, &[&bench[..], &["--token-file", &good]].concat()));
    assert_eq!(bench.code, 0, "{bench:?}");
    let conformance = ["conformance", &address, "--case", "keyvalue/", "--token-file"];
    let checked = |file: &str| run(&mut prism(&address, &[&conformance[..], &[file]].concat()));
    assert!(String::from_utf8_lossy(&checked(&bad).out).contains("UNAUTHENTICATED"), "{:?}", checked(&bad));
    assert!(
        !String::from_utf8_lossy(&checked(&good).out).contains("UNAUTHENTICATED"),
        "{:?}",
        checked(&good)
    );
}

#[test]
fn a_refusal_says_what_to_do() {
    let address = guarded();
    for (words, kind, code, hint) in [
        (&["kv", "get", "open"][..], "unauthenticated", "UNAUTHENTICATED", "--token-file"),
        (&["kv", "get", "open", "--token", "another"], "unauthenticated", "UNAUTHENTICATED", "--token-file"),
        (&["kv", "get", "closed", "--token", TOKEN], "permission_denied", "PERMISSION_DENIED", "access"),
    ] {
        let words = [words, &["-o", "json", "--timeout", "1min"]].concat();
        let refused = run(&mut prism(&address, &words));
        let error = refused.error();
        assert_eq!(
            (refused.code, &error["kind"], &error["code"]),
            (1, &kind.into(), &code.into()),
            "{error}"
        );
        assert!(error["hint"].as_str().unwrap().contains(hint), "{error}");
    }
}

#[test]
fn no_token_is_sent_in_plaintext_to_another_machine() {
    let there = "gateway.invalid:8980";
    for words in [
        &["kv", "get", "k"][..],
        &["list", "length", "l"],
        &["export", "default"],
        &["bench", there],
        &["conformance", there],
        &["namespaces", "ls", "--admin", "http://gateway.invalid:8090"],
    ] {
        let refused = run(prism(there, words).env("PRISM_TOKEN", TOKEN));
        assert!(refused.code == 2 && refused.err.contains("--insecure-token"), "{words:?}: {refused:?}");
        let allowed = run(prism(there, &[words, &["--insecure-token"]].concat()).env("PRISM_TOKEN", TOKEN));
        assert_eq!(allowed.code, 4, "{words:?}: {allowed:?}");
    }
}
