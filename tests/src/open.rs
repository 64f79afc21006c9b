//! A call that stays in flight for as long as it is held.

use futures_util::stream;
use tokio::sync::mpsc;
use tonic::Streaming;

use crate::echo::echo_interface_client::EchoInterfaceClient;
use crate::echo::{EchoRequest, EchoResponse};
use crate::process::Proxy;

/// An open stream on a namespace of `echo-plugin`: one response for each request.
#[derive(Debug)]
pub struct Open {
    requests: mpsc::Sender<EchoRequest>,
    answers: Streaming<EchoResponse>,
}

impl Open {
    /// Opens one.
    ///
    /// # Panics
    /// It is refused.
    pub async fn begin(proxy: &Proxy, namespace: &str) -> Self {
        let client = EchoInterfaceClient::connect(format!("http://{}", proxy.grpc())).await;
        let (requests, queue) = mpsc::channel(1);
        requests.send(Self::request(namespace, "first")).await.expect("the queue is open");
        let queue = stream::unfold(queue, |mut queue| async { queue.recv().await.map(|next| (next, queue)) });
        let answers = client.expect("the proxy listens").bidirectional(queue).await;
        let mut open = Self { requests, answers: answers.expect("the call is taken").into_inner() };
        assert_eq!(open.answer().await.as_deref(), Some(&b"first"[..]));
        open
    }

    /// A request with one response.
    #[must_use]
    pub fn request(namespace: &str, payload: &str) -> EchoRequest {
        EchoRequest { namespace: namespace.into(), payload: payload.into(), repeat: 1, ..Default::default() }
    }

    /// Verifies that it still works.
    ///
    /// # Panics
    /// It does not.
    pub async fn is_alive(&mut self) {
        self.requests.send(Self::request("", "again")).await.expect("the call is in flight");
        assert_eq!(self.answer().await.as_deref(), Some(&b"again"[..]));
    }

    /// Sends no more, and verifies that it ends well.
    ///
    /// # Panics
    /// It does not.
    pub async fn ends_well(self) {
        let Self { requests, mut answers } = self;
        drop(requests);
        assert_eq!(answers.message().await.expect("the call ends well"), None);
    }

    async fn answer(&mut self) -> Option<Vec<u8>> {
        let answer = self.answers.message().await.expect("the call is in flight");
        answer.map(|answer| answer.payload.to_vec())
    }
}
