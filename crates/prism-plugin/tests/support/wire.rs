//! A server in front of the reference that forwards everything, and breaks one rule that the plugin kit would not let a
//! backend break.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, Response};
use prism_grpc::incoming::Incoming;
use prism_grpc::message::framed;
use prism_grpc::pump::{Sent, pump};
use prism_http2::client::{self, SendRequest};
use prism_http2::{RecvStream, SendStream, server};
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
    if server::read_preface(&mut stream).await.is_err() {
        return;
    }
    let windows = server::Config {
        stream_window_bytes: 1 << 20,
        connection_window_bytes: 8 << 20,
        ..server::Config::default()
    };
    let mut inbound = server::Connection::new(stream, windows);
    let (send, connection) = client::connect(forward, client::Config::default());
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
    mut respond: SendStream,
    send: SendRequest,
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
        bytes.extend_from_slice(&data);
    }
    Some(bytes.freeze())
}

/// Makes the call and forwards the response, or swallows it. `None`: it was not delivered.
async fn forward(exchange: Exchange, send: SendRequest, respond: Option<&mut SendStream>) -> Option<()> {
    let Exchange { head, mut body } = exchange;
    let request = Request::from_parts(head, ());
    let (response, mut stream) = send.ready().await.ok()?.send_request(request, body.is_empty()).ok()?;
    tokio::spawn(async move {
        while !body.is_empty() {
            let capacity = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await;
            let Ok(capacity) = capacity else { return };
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
    respond.send_response(Response::from_parts(head, ()), end).ok()?;
    if end {
        Some(())
    } else {
        pump(pin!(Incoming::new(body)), respond, None, &mut Sent::default(), None).await.ok()
    }
}

fn reply(answer: Answer, respond: &mut SendStream) {
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
            let _ = respond.send_response(response, false);
            let mut trailers = HeaderMap::new();
            Status::ok("").add_header(&mut trailers).unwrap();
            let _ = respond.send_data(framed(&message), false);
            let _ = respond.send_trailers(trailers);
        }
    }
}
