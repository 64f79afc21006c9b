//! One client against all others: what it may use, how it is refused, and that nobody else notices.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read as _, Write as _};

use bytes::Bytes;
use h2::Reason;
use h2::client::ResponseFuture;
use http::Request;
use prism_e2e::client;
use prism_e2e::echo::{EchoRequest, EchoResponse};
use prism_e2e::holder::Holder;
use prism_e2e::process::{Process, Proxy, config};
use prism_e2e::raw::Connection;
use prism_grpc::message::framed;
use prism_proto::ErrorReason;
use prism_proto::interfaces::keyvalue::{GetRequest, SetRequest};
use prism_proto::interfaces::list::PopLeftRequest;
use prost::Message;
use tokio::net::UnixStream;
use tonic::Code;

const GET: &str = "/prism.interfaces.keyvalue.KeyValueBasicInterface/Get";
const SET: &str = "/prism.interfaces.keyvalue.KeyValueBasicInterface/Set";
const POP: &str = "/prism.interfaces.list.ListBasicInterface/PopLeft";
const CHECK: &str = "/grpc.health.v1.Health/Check";
const WATCH: &str = "/grpc.health.v1.Health/Watch";
/// The start of a GOAWAY frame without debug data, from its length on.
const GOAWAY: &[u8] = &[0, 0, 8, 7, 0, 0];
const MIB: usize = 1 << 20;

/// The reason of a call that was refused at once.
async fn reason(response: ResponseFuture) -> (Code, prism_proto::Error) {
    let head = response.await.unwrap();
    let status = tonic::Status::from_header_map(head.headers()).unwrap();
    (status.code(), prism_proto::Error::from_status(&status).unwrap())
}

fn get(key: &str) -> Bytes {
    framed(&GetRequest { key: key.to_owned(), ..Default::default() }.encode_to_vec())
}

fn set(value: Vec<u8>) -> Bytes {
    let request = SetRequest { key: "k".to_owned(), value: value.into(), ..Default::default() };
    framed(&request.encode_to_vec())
}

fn memstore(flags: &[&str]) -> Process {
    let common = ["--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0"];
    Process::start("prism-memstore", common.iter().chain(flags))
}

#[tokio::test]
async fn answers_that_nobody_reads_are_bounded_and_refuse_their_holder_alone() {
    let memstore = memstore(&["--connection-answer-bytes-max", "8MiB"]);
    let other = client(memstore.grpc());
    other.keyvalue().set("k", vec![7; MIB]).await.unwrap();
    let holder = Holder::open(memstore.grpc(), 1).await;
    let mut answers = Vec::new();
    for _ in 0..64 {
        answers.push(holder.call(GET, get("k")).await);
    }
    // The first ones have begun; those that exceed the share are refused once they have waited for room.
    let (code, error) = reason(answers.pop().unwrap()).await;
    assert_eq!((code, error.reason), (Code::ResourceExhausted, ErrorReason::AnswerBudget));
    assert_eq!((error.fact("applied"), error.fact("limit")), (Some("no"), Some("8388608")));
    let held = memstore.metric("prism_answer_bytes").await;
    assert!((4.0..=9.0).contains(&(held / MIB as f64)), "{held} bytes are held");
    assert_eq!(other.keyvalue().get("k").await.unwrap().len(), MIB);
}

#[tokio::test]
async fn a_slow_reader_has_no_place_at_the_backend() {
    let memstore = memstore(&[]);
    let proxy = Proxy::start(&[("default", memstore.grpc())]);
    let other = client(proxy.grpc());
    other.keyvalue().set("k", vec![7; MIB]).await.unwrap();
    let holder = Holder::open(proxy.grpc(), 0).await;
    let mut answers = Vec::new();
    for _ in 0..20 {
        answers.push(holder.call(GET, get("k")).await);
    }
    for answer in &mut answers {
        answer.await.unwrap();
    }
    // The proxy has read all of them.
    memstore.until_metric("prism_answer_bytes", |bytes| bytes == 0.0).await;
    memstore.until_metric("prism_calls_in_flight", |calls| calls == 0.0).await;
    assert!(proxy.process.metric("prism_answer_bytes").await >= 16.0 * MIB as f64);
    assert_eq!(other.keyvalue().get("k").await.unwrap().len(), MIB);
    drop(answers);
    drop(holder);
    proxy.process.until_metric("prism_answer_bytes", |bytes| bytes == 0.0).await;
}

