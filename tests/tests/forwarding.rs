//! The proxy forwards every interface, known or not, unmodified.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write as _;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use prism_e2e::echo::echo_interface_client::EchoInterfaceClient;
use prism_e2e::echo::{EchoRequest, EchoResponse};
use prism_e2e::process::{Process, Proxy};
use prism_e2e::raw;
use prism_proto::ErrorReason;
use prost::Message as _;
use rustix::process::Signal;
use tonic::Code;
use tonic::transport::Channel;

const UNARY: &str = "/prism.interfaces.echo.EchoInterface/Unary";

struct Stack {
    _plugin: Process,
    proxy: Proxy,
    client: EchoInterfaceClient<Channel>,
}

/// A proxy whose namespace `echo` is served by a plugin with an interface that Prism does not know.
async fn stack() -> Stack {
    let plugin = Process::start("echo-plugin", ["--listen", "127.0.0.1:0"]);
    let proxy = Proxy::start(&[("echo", plugin.grpc())]);
    let channel = Channel::from_shared(format!("http://{}", proxy.grpc())).unwrap().connect().await.unwrap();
    Stack { _plugin: plugin, proxy, client: EchoInterfaceClient::new(channel) }
}

fn request(payload: &str) -> EchoRequest {
    EchoRequest { namespace: "echo".into(), payload: payload.into(), ..Default::default() }
}

fn framed(request: &EchoRequest) -> Bytes {
    prism_grpc::message::framed(&request.encode_to_vec())
}

#[tokio::test]
async fn an_unknown_interface_is_forwarded_with_every_kind_of_method() {
    let mut stack = stack().await;
    let client = &mut stack.client;

    let answer = client.unary(request("one")).await.unwrap().into_inner();
    assert_eq!(answer.payload, b"one");

    let answers = client.server_streaming(EchoRequest { repeat: 5000, ..request("many") }).await.unwrap();
    assert_eq!(answers.into_inner().filter(|answer| std::future::ready(answer.is_ok())).count().await, 5000);

    let requests = stream::iter((0..500).map(|number| request(&format!("{number} "))));
    let answer = client.client_streaming(requests).await.unwrap().into_inner();
    assert_eq!(answer.requests, 500);
    assert_eq!(answer.payload, (0..500).map(|number| format!("{number} ")).collect::<String>().as_bytes());
}

#[tokio::test]
async fn a_bidirectional_stream_goes_back_and_forth() {
    let mut stack = stack().await;
    let client = &mut stack.client;
    let (send, requests) = tokio::sync::mpsc::channel(1);
    let requests =
        stream::unfold(requests, async |mut requests| requests.recv().await.map(|next| (next, requests)));
    send.send(request("0")).await.unwrap();
    let mut answers = client.bidirectional(requests).await.unwrap().into_inner();
    for number in 0..100 {
        let answer = answers.next().await.unwrap().unwrap();
        assert_eq!(answer.payload, number.to_string().as_bytes());
        send.send(request(&(number + 1).to_string())).await.unwrap();
    }
    drop(send);
    assert_eq!(answers.next().await.unwrap().unwrap().payload, b"100");
    assert!(answers.next().await.is_none());
}

