//! Backends that are dead, die or come back: a state of their namespaces, and of no others.

use std::time::{Duration, Instant};

use bytes::Bytes;
use prism_client::ErrorKind;
use prism_e2e::client;
use prism_e2e::dead::DeadAddress;
use prism_e2e::echo::{EchoRequest, EchoResponse};
use prism_e2e::process::{Process, Proxy};
use prism_e2e::raw;
use prism_proto::interfaces::keyvalue::GetRequest;
use prism_proto::{Applied, ErrorReason};
use prism_runtime::message::framed;
use prost::Message as _;
use tonic::Code;

const ECHO: &str = "/prism.interfaces.echo.EchoInterface/Unary";
const GET: &str = "/prism.interfaces.keyvalue.KeyValueBasicInterface/Get";

fn get(namespace: &str) -> Bytes {
    framed(&GetRequest { namespace: namespace.into(), key: "k".into() }.encode_to_vec())
}

fn echo(hang: bool) -> Bytes {
    framed(&EchoRequest { namespace: "echo".into(), hang, ..Default::default() }.encode_to_vec())
}

#[tokio::test]
async fn a_dead_backend_fails_its_own_namespace_at_once_and_no_other() {
    let memstore = Process::start("prism-memstore", ["--listen", "127.0.0.1:0"]);
    let dead = DeadAddress::new();
    let proxy = Proxy::start(&[("default", memstore.grpc()), ("lost", &dead.address())]);
    let raw = raw::Connection::open(proxy.grpc()).await;

    let begun = Instant::now();
    for _ in 0..600 {
        let (code, error) = raw.call(GET, &[], &[&get("lost")]).await.refusal();
        assert_eq!((code, error.reason), (Code::Unavailable, ErrorReason::BackendUnreachable));
        assert_eq!(error.fact("applied"), Some(Applied::No.as_str()));
        assert_eq!(error.fact("namespace"), Some("lost"));
        assert!(error.retry_delay.is_some());
    }
    // So many connection attempts with any wait in them would take longer.
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    assert_eq!(raw.call(GET, &[], &[&get("default")]).await.refusal().0, Code::NotFound);
}

#[tokio::test]
async fn start_order_does_not_matter() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("unix:{}", folder.path().join("memstore.sock").display());
    let proxy = Proxy::start(&[("default", &address)]);
    let keyvalue = client(proxy.grpc()).keyvalue();
    assert_eq!(keyvalue.get("k").await.unwrap_err().kind(), ErrorKind::Unavailable);

    let _memstore = Process::start("prism-memstore", ["--listen", &address]);
    let found = async {
        // The proxy looks again by itself.
        while keyvalue.set("k", "v").await.is_err() {}
        keyvalue.get("k").await.unwrap()
    };
    assert_eq!(tokio::time::timeout(Duration::from_secs(60), found).await.unwrap(), "v");
}

#[tokio::test]
async fn a_backend_that_dies_is_seen_and_one_that_comes_back_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("unix:{}", folder.path().join("memstore.sock").display());
    let mut memstore = Process::start("prism-memstore", ["--listen", &address]);
    let proxy = Proxy::start(&[("default", &address)]);
    let raw = raw::Connection::open(proxy.grpc()).await;
    assert_eq!(raw.call(GET, &[], &[&get("")]).await.refusal().0, Code::NotFound);

    memstore.kill();
    let (code, error) = raw.call(GET, &[], &[&get("")]).await.refusal();
    assert_eq!(code, Code::Unavailable, "{error}");

    let _memstore = Process::start("prism-memstore", ["--listen", &address]);
    let found = async { while raw.call(GET, &[], &[&get("")]).await.refusal().0 != Code::NotFound {} };
    tokio::time::timeout(Duration::from_secs(60), found).await.unwrap();
}

#[tokio::test]
async fn a_call_in_flight_when_its_backend_dies_may_have_been_applied() {
    let mut plugin = Process::start("echo-plugin", ["--listen", "127.0.0.1:0"]);
    let proxy = Proxy::start(&[("echo", plugin.grpc())]);
    let raw = raw::Connection::open(proxy.grpc()).await;
    let hang = echo(true);
    let hang = [hang.as_ref()];
    let hanging = raw.call(ECHO, &[], &hang);
    let kill = async {
        loop {
            let answer = raw.call(ECHO, &[], &[&echo(false)]).await;
            if EchoResponse::decode(answer.messages[0].clone()).unwrap().hanging == 1 {
                break plugin.kill();
            }
        }
    };
    let (answer, ()) = tokio::join!(hanging, kill);
    let (code, error) = answer.refusal();
    assert_eq!((code, error.reason), (Code::Unavailable, ErrorReason::BackendLost));
    assert_eq!(error.fact("applied"), Some(Applied::Maybe.as_str()));
}