#[tokio::test]
async fn bytes_that_inflate_count_as_what_they_become() {
    let share = ["--connection-request-bytes-max", "8MiB"];
    let proxy = Proxy::with_flags(&config(&[("default", "embedded:memstore")]), &share);
    let plain = SetRequest { key: "k".to_owned(), value: vec![0; 3 * MIB].into(), ..Default::default() };
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&plain.encode_to_vec()).unwrap();
    let mut message = framed(&gzip.finish().unwrap()).to_vec();
    message[0] = 1;
    let holder = Holder::open(proxy.grpc(), 65_535).await;
    let mut calls = Vec::new();
    for _ in 0..3 {
        let (response, mut stream) = holder.begin(SET, &[("grpc-encoding", "gzip")]).await;
        stream.send_data(message.clone().into(), false).unwrap();
        calls.push((response, stream));
    }
    // Each has sent some kilobytes, and none has ended: two fit when inflated, the third does not.
    let (code, error) = reason(calls.pop().unwrap().0).await;
    assert_eq!((code, error.reason), (Code::ResourceExhausted, ErrorReason::TooManyInFlight));
    assert_eq!((error.fact("limit"), error.fact("applied")), (Some("8388608"), Some("no")));
    client(proxy.grpc()).keyvalue().set("other", vec![1; MIB]).await.unwrap();
    for (response, mut stream) in calls {
        stream.send_data(Bytes::new(), true).unwrap();
        let answer = response.await.unwrap();
        assert!(!answer.headers().contains_key("grpc-status"), "{:?}", answer.headers());
    }
}

#[tokio::test]
async fn a_connection_has_its_share_of_calls_and_health_is_outside() {
    let memstore = memstore(&["--in-flight-max", "640"]);
    let proxy = Proxy::with_flags(&config(&[("default", memstore.grpc())]), &["--in-flight-max", "640"]);
    for address in [memstore.grpc(), proxy.grpc()] {
        let holder = Holder::open(address, 65_535).await;
        let mut held = Vec::new();
        for _ in 0..20 {
            held.push(holder.begin(GET, &[]).await);
        }
        let (code, error) = reason(holder.begin(GET, &[]).await.0).await;
        assert_eq!((code, error.reason), (Code::ResourceExhausted, ErrorReason::TooManyInFlight));
        assert_eq!((error.fact("limit"), error.fact("applied")), (Some("20"), Some("no")));
        let check = holder.call(CHECK, framed(&[])).await.await.unwrap();
        assert!(!check.headers().contains_key("grpc-status"), "a health check is answered");
        let mut watches = Vec::new();
        for _ in 0..4 {
            let watch = holder.call(WATCH, framed(&[])).await.await.unwrap();
            assert!(!watch.headers().contains_key("grpc-status"), "four watches are served");
            watches.push(watch);
        }
        let (code, error) = reason(holder.call(WATCH, framed(&[])).await).await;
        assert_eq!((code, error.reason), (Code::ResourceExhausted, ErrorReason::TooManyInFlight));
        assert_eq!(error.fact("limit"), Some("4"));
        client(address).keyvalue().set("other", "v").await.unwrap();
    }
}

#[tokio::test]
async fn a_request_counts_by_what_has_come() {
    let memstore = memstore(&[]);
    let proxy = Proxy::start(&[("default", memstore.grpc())]);
    for address in [memstore.grpc(), proxy.grpc()] {
        let holder = Holder::open(address, 65_535).await;
        let mut held = Vec::new();
        // Announced as 4 MiB each, of which one byte arrives.
        for _ in 0..200 {
            held.push(holder.hold(SET, Bytes::from_static(&[0, 0, 0x3f, 0xff, 0xff, 10])).await);
        }
        client(address).keyvalue().set("other", vec![1; 3 * MIB]).await.unwrap();
        let answer = holder.call(SET, set(vec![1; 100 << 10])).await.await.unwrap();
        assert!(!answer.headers().contains_key("grpc-status"), "{:?}", answer.headers());
    }
}

#[tokio::test]
async fn a_second_gzip_member_is_refused() {
    let memstore = memstore(&[]);
    let proxy = Proxy::start(&[("default", memstore.grpc())]);
    let member = |namespace: &str| {
        let request =
            SetRequest { namespace: namespace.to_owned(), key: "k".to_owned(), ..Default::default() };
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&request.encode_to_vec()).unwrap();
        gzip.finish().unwrap()
    };
    let mut message = framed(&[member("default"), member("secret")].concat()).to_vec();
    message[0] = 1;
    for address in [memstore.grpc(), proxy.grpc()] {
        let connection = Connection::open(address).await;
        let answer = connection.call(SET, &[("grpc-encoding", "gzip")], &[&message]).await;
        let (code, error) = answer.refusal();
        assert_eq!((code, error.reason), (Code::InvalidArgument, ErrorReason::MalformedRequest), "{error}");
    }
}

