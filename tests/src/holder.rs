//! A client that does not go on: it holds its calls, and reads no answers.

use bytes::Bytes;
use h2::SendStream;
use h2::client::{ResponseFuture, SendRequest};
use http::Request;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// A connection whose calls are kept incomplete.
#[derive(Debug)]
pub struct Holder(pub SendRequest<Bytes>);

impl Holder {
    /// Connects; the server may send this much ahead on each stream.
    ///
    /// # Panics
    /// Nothing listens.
    pub async fn open(address: &str, window_bytes: u32) -> Self {
        Self::over(TcpStream::connect(address).await.expect("the connection lives"), window_bytes).await
    }

    /// The same over a stream.
    ///
    /// # Panics
    /// It does not speak HTTP/2.
    pub async fn over(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        window_bytes: u32,
    ) -> Self {
        let mut http2 = h2::client::Builder::new();
        http2.initial_window_size(window_bytes).initial_max_send_streams(2048);
        let (send, driver) = http2.handshake(stream).await.expect("the connection lives");
        tokio::spawn(driver);
        Self(send)
    }

    /// Starts a call with additional headers and no message yet.
    ///
    /// # Panics
    /// The connection is gone, or the path or a header is invalid.
    pub async fn begin(
        &self,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> (ResponseFuture, SendStream<Bytes>) {
        let mut request = Request::post(format!("http://localhost{path}"));
        request = request.header("content-type", "application/grpc").header("te", "trailers");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut send = self.0.clone().ready().await.expect("the connection lives");
        send.send_request(request.body(()).expect("the connection lives"), false)
            .expect("the connection lives")
    }

    /// Starts a call with a message and leaves it open.
    ///
    /// # Panics
    /// The connection is gone.
    pub async fn hold(&self, path: &str, message: Bytes) -> (ResponseFuture, SendStream<Bytes>) {
        let (response, mut stream) = self.begin(path, &[]).await;
        stream.send_data(message, false).expect("the connection lives");
        (response, stream)
    }

    /// Makes a call whose answer is left unread.
    ///
    /// # Panics
    /// The connection is gone.
    pub async fn call(&self, path: &str, message: Bytes) -> ResponseFuture {
        let (response, mut stream) = self.begin(path, &[]).await;
        stream.send_data(message, true).expect("the connection lives");
        response
    }
}
