//! The proxy forwards every interface, known or not, untouched.

use futures_util::{StreamExt as _, stream};
use prism_e2e::echo::EchoRequest;
use prism_e2e::echo::echo_interface_client::EchoInterfaceClient;
use prism_e2e::process::{Process, Proxy};
use tonic::transport::Channel;

struct Stack {
    _plugin: Process,
    _proxy: Proxy,
    client: EchoInterfaceClient<Channel>,
}

/// A proxy whose namespace `echo` is served by a plugin with an interface that Prism does not know.
async fn stack() -> Stack {
    let plugin = Process::start("echo-plugin", ["--listen", "127.0.0.1:0"]);
    let config = format!(
        "namespaces:\n  - {{ name: echo, pattern: keyvalue, plugin: {{ endpoint: \"{}\" }} }}\n",
        plugin.grpc()
    );
    let proxy = Proxy::with_config(&config);
    let channel = Channel::from_shared(format!("http://{}", proxy.grpc())).unwrap().connect().await.unwrap();
    Stack { _plugin: plugin, _proxy: proxy, client: EchoInterfaceClient::new(channel) }
}

fn request(payload: &str) -> EchoRequest {
    EchoRequest { namespace: "echo".into(), payload: payload.into(), ..Default::default() }
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
    let requests = stream::unfold(requests, async |mut requests| requests.recv().await.map(|next| (next, requests)));
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