#[tokio::test]
async fn a_call_that_is_reset_before_its_end_is_not_applied() {
    let memstore = memstore(&[]);
    let proxy = Proxy::start(&[("default", memstore.grpc())]);
    for address in [memstore.grpc(), proxy.grpc()] {
        let other = client(address);
        other.list().push_right("q", "kept").await.unwrap();
        let holder = Holder::open(address, 65_535).await;
        let pop = framed(&PopLeftRequest { list_key: "q".to_owned(), ..Default::default() }.encode_to_vec());
        for _ in 0..50 {
            for message in [set(b"lost".to_vec()), pop.clone()] {
                let path = if message == pop { POP } else { SET };
                let (response, mut stream) = holder.hold(path, message).await;
                stream.send_reset(Reason::CANCEL);
                assert!(response.await.is_err());
            }
        }
        // On the same connection, and therefore after all of them.
        holder.call(CHECK, framed(&[])).await.await.unwrap();
        assert_eq!(other.list().pop_left("q").await.unwrap().unwrap(), "kept");
        assert!(!other.keyvalue().exists("k").await.unwrap());
    }
}

#[tokio::test]
async fn a_deadline_that_is_over_ends_a_call_before_it_is_applied() {
    let memstore = memstore(&[]);
    let proxy = Proxy::start(&[("default", memstore.grpc())]);
    let embedding = Proxy::start(&[("default", "embedded:memstore")]);
    for address in [memstore.grpc(), proxy.grpc(), embedding.grpc()] {
        let connection = Connection::open(address).await;
        let answer = connection.call(SET, &[("grpc-timeout", "1n")], &[&set(b"late".to_vec())]).await;
        let (code, error) = answer.refusal();
        assert_eq!((code, error.reason), (Code::DeadlineExceeded, ErrorReason::DeadlineExceeded));
        assert_eq!(error.fact("applied"), Some("no"));
        assert!(!client(address).keyvalue().exists("k").await.unwrap());
    }
}

/// Shares of one slot, so that the second call of a connection or a namespace meets them.
#[tokio::test]
async fn slots_at_a_backend_have_shares_that_flags_set_and_counters_count() {
    const STREAM: &str = "/prism.interfaces.echo.EchoInterface/Bidirectional";
    const UNARY: &str = "/prism.interfaces.echo.EchoInterface/Unary";
    let request = |namespace: &str, hang| {
        let payload = "x".into();
        let request = EchoRequest { namespace: namespace.into(), payload, repeat: 1, hang };
        framed(&request.encode_to_vec())
    };
    for (share, others) in [("connection", "a"), ("namespace", "b")] {
        let echo = Process::start("echo-plugin", ["--listen", "127.0.0.1:0"]);
        let (streams, unary) = (format!("--{share}-stream-slots-max"), format!("--{share}-unary-slots-max"));
        // One worker: shares are those of a worker.
        let flags = ["--workers", "1", &streams, "1", &unary, "1"];
        let proxy = Proxy::with_flags(&config(&[("a", echo.grpc()), ("b", echo.grpc())]), &flags);
        let counter =
            |name: &str| format!("prism_proxy_backend_slots_{name}_total{{backend=\"{}\"}}", echo.grpc());
        let (holder, other) =
            (Holder::open(proxy.grpc(), 65_535).await, Holder::open(proxy.grpc(), 65_535).await);

        let (held, _open) = holder.hold(STREAM, request("a", false)).await;
        held.await.unwrap();
        let (code, _) = reason(holder.hold(STREAM, request("a", false)).await.0).await;
        assert_eq!(code, Code::ResourceExhausted, "{share}");
        let (elsewhere, _also) = other.hold(STREAM, request(others, false)).await;
        assert_eq!(elsewhere.await.unwrap().headers().get("grpc-status"), None, "{share}");
        assert_eq!(proxy.process.metric(&counter("refused")).await, 1.0, "{share}");

        let hanging = holder.call(UNARY, request("a", true)).await;
        let raw = Connection::open(proxy.grpc()).await;
        loop {
            let answer = raw.call(UNARY, &[], &[&request(others, false)]).await;
            if EchoResponse::decode(answer.messages[0].clone()).unwrap().hanging == 1 {
                break;
            }
        }
        let waiting = holder.call(UNARY, request("a", false)).await;
        proxy.process.until_metric(&counter("waited_for"), |count| count == 1.0).await;
        let elsewhere = other.call(UNARY, request(others, false)).await.await.unwrap();
        assert_eq!(elsewhere.headers().get("grpc-status"), None, "{share}");
        // The slot is free once the first call is gone.
        drop(hanging);
        assert_eq!(waiting.await.unwrap().headers().get("grpc-status"), None, "{share}");
    }
}

