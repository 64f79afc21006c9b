//! Backends that are dead, die or come back: a state of their own namespaces and of no others.

use std::future::poll_fn;
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::server::SendResponse;
use http::Response;
use prism_client::ErrorKind;
use prism_e2e::client;
use prism_e2e::dead::DeadAddress;
use prism_e2e::echo::{EchoRequest, EchoResponse};
use prism_e2e::holder::Holder;
use prism_e2e::process::{Process, Proxy};
use prism_e2e::raw;
use prism_grpc::message::framed;
use prism_proto::interfaces::keyvalue::{GetRequest, KeyResponse};
use prism_proto::{Applied, ErrorReason};
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tonic::Code;

const ECHO: &str = "/prism.interfaces.echo.EchoInterface/Unary";
const SCAN_KEYS: &str = "/prism.interfaces.keyvalue.KeyValueScanInterface/ScanKeys";
const GET: &str = "/prism.interfaces.keyvalue.KeyValueBasicInterface/Get";

fn get(namespace: &str) -> Bytes {
    framed(&GetRequest { namespace: namespace.into(), key: "k".into(), with_ttl: false }.encode_to_vec())
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
    // With any wait in them, this many connection attempts would take longer.
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
        // The proxy reconnects by itself.
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

/// What a backend receives that allows two concurrent calls on a connection.
enum Seen {
    /// A connection, by its number.
    Connection(usize),
    /// A Get on a connection, to be answered.
    Get(usize, SendResponse<Bytes>),
}

fn answer(respond: &mut SendResponse<Bytes>, code: Code) {
    let head =
        Response::builder().header("content-type", "application/grpc").header("grpc-status", code as i32);
    let head = head.body(()).expect("the headers are valid");
    respond.send_response(head, true).expect("the proxy waits for it");
}

async fn narrow_backend() -> (String, mpsc::UnboundedReceiver<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it is bound").to_string();
    let (seen, all_seen) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        for number in 0.. {
            let (stream, _) = listener.accept().await.expect("the listener is open");
            let seen = seen.clone();
            tokio::spawn(async move {
                let mut http2 = h2::server::Builder::new();
                http2.max_concurrent_streams(2);
                let mut connection = http2.handshake(stream).await.expect("the proxy speaks HTTP/2");
                let _ = seen.send(Seen::Connection(number));
                while let Some(Ok((request, mut respond))) = connection.accept().await {
                    if request.uri().path() == GET {
                        let _ = seen.send(Seen::Get(number, respond));
                    } else {
                        answer(&mut respond, Code::Unimplemented);
                    }
                }
            });
        }
    });
    (address, all_seen)
}

#[tokio::test]
async fn a_connection_is_filled_before_another_is_used() {
    let (backend, mut seen) = narrow_backend().await;
    let proxy = Proxy::start(&[("default", &backend)]);
    let keyvalue = client(proxy.grpc()).keyvalue();
    let get = || {
        let keyvalue = keyvalue.clone();
        tokio::spawn(async move { keyvalue.get("k").await.unwrap_err().kind() })
    };
    let mut next =
        async || tokio::time::timeout(Duration::from_secs(60), seen.recv()).await.unwrap().unwrap();

    // The backend's limit arrives before its first response.
    let first = get();
    assert!(matches!(next().await, Seen::Connection(0)));
    let Seen::Get(0, mut respond) = next().await else { panic!("the first call is on the first connection") };
    answer(&mut respond, Code::NotFound);
    assert_eq!(first.await.unwrap(), ErrorKind::NotFound);

    // One more call than it allows waits there, and causes another connection.
    let calls = [get(), get(), get()];
    let (mut connections, mut held) = (1, Vec::new());
    while (connections, held.len()) != (2, 2) {
        match next().await {
            Seen::Connection(number) => connections = number + 1,
            Seen::Get(number, respond) => {
                assert_eq!(number, 0);
                held.push(respond);
            }
        }
    }
    held.iter_mut().for_each(|respond| answer(respond, Code::NotFound));
    let Seen::Get(0, mut respond) = next().await else { panic!("the last call is on the first connection") };
    answer(&mut respond, Code::NotFound);
    for call in calls {
        assert_eq!(call.await.unwrap(), ErrorKind::NotFound);
    }

    // With both to choose from, two concurrent calls share the first.
    let (calls, mut held) = ([get(), get()], Vec::new());
    while held.len() < calls.len() {
        let Seen::Get(0, respond) = next().await else { panic!("the first connection has room") };
        held.push(respond);
    }
    held.iter_mut().for_each(|respond| answer(respond, Code::NotFound));
    for call in calls {
        assert_eq!(call.await.unwrap(), ErrorKind::NotFound);
    }
}

