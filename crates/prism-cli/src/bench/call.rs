//! One call: sends a framed message and reads the response to its end.

use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, TE};
use http::{HeaderMap, Request, StatusCode, response};
use prism_grpc::head::{GRPC_TIMEOUT, timeout_value};
use prism_http2::client::SendRequest;
use prism_http2::{Error, Reason, RecvStream};
use tonic::Code;

use super::kind::Kind;
use super::message::Message;

/// The head of all requests of one kind; cheap to clone.
pub(super) fn head(
    kind: Kind,
    origin: &str,
    timeout: Duration,
    authorization: Option<&HeaderValue>,
) -> Result<Request<()>, http::Error> {
    let mut head = Request::post(format!("{origin}{}", kind.path()))
        .header(CONTENT_TYPE, HeaderValue::from_static("application/grpc"))
        .header(TE, HeaderValue::from_static("trailers"))
        .header(GRPC_TIMEOUT, timeout_value(timeout));
    if let Some(authorization) = authorization {
        head = head.header(AUTHORIZATION, authorization.clone());
    }
    head.body(())
}

/// Makes a call. Returns how many bytes of messages were received, or the code with which it failed.
pub(super) async fn call(send: &mut SendRequest, head: Request<()>, message: Message) -> Result<usize, Code> {
    let (response, mut body) = send.send_request(head, false).map_err(code_of)?;
    if message.value.is_empty() {
        body.send_data(message.head, true).map_err(code_of)?;
    } else {
        body.send_data(message.head, false).map_err(code_of)?;
        body.send_data(message.value, true).map_err(code_of)?;
    }
    let (head, body) = response.await.map_err(code_of)?.into_parts();
    read(&head, body).await
}

async fn read(head: &response::Parts, mut body: RecvStream) -> Result<usize, Code> {
    let mut bytes = 0;
    while let Some(data) = body.data().await {
        bytes += data.map_err(code_of)?.len();
    }
    let trailers = body.trailers().await.map_err(code_of)?;
    match status(trailers.as_ref().unwrap_or(&head.headers)) {
        Some(b"0") => Ok(bytes),
        Some(code) => Err(Code::from_bytes(code)),
        None => Err(code_of_http(head.status)),
    }
}

fn status(headers: &HeaderMap) -> Option<&[u8]> {
    headers.get("grpc-status").map(HeaderValue::as_bytes)
}

/// The code of a broken stream or connection: the table of gRPC over HTTP/2.
fn code_of(error: Error) -> Code {
    match error.reason() {
        Some(Reason::CANCEL) => Code::Cancelled,
        Some(Reason::ENHANCE_YOUR_CALM) => Code::ResourceExhausted,
        Some(Reason::INADEQUATE_SECURITY) => Code::PermissionDenied,
        Some(Reason::REFUSED_STREAM) => Code::Unavailable,
        _ if error.is_io() || error.is_go_away() => Code::Unavailable,
        _ => Code::Internal,
    }
}

/// The code of a response without a gRPC status: gRPC's table of HTTP statuses.
fn code_of_http(status: StatusCode) -> Code {
    match status {
        StatusCode::BAD_REQUEST => Code::Internal,
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::FORBIDDEN => Code::PermissionDenied,
        StatusCode::NOT_FOUND => Code::Unimplemented,
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Code::Unavailable,
        _ => Code::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_head() {
        for kind in Kind::ALL {
            let token = HeaderValue::from_static("Bearer token");
            let head = head(kind, "http://[::1]:80", Duration::from_secs(2), Some(&token)).unwrap();
            assert_eq!(head.headers()["authorization"], token);
            assert_eq!((head.uri().path(), head.method().as_str()), (kind.path(), "POST"));
            assert_eq!(head.headers()["grpc-timeout"], "2000m");
        }
    }
}
