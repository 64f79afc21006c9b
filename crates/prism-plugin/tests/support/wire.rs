//! A server in front of the reference that forwards everything, and breaks one rule that the plugin kit would not let a
//! backend break.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use bytes::{Bytes, BytesMut};
use h2::RecvStream;
use h2::client::{self, SendRequest};
use h2::server::SendResponse;
use http::{HeaderMap, Request, Response};
use prism_grpc::incoming::Incoming;
use prism_grpc::message::framed;
use prism_grpc::payload::Payload;
use prism_grpc::pump::{Sent, pump};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tonic::Status;

use crate::support::flaws::{Answer, Exchange, Instead};

/// Starts it in front of `upstream` and returns its address. It ends with the runtime. `broken` is the case whose rule
/// it breaks.
pub(crate) async fn start(upstream: String, broken: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            tokio::spawn(serve(stream, upstream.clone(), broken));
        }
    });
    address
}

async fn serve(mut stream: TcpStream, upstream: String, broken: &'static str) {
    let mut begin = [0; 3];
    let is_http1 = stream.peek(&mut begin).await.is_ok() && begin == *b"GET";
    if is_http1 && broken == "wire/http1-is-turned-away" {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        return;
    }
    let Ok(mut forward) = TcpStream::connect(&upstream).await else { return };
    forward.set_nodelay(true).unwrap();
    if is_http1 {
        let _ = tokio::io::copy_bidirectional(&mut stream, &mut forward).await;
        return;
    }
    let mut builder = h2::server::Builder::new();
    builder.initial_window_size(1 << 20).initial_connection_window_size(8 << 20);
    let Ok(mut inbound) = builder.handshake::<_, Payload>(stream).await else { return };
    // Cases leave scans of small items unread, which h2 takes for a flood of small frames.
    let mut forwarding = client::Builder::new();
    forwarding
        .max_concurrent_reset_streams(1024)
        .max_local_error_reset_streams(None)
        .data_frame_budget(usize::MAX);
    let Ok((send, connection)) = forwarding.handshake(forward).await else { return };
    tokio::spawn(connection);
    // Once set, the next call ends the connection.
    let poisoned = Arc::new(AtomicBool::new(false));
    while let Some(Ok((request, respond))) = inbound.accept().await {
        if poisoned.load(SeqCst) {
            return;
        }
        tokio::spawn(exchange(request, respond, send.clone(), broken, Arc::clone(&poisoned)));
    }
}

async fn exchange(
    request: Request<RecvStream>,
    mut respond: SendResponse<Payload>,
    send: SendRequest<Bytes>,
    broken: &'static str,
    poisoned: Arc<AtomicBool>,
) {
    let (head, body) = request.into_parts();
    let Some(body) = whole(body).await else { return };
    let mut exchange = Exchange { head, body };
    match exchange.flaw(broken) {
        None => {
            let is_bad = exchange.is_garbage() && broken == "wire/bad-input-ends-no-connection";
            let is_scan = exchange.method() == "Scan" && broken == "scan/may-be-left-early";
            let is_delivered = forward(exchange, send, Some(&mut respond)).await.is_some();
            if is_bad || is_scan && !is_delivered {
                poisoned.store(true, SeqCst);
            }
        }
        Some(Instead { answer, after_the_call }) => {
            if after_the_call {
                forward(exchange, send, None).await;
            }
            reply(answer, &mut respond);
        }
    }
}

async fn whole(mut body: RecvStream) -> Option<Bytes> {
    let mut bytes = BytesMut::new();
    while let Some(data) = body.data().await {
        let data = data.ok()?;
        let _ = body.flow_control().release_capacity(data.len());
        bytes.extend_from_slice(&data);
    }
    Some(bytes.freeze())
}

/// Makes the call and forwards the response, or swallows it. `None`: it was not delivered.
async fn forward(
    exchange: Exchange,
    send: SendRequest<Bytes>,
    respond: Option<&mut SendResponse<Payload>>,
) -> Option<()> {
    let Exchange { head, mut body } = exchange;
    let request = Request::from_parts(head, ());
    let (response, mut stream) = send.ready().await.ok()?.send_request(request, body.is_empty()).ok()?;
    tokio::spawn(async move {
        while !body.is_empty() {
            stream.reserve_capacity(body.len());
            let capacity = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await;
            let Some(Ok(capacity)) = capacity else { return };
            let piece = body.split_to(capacity.min(body.len()));
            if stream.send_data(piece, body.is_empty()).is_err() {
                return;
            }
        }
    });
    let (head, body) = response.await.ok()?.into_parts();
    let Some(respond) = respond else {
        whole(body).await;
        return None;
    };
    let end = body.is_end_stream();
    let mut stream = respond.send_response(Response::from_parts(head, ()), end).ok()?;
    if end {
        Some(())
    } else {
        pump(pin!(Incoming::new(body)), &mut stream, None, &mut Sent::default(), None).await.ok()
    }
}

fn reply(answer: Answer, respond: &mut SendResponse<Payload>) {
    let mut response = Response::new(());
    response.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    match answer {
        Answer::Http(code) => {
            *response.status_mut() = code.try_into().unwrap();
            let _ = respond.send_response(response, true);
        }
        Answer::Status(status) => {
            status.add_header(response.headers_mut()).unwrap();
            let _ = respond.send_response(response, true);
        }
        Answer::Message(message) => {
            let Ok(mut stream) = respond.send_response(response, false) else { return };
            let mut trailers = HeaderMap::new();
            Status::ok("").add_header(&mut trailers).unwrap();
            let _ = stream.send_data(Payload::free(framed(&message)), false);
            let _ = stream.send_trailers(trailers);
        }
    }
}