/// A backend that accepts one connection, and answers each Get with as many bytes of headers as its key says.
async fn talkative_backend() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it is bound").to_string();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("the listener is open");
        let mut connection = h2::server::handshake(stream).await.expect("the proxy speaks HTTP/2");
        while let Some(Ok((request, mut respond))) = connection.accept().await {
            if request.uri().path() != GET {
                answer(&mut respond, Code::Unimplemented);
                continue;
            }
            tokio::spawn(async move {
                let message = request.into_body().data().await.expect("it has a body").expect("it arrives");
                let asked = GetRequest::decode(&message[5..]).expect("it is a Get");
                let bytes = asked.key.parse().expect("the key is a number");
                let head = Response::builder()
                    .header("content-type", "application/grpc")
                    .header("grpc-status", Code::NotFound as i32)
                    .header("x-long", "x".repeat(bytes));
                // The proxy resets a call whose headers are too long.
                let _ = respond.send_response(head.body(()).expect("the headers are valid"), true);
            });
        }
    });
    address
}

#[tokio::test]
async fn headers_of_a_response_are_forwarded_up_to_their_limit() {
    let proxy = Proxy::start(&[("default", &talkative_backend().await)]);
    let raw = raw::Connection::open(proxy.grpc()).await;
    let with = |bytes: usize| {
        framed(&GetRequest { key: bytes.to_string(), ..GetRequest::default() }.encode_to_vec())
    };
    let accepted = raw.call(GET, &[], &[&with(60_000)]).await;
    assert_eq!(accepted.status().unwrap().code(), Code::NotFound);
    assert_eq!(accepted.headers["x-long"].len(), 60_000);

    let (code, error) = raw.call(GET, &[], &[&with(70_000)]).await.refusal();
    assert_eq!((code, error.reason), (Code::Unavailable, ErrorReason::BackendLost), "{error:?}");
    // The backend's connection goes on.
    assert_eq!(raw.call(GET, &[], &[&with(1)]).await.status().unwrap().code(), Code::NotFound);
}

/// How many messages a scan of [`scanned_backend`] sends: as much as a stream's window takes.
const SCANNED: usize = 50_000;

/// A backend that sends the items of each scan in frames of their own, and says when it has sent all of one, and when a connection
/// has ended.
async fn scanned_backend() -> (String, mpsc::UnboundedReceiver<Result<(), h2::Error>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it is bound").to_string();
    let (sent, all_sent) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let sent = sent.clone();
            tokio::spawn(async move {
                let mut http2 = h2::server::Builder::new();
                // All of a scan may wait for the connection.
                http2.max_send_buffer_size(64 << 20);
                let mut connection = http2.handshake(stream).await.expect("the proxy speaks HTTP/2");
                while let Some(accepted) = connection.accept().await {
                    let (request, mut respond) = match accepted {
                        Ok(accepted) => accepted,
                        Err(error) => {
                            let _ = sent.send(Err(error));
                            return;
                        }
                    };
                    match request.uri().path() {
                        GET => answer(&mut respond, Code::NotFound),
                        SCAN_KEYS => drop(tokio::spawn(scan(respond, sent.clone()))),
                        _ => answer(&mut respond, Code::Unimplemented),
                    }
                }
            });
        }
    });
    (address, all_sent)
}

async fn scan(mut respond: SendResponse<Bytes>, sent: mpsc::UnboundedSender<Result<(), h2::Error>>) {
    let head = Response::builder().header("content-type", "application/grpc");
    let head = head.body(()).expect("the headers are valid");
    let mut stream = respond.send_response(head, false).expect("the proxy waits for it");
    let item = framed(&KeyResponse { key: "k".into(), ..KeyResponse::default() }.encode_to_vec());
    for _ in 0..SCANNED {
        stream.reserve_capacity(item.len());
        while stream.capacity() < item.len() {
            if !matches!(poll_fn(|cx| stream.poll_capacity(cx)).await, Some(Ok(_))) {
                return;
            }
        }
        if stream.send_data(item.clone(), false).is_err() {
            return;
        }
    }
    let _ = sent.send(Ok(()));
    // The scan goes on until the proxy ends it.
    let _ = poll_fn(|cx| stream.poll_reset(cx)).await;
}

#[tokio::test]
async fn scans_of_small_items_that_nobody_reads_end_no_connection() {
    let (backend, mut sent) = scanned_backend().await;
    let proxy = Proxy::start(&[("default", &backend)]);
    let stalled = Holder::open(proxy.grpc(), 0).await;
    let mut scans = Vec::new();
    for _ in 0..8 {
        scans.push(stalled.call(SCAN_KEYS, framed(&[])).await);
    }
    let get = raw::Connection::open(proxy.grpc()).await;
    for _ in &scans {
        let scanned = tokio::time::timeout(Duration::from_secs(60), sent.recv()).await.unwrap().unwrap();
        scanned.unwrap();
    }
    let answered = get.call(GET, &[], &[&self::get("")]).await.status().unwrap();
    assert_eq!(answered.code(), Code::NotFound);
    assert!(sent.try_recv().is_err(), "the backend's connection has ended");
}
