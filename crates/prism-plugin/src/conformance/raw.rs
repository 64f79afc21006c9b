//! Bare HTTP/2 requests, for what tonic's client would not send and for responses it would not show.

use std::future::{pending, poll_fn};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Request, response};
use prism_grpc::message::{PREFIX_BYTES, framed};
use prism_http2::client::{Config, ResponseFuture, SendRequest, connect};
use prism_http2::{Error, Reason, RecvStream, SendStream};
use prost::Message;
use tonic::Status;

use super::endpoint::Endpoint;

/// The maximum number of response bytes that are read.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// One connection; it closes when this is dropped and its streams have ended.
pub(super) struct Raw {
    send: SendRequest,
    origin: String,
    authorization: Option<HeaderValue>,
}

/// A request to send.
pub(super) struct RawCall<'a> {
    pub(super) path: &'a str,
    pub(super) content_type: Option<&'a str>,
    pub(super) headers: &'a [(&'a str, &'a str)],
    /// Everything after the head; if empty, the head ends the stream.
    pub(super) body: Bytes,
}

impl<'a> RawCall<'a> {
    pub(super) fn new(path: &'a str, body: Bytes) -> Self {
        Self { path, content_type: Some("application/grpc"), headers: &[], body }
    }

    pub(super) fn message(path: &'a str, message: &impl Message) -> Self {
        Self::new(path, framed(&message.encode_to_vec()))
    }
}

/// The response.
#[derive(Debug)]
pub(super) struct RawAnswer {
    pub(super) head: response::Parts,
    body: Vec<u8>,
    trailers: Option<HeaderMap>,
}

impl RawAnswer {
    /// The gRPC status, from the trailers or, in a trailers-only response, from the head.
    pub(super) fn status(&self) -> Option<Status> {
        let trailers = self.trailers.as_ref().unwrap_or(&self.head.headers);
        Status::from_header_map(trailers)
    }

    /// The response as the result of a call: its first message's bytes, or its status.
    pub(super) fn outcome(&self) -> Result<Bytes, Status> {
        match self.status() {
            Some(status) if status.code() == tonic::Code::Ok => {
                Ok(self.body.get(PREFIX_BYTES..).map(Bytes::copy_from_slice).unwrap_or_default())
            }
            Some(status) => Err(status),
            None => Err(Status::unknown(format!("HTTP {} without a grpc-status", self.head.status.as_u16()))),
        }
    }
}

impl Raw {
    /// Connects; the error says why it failed.
    pub(super) async fn connect(endpoint: &Endpoint) -> Result<Self, String> {
        let stream = endpoint.connect().await.map_err(|error| error.to_string())?;
        let (send, connection) = connect(stream, Config::default());
        tokio::spawn(async move {
            // A failure shows in the connection's calls.
            let _ = connection.await;
        });
        let authorization = endpoint.authorization().cloned();
        Ok(Self { send, origin: endpoint.origin(), authorization })
    }

    /// Makes a call. The error says how the stream or connection ended without a response.
    pub(super) async fn call(&self, call: RawCall<'_>) -> Result<RawAnswer, String> {
        self.exchange(call).await.map_err(|error| error.to_string())
    }

    async fn exchange(&self, call: RawCall<'_>) -> Result<RawAnswer, Error> {
        let body = call.body.clone();
        let (response, mut stream) = self.begin(call).await?;
        // A server may respond, in part or in full, before it has read everything.
        let sending = async {
            send_all(&mut stream, body).await;
            pending::<()>().await;
        };
        let receiving = async {
            let (head, mut body) = response.await?.into_parts();
            let bytes = read_body(&mut body).await?;
            let trailers = poll_fn(|cx| body.poll_trailers(cx)).await?;
            Ok(RawAnswer { head, body: bytes, trailers })
        };
        tokio::select! {
            answer = receiving => answer,
            () = sending => Err(Reason::INTERNAL_ERROR.into()),
        }
    }

    /// Starts a call that will be cancelled; its body is not sent, but its head says whether there is one.
    pub(super) async fn begin(&self, call: RawCall<'_>) -> Result<(ResponseFuture, SendStream), Error> {
        let mut request = Request::post(format!("{}{}", self.origin, call.path)).header("te", "trailers");
        if let Some(content_type) = call.content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        for (name, value) in call.headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).map_err(|_| Error::from(Reason::INTERNAL_ERROR))?;
        self.send.clone().ready().await?.send_request(request, call.body.is_empty())
    }
}

/// Sends a body as fast as the server reads it. If the server stops reading, its response says why.
pub(super) async fn send_all(stream: &mut SendStream, mut body: Bytes) {
    while !body.is_empty() {
        let Ok(capacity) = poll_fn(|cx| stream.poll_capacity(cx)).await else { return };
        let piece = body.split_to(capacity.min(body.len()));
        if stream.send_data(piece, body.is_empty()).is_err() {
            return;
        }
    }
}

async fn read_body(body: &mut RecvStream) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    while let Some(data) = body.data().await {
        let data = data?;
        bytes.extend_from_slice(&data);
        if bytes.len() > ANSWER_BYTES_MAX {
            return Err(Reason::FLOW_CONTROL_ERROR.into());
        }
    }
    Ok(bytes)
}
