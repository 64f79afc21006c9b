//! Exchanges with the h2 crate as either side, and with itself: whatever is sent arrives, over sockets of every size.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::poll_fn;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use prism_http2::{RecvStream, SendStream, client, server};
use tokio::io::DuplexStream;
use tokio::task::JoinSet;

/// The sizes of bodies, across those of frames, windows and buffers.
const SIZES: [usize; 9] = [0, 1, 100, 2049, 16_384, 16_385, 70_000, 300_000, 1_000_000];

/// How much of a socket is in flight.
const SOCKETS: [usize; 3] = [61, 4096, 1 << 20];

fn body(size: usize) -> Bytes {
    (0..size).map(|at| (at * 7 + at / 251) as u8).collect::<Vec<_>>().into()
}

fn trailers(size: usize) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("size", size.into());
    // Longer than a frame, so that it continues in another.
    let long = if size == 2049 { 20_000 } else { 3 };
    trailers.insert("long", "x".repeat(long).parse().unwrap());
    trailers
}

fn request(size: usize) -> Request<()> {
    Request::post(format!("http://localhost/echo/{size}")).header("te", "trailers").body(()).unwrap()
}

async fn read(body: &mut RecvStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(data) = body.data().await {
        bytes.extend_from_slice(&data.unwrap());
    }
    bytes
}

/// Sends bytes in pieces, each once there is room for a part of it.
async fn send(to: &mut SendStream, mut bytes: Bytes, end: bool) {
    while !bytes.is_empty() {
        poll_fn(|cx| to.poll_capacity(cx)).await.unwrap();
        let piece = bytes.split_to(bytes.len().min(9000));
        to.send_data(piece, end && bytes.is_empty()).unwrap();
    }
    if end && bytes.is_empty() {
        // Ended already, unless there was nothing to send.
        let _ = to.send_data(Bytes::new(), true);
    }
}

/// Echoes every request's body, piece by piece, and then sends trailers.
async fn serve(mut io: DuplexStream) {
    let config = server::Config { headers_bytes_max: 64 * 1024, ..server::Config::default() };
    server::read_preface(&mut io).await.unwrap();
    let mut connection = server::Connection::new(io, config);
    while let Some(accepted) = connection.accept().await {
        let (request, mut respond) = accepted.unwrap();
        tokio::spawn(async move {
            let mut body = request.into_body();
            respond.send_response(Response::new(()), false).unwrap();
            let mut size = 0;
            while let Some(data) = body.data().await {
                let data = data.unwrap();
                size += data.len();
                send(&mut respond, data, false).await;
            }
            respond.send_trailers(trailers(size)).unwrap();
        });
    }
}

async fn call(mut to: client::SendRequest, size: usize) {
    poll_fn(|cx| to.poll_ready(cx)).await.unwrap();
    let (response, mut sending) = to.send_request(request(size), false).unwrap();
    let receive = async {
        let (head, mut receiving) = response.await.unwrap().into_parts();
        assert_eq!(head.status, 200);
        assert_eq!(read(&mut receiving).await, body(size));
        assert_eq!(receiving.trailers().await.unwrap(), Some(trailers(size)));
        assert!(receiving.is_end_stream());
    };
    tokio::join!(send(&mut sending, body(size), true), receive);
}

/// All sizes at once, three times on one connection; then the connection ends by itself.
async fn exchange(socket: usize, far: impl FnOnce(DuplexStream)) {
    let (near, other) = tokio::io::duplex(socket);
    far(other);
    let config = client::Config {
        headers_bytes_max: 64 * 1024,
        frame_bytes_max: 64 * 1024,
        initial_streams_max: 1,
        ..client::Config::default()
    };
    let (to, connection) = client::connect(near, config);
    let driven = tokio::spawn(connection);
    for _ in 0..3 {
        let mut calls: JoinSet<()> = SIZES.into_iter().map(|size| call(to.clone(), size)).collect();
        while let Some(ended) = calls.join_next().await {
            ended.unwrap();
        }
    }
    drop(to);
    driven.await.unwrap().unwrap();
}

#[tokio::test]
async fn both_sides_are_ours() {
    for socket in SOCKETS {
        exchange(socket, |io| drop(tokio::spawn(serve(io)))).await;
    }
}

#[tokio::test]
async fn our_client_and_another_server() {
    for socket in SOCKETS {
        exchange(socket, |io| {
            tokio::spawn(async move {
                let mut builder = h2::server::Builder::new();
                builder.max_concurrent_streams(4).max_header_list_size(64 * 1024);
                let mut connection = builder.handshake::<_, Bytes>(io).await.unwrap();
                while let Some(accepted) = connection.accept().await {
                    let (request, mut respond) = accepted.unwrap();
                    tokio::spawn(async move {
                        let mut body = request.into_body();
                        let mut to = respond.send_response(Response::new(()), false).unwrap();
                        let mut size = 0;
                        while let Some(data) = body.data().await {
                            let data = data.unwrap();
                            size += data.len();
                            body.flow_control().release_capacity(data.len()).unwrap();
                            to.send_data(data, false).unwrap();
                        }
                        to.send_trailers(trailers(size)).unwrap();
                    });
                }
            });
        })
        .await;
    }
}

#[tokio::test]
async fn another_client_and_our_server() {
    for socket in SOCKETS {
        let (near, far) = tokio::io::duplex(socket);
        tokio::spawn(serve(far));
        let mut builder = h2::client::Builder::new();
        builder.max_header_list_size(64 * 1024);
        let (to, connection) = builder.handshake::<_, Bytes>(near).await.unwrap();
        tokio::spawn(connection);
        for _ in 0..3 {
            let mut calls = JoinSet::new();
            for size in SIZES {
                let to = to.clone();
                calls.spawn(async move {
                    let mut to = to.ready().await.unwrap();
                    let (response, mut sending) = to.send_request(request(size), false).unwrap();
                    sending.send_data(body(size), true).unwrap();
                    let mut receiving = response.await.unwrap().into_body();
                    let mut bytes = Vec::new();
                    while let Some(data) = receiving.data().await {
                        let data = data.unwrap();
                        receiving.flow_control().release_capacity(data.len()).unwrap();
                        bytes.extend_from_slice(&data);
                    }
                    assert_eq!(bytes, body(size));
                    assert_eq!(receiving.trailers().await.unwrap(), Some(trailers(size)));
                });
            }
            while let Some(ended) = calls.join_next().await {
                ended.unwrap();
            }
        }
    }
}
