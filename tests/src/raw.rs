//! Raw HTTP/2: sends what no gRPC client would, and reads the response as it arrives.

use bytes::{Buf as _, Bytes, BytesMut};
use h2::client::SendRequest;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Request, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// A connection that stays open for any number of requests.
#[derive(Debug)]
pub struct Connection {
    send: SendRequest<Bytes>,
}

/// A complete response.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub http: StatusCode,
    /// The head's headers, overridden by the trailers.
    pub headers: HeaderMap,
    /// The messages, without their prefixes.
    pub messages: Vec<Bytes>,
}

impl Connection {
    /// Connects.
    ///
    /// # Panics
    /// Nothing listens.
    pub async fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("somebody listens");
        stream.set_nodelay(true).expect("TCP has the option");
        Self::over(stream).await.expect("it speaks HTTP/2")
    }

    /// Speaks HTTP/2 over a connection.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn over(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<Self, h2::Error> {
        // h2 uses half of the window as the budget for small frames that wait unread.
        let mut http2 = h2::client::Builder::new();
        http2.initial_connection_window_size(16 << 20);
        let (send, driver) = http2.handshake(stream).await?;
        tokio::spawn(driver);
        Ok(Self { send })
    }

    /// Sends a gRPC request with additional headers and a body in pieces, each its own DATA frame.
    ///
    /// # Panics
    /// The connection is gone.
    pub async fn call(&self, path: &str, headers: &[(&'static str, &str)], pieces: &[&[u8]]) -> Answer {
        self.try_call(path, headers, pieces).await.expect("the connection lives")
    }

    /// The same on a connection that may be gone.
    ///
    /// # Errors
    /// It is.
    ///
    /// # Panics
    /// The path or a header is invalid.
    pub async fn try_call(
        &self,
        path: &str,
        headers: &[(&'static str, &str)],
        pieces: &[&[u8]],
    ) -> Result<Answer, h2::Error> {
        let mut request = Request::post(format!("http://localhost{path}"));
        let map = request.headers_mut().expect("the path is valid");
        map.insert(CONTENT_TYPE, "application/grpc".parse().expect("a valid value"));
        map.insert("te", "trailers".parse().expect("a valid value"));
        for (name, value) in headers {
            map.insert(*name, value.parse().expect("a valid value"));
        }
        self.try_request(request.body(()).expect("a valid request"), pieces).await
    }

    /// Sends any request.
    ///
    /// # Panics
    /// The connection is gone.
    pub async fn request(&self, request: Request<()>, pieces: &[&[u8]]) -> Answer {
        self.try_request(request, pieces).await.expect("the connection lives")
    }

    async fn try_request(&self, request: Request<()>, pieces: &[&[u8]]) -> Result<Answer, h2::Error> {
        let mut send = self.send.clone().ready().await?;
        let (response, mut stream) = send.send_request(request, pieces.is_empty())?;
        for (index, piece) in pieces.iter().enumerate() {
            // A server may respond before it has read everything.
            let _ = stream.send_data(Bytes::copy_from_slice(piece), index + 1 == pieces.len());
        }
        let (head, mut body) = response.await?.into_parts();
        let mut data = BytesMut::new();
        while let Some(piece) = body.data().await {
            let piece = piece?;
            body.flow_control().release_capacity(piece.len())?;
            data.extend_from_slice(&piece);
        }
        let mut headers = head.headers;
        headers.extend(body.trailers().await?.unwrap_or_default());
        Ok(Answer { http: head.status, headers, messages: messages(data) })
    }
}

fn messages(mut data: BytesMut) -> Vec<Bytes> {
    let mut messages = Vec::new();
    while data.len() >= 5 {
        data.advance(1);
        let len = data.get_u32() as usize;
        messages.push(data.split_to(len).freeze());
    }
    messages
}

impl Answer {
    /// The gRPC status of the call.
    #[must_use]
    pub fn status(&self) -> Option<tonic::Status> {
        tonic::Status::from_header_map(&self.headers)
    }

    /// The code and the reason of a failed call.
    ///
    /// # Panics
    /// It did not fail, or has no reason of Prism's.
    #[must_use]
    pub fn refusal(&self) -> (tonic::Code, prism_proto::Error) {
        let status = self.status().unwrap_or_else(|| panic!("no gRPC status: {self:?}"));
        let error = prism_proto::Error::from_status(&status);
        (status.code(), error.unwrap_or_else(|| panic!("no reason: {status:?}")))
    }
}