#[tokio::test]
async fn metadata_passes_except_credentials_and_what_a_client_may_not_claim() {
    let mut stack = stack().await;
    let mut request = tonic::Request::new(request("x"));
    let metadata = request.metadata_mut();
    metadata
        .insert("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().unwrap());
    metadata.insert("authorization", "Bearer secret".parse().unwrap());
    metadata.insert("prism-role", "admin".parse().unwrap());
    metadata.insert_bin("blob-bin", tonic::metadata::MetadataValue::from_bytes(&[0, 255, 1]));
    let seen = stack.client.unary(request).await.unwrap().into_inner().metadata;
    assert!(
        seen.contains("traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\n"),
        "{seen}"
    );
    assert!(seen.contains(r#"blob-bin: b"\0\xff\x01""#), "{seen}");
    assert!(!seen.contains("secret") && !seen.contains("prism-role"), "{seen}");
}

#[tokio::test]
async fn the_deadline_is_passed_on_and_kept() {
    let mut stack = stack().await;
    let mut timed = tonic::Request::new(request("x"));
    timed.set_timeout(Duration::from_secs(100));
    let seen = stack.client.unary(timed).await.unwrap().into_inner().metadata;
    let passed_on = seen.lines().find_map(|line| line.strip_prefix("grpc-timeout: ")).unwrap();
    // The time left is rounded up, by at most 1 %.
    let seconds = match passed_on.strip_suffix('m') {
        Some(millis) => millis.parse::<u64>().unwrap() / 1000,
        None => passed_on.strip_suffix('S').unwrap().parse().unwrap(),
    };
    assert!((90..=100).contains(&seconds), "{passed_on}");

    // tonic's client enforces the deadline, too; only raw HTTP/2 shows what the proxy does.
    let raw = raw::Connection::open(stack.proxy.grpc()).await;
    let hanging = framed(&EchoRequest { hang: true, ..request("x") });
    let answer = raw.call(UNARY, &[("grpc-timeout", "50m")], &[&hanging]).await;
    let (code, error) = answer.refusal();
    assert_eq!((code, error.reason), (Code::DeadlineExceeded, ErrorReason::DeadlineExceeded));
}

#[tokio::test]
async fn a_unary_call_without_a_deadline_gets_the_namespaces() {
    let plugin = Process::start("echo-plugin", ["--listen", "127.0.0.1:0"]);
    let proxy = Proxy::with_config(&format!(
        "namespaces:\n  - {{ name: echo, pattern: keyvalue, timeout: 50ms, plugin: {{ endpoint: \"{}\" }} }}\n",
        plugin.grpc()
    ));
    let raw = raw::Connection::open(proxy.grpc()).await;
    // Known to be unary once the plugin's reflection has responded.
    let mut answered = false;
    while !answered {
        let seen = raw.call(UNARY, &[], &[&framed(&request("x"))]).await;
        let echoed = seen.messages.first().map(|message| EchoResponse::decode(message.clone()).unwrap());
        answered = match echoed {
            Some(echoed) => echoed.metadata.contains("grpc-timeout"),
            // The plugin was slower than the 50 ms; only they can have ended the call.
            None => seen.refusal().0 == Code::DeadlineExceeded,
        };
    }
    let hanging = framed(&EchoRequest { hang: true, ..request("x") });
    assert_eq!(raw.call(UNARY, &[], &[&hanging]).await.refusal().0, Code::DeadlineExceeded);
}

#[tokio::test]
async fn a_call_that_the_client_gives_up_is_given_up_at_the_plugin() {
    let mut stack = stack().await;
    let mut client = stack.client.clone();
    let hanging = EchoRequest { hang: true, ..request("x") };
    let hanging = tokio::spawn(async move { client.unary(hanging).await });
    while stack.client.unary(request("x")).await.unwrap().into_inner().hanging == 0 {}
    hanging.abort();
    assert!(hanging.await.unwrap_err().is_cancelled(), "it hangs");
    // The reset travels on its own; it arrives, or this test never ends.
    while stack.client.unary(request("x")).await.unwrap().into_inner().abandoned == 0 {}
}

#[tokio::test]
async fn gzip_is_routed_and_other_compression_is_refused() {
    let stack = stack().await;
    let raw = raw::Connection::open(stack.proxy.grpc()).await;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&request("packed").encode_to_vec()).unwrap();
    let packed = encoder.finish().unwrap();
    let framed_packed = [&[1], &u32::try_from(packed.len()).unwrap().to_be_bytes()[..], &packed].concat();

    let answer = raw.call(UNARY, &[("grpc-encoding", "gzip")], &[&framed_packed]).await;
    assert_eq!(EchoResponse::decode(answer.messages[0].clone()).unwrap().payload, b"packed");

    let answer = raw.call(UNARY, &[("grpc-encoding", "br")], &[&framed_packed]).await;
    let (code, error) = answer.refusal();
    assert_eq!((code, error.reason), (Code::Unimplemented, ErrorReason::CompressionUnsupported));
    assert_eq!(answer.headers["grpc-accept-encoding"], "identity,gzip");

    // Without grpc-encoding, nobody can know how it is compressed.
    let answer = raw.call(UNARY, &[], &[&framed_packed]).await;
    assert_eq!(answer.refusal().1.reason, ErrorReason::MalformedRequest);
}

#[tokio::test]
async fn a_small_message_that_unpacks_to_a_huge_one_is_refused() {
    let stack = stack().await;
    let raw = raw::Connection::open(stack.proxy.grpc()).await;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&vec![0; 64 << 20]).unwrap();
    let packed = encoder.finish().unwrap();
    let framed = [&[1], &u32::try_from(packed.len()).unwrap().to_be_bytes()[..], &packed].concat();
    let answer = raw.call(UNARY, &[("grpc-encoding", "gzip")], &[&framed]).await;
    let (code, error) = answer.refusal();
    assert_eq!((code, error.reason), (Code::InvalidArgument, ErrorReason::MessageTooLarge));
    assert_eq!(error.fact("limit"), Some("4194304"));
}

#[tokio::test]
async fn plugins_on_unix_sockets_are_served_and_their_files_removed() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("unix:{}", folder.path().join("plugin.sock").display());
    let mut plugin = Process::start("echo-plugin", ["--listen", &address]);
    assert_eq!(plugin.grpc(), address);
    let proxy = Proxy::start(&[("echo", &address)]);
    let channel = Channel::from_shared(format!("http://{}", proxy.grpc())).unwrap().connect().await.unwrap();
    let answer = EchoInterfaceClient::new(channel).unary(request("over a file")).await.unwrap();
    assert_eq!(answer.into_inner().payload, b"over a file");
    plugin.signal(Signal::TERM);
    assert!(plugin.wait().success());
    assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none());
}

#[tokio::test]
async fn an_interface_that_the_plugin_does_not_list_is_refused_without_asking_it() {
    let stack = stack().await;
    let raw = raw::Connection::open(stack.proxy.grpc()).await;
    let get = "/prism.interfaces.keyvalue.KeyValueBasicInterface/Get";
    let refusal = loop {
        // Until reflection has responded, calls are forwarded, and the plugin reports that it has no such method.
        let (code, error) = raw.call(get, &[], &[&framed(&request("x"))]).await.refusal();
        if code != Code::Unimplemented {
            break (code, error);
        }
        assert_eq!(error.reason, ErrorReason::MethodUnknown);
    };
    assert_eq!((refusal.0, refusal.1.reason), (Code::FailedPrecondition, ErrorReason::InterfaceNotServed));
    assert_eq!(refusal.1.fact("namespace"), Some("echo"));
}