#[tokio::test]
async fn calls_that_one_client_cancels_cost_no_other_its_own() {
    let memstore = memstore(&[]);
    let proxy = Proxy::start(&[("default", memstore.grpc())]);
    let other = client(proxy.grpc());
    let holder = Holder::open(proxy.grpc(), 65_535).await;
    for round in 1..=20 {
        let mut calls = Vec::new();
        for _ in 0..200 {
            calls.push(holder.begin(GET, &[]).await);
        }
        for (_, stream) in &mut calls {
            stream.send_data(get("k"), true).unwrap();
        }
        let pushed = tokio::spawn({
            let other = other.clone();
            async move { other.list().push_right("q", "v").await }
        });
        tokio::task::yield_now().await;
        for (_, stream) in &mut calls {
            stream.send_reset(Reason::CANCEL);
        }
        assert_eq!(pushed.await.unwrap().unwrap(), round);
    }
    holder.call(CHECK, framed(&[])).await.await.unwrap();
}

#[tokio::test]
async fn a_rate_is_judged_when_the_message_is_there() {
    let proxy = Proxy::with_config(
        "namespaces:\n  - name: default\n    pattern: keyvalue\n    requests_per_second: 1\n    plugin:\n      endpoint: embedded:memstore\n",
    );
    let holder = Holder::open(proxy.grpc(), 65_535).await;
    let (response, mut stream) = holder.begin(SET, &[]).await;
    // Its head arrives before the call that uses up the second's share.
    client(proxy.grpc()).keyvalue().set("other", "v").await.unwrap();
    stream.send_data(set(b"v".to_vec()), true).unwrap();
    let (_, error) = reason(response).await;
    assert_eq!(error.reason, ErrorReason::RateLimit);
    assert!(error.retry_delay.unwrap() <= std::time::Duration::from_secs(1), "{:?}", error.retry_delay);
}

#[tokio::test]
async fn a_client_that_resets_too_much_is_closed_and_no_other() {
    let memstore = memstore(&["--resets-max", "200"]);
    let proxy = Proxy::with_flags(&config(&[("default", memstore.grpc())]), &["--resets-max", "200"]);
    for process in [&memstore, &proxy.process] {
        let other = Holder::open(process.grpc(), 65_535).await;
        let mut holder = Holder::open(process.grpc(), 65_535).await;
        // Until the connection is closed. The reason may be lost, because the client keeps sending.
        loop {
            let mut calls = Vec::new();
            for _ in 0..20 {
                let mut request = Request::post(format!("http://localhost{GET}"));
                request = request.header("content-type", "application/grpc");
                let sent = holder.0.send_request(request.body(()).unwrap(), false);
                calls.extend(sent);
            }
            for (_, stream) in &mut calls {
                stream.send_reset(Reason::CANCEL);
            }
            // The connection's turn.
            tokio::task::yield_now().await;
            match holder.0.ready().await {
                Ok(ready) => holder.0 = ready,
                Err(_) => break,
            }
        }
        assert_eq!(process.metric("prism_connections_closed_for_resets_total").await, 1.0);
        // On the connection that existed meanwhile.
        other.call(CHECK, framed(&[])).await.await.unwrap();
        let answer = other.call(SET, set(b"v".to_vec())).await.await.unwrap();
        assert!(!answer.headers().contains_key("grpc-status"), "{:?}", answer.headers());
    }
}

#[tokio::test]
async fn a_full_table_has_a_place_for_a_new_client_and_takes_it_from_the_idlest() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("memstore.sock");
    // Over a Unix socket, where no address has a share.
    let address = format!("unix:{}", path.display());
    let flags = ["--listen", &address, "--http-listen", "127.0.0.1:0", "--connections-max", "4"];
    let memstore = Process::start("prism-memstore", flags);
    let called = Holder::over(UnixStream::connect(&path).await.unwrap(), 65_535).await;
    let mut silent = std::os::unix::net::UnixStream::connect(&path).unwrap();
    // The preface, and empty SETTINGS; then the server's.
    silent.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
    silent.read_exact(&mut [0; 3]).unwrap();
    let mut kept = vec![called];
    for _ in 0..2 {
        kept.push(Holder::over(UnixStream::connect(&path).await.unwrap(), 65_535).await);
    }
    // The first to connect is not the idlest.
    kept[0].call(CHECK, framed(&[])).await.await.unwrap();
    client(&address).keyvalue().set("k", "v").await.unwrap();
    let mut told = Vec::new();
    silent.read_to_end(&mut told).unwrap();
    assert!(told.windows(6).any(|head| head == GOAWAY), "{told:?}");
    for holder in &kept {
        holder.call(CHECK, framed(&[])).await.await.unwrap();
    }
    assert_eq!(memstore.metric("prism_connections_evicted_total").await, 1.0);
}
