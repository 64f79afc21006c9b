//! The rules of RFC 9113, against a peer that is played frame by frame.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod peer;

use std::future::poll_fn;
use std::task::Poll;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use prism_http2::server::{Accepted, Config, Connection};
use prism_http2::{Reason, SendStream, client};
use tokio::sync::mpsc;

use peer::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PADDED, PING, PRIORITIZED, PRIORITY,
    PUSH_PROMISE, Peer, RST_STREAM, SETTINGS, WINDOW_UPDATE, code, request, response, setting, trailers,
};

const SMALL: Config = Config {
    streams_max: 4,
    frame_bytes_max: 16 * 1024,
    stream_window_bytes: 65_535,
    connection_window_bytes: 65_535,
    headers_bytes_max: 1024,
    send_buffer_bytes_max: 100_000,
    initial_streams_max: 100,
};

/// A server whose requests are taken from the channel, and its peer, whose SETTINGS have been exchanged.
async fn server(config: Config) -> (Peer, mpsc::UnboundedReceiver<Accepted>) {
    let (near, far) = tokio::io::duplex(1 << 20);
    let (to, accepted) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut connection = Connection::new(near, config);
        while let Some(Ok(request)) = connection.accept().await {
            let _ = to.send(request);
        }
    });
    let mut peer = Peer(far);
    peer.send(SETTINGS, 0, 0, &[]).await;
    peer.expect(SETTINGS).await;
    peer.expect(SETTINGS).await;
    (peer, accepted)
}

/// A frame to be sent: type, flags, stream, payload.
type Frame = (u8, u8, u32, Vec<u8>);

fn headers(id: u32, flags: u8) -> Frame {
    (HEADERS, END_HEADERS | flags, id, request(&[]))
}

#[tokio::test]
async fn what_breaks_a_connection_ends_it_with_the_right_reason() {
    let long = vec![0; 16 * 1024];
    let window: Vec<Frame> = [headers(1, 0), headers(3, 0), headers(5, 0)]
        .into_iter()
        .chain((0..5).map(|at| (DATA, 0, 1 + 2 * (at % 3), long.clone())))
        .collect();
    let endless: Vec<Frame> = [(HEADERS, 0, 1, request(&[]))]
        .into_iter()
        .chain((0..1000).map(|_| (CONTINUATION, 0, 1, vec![])))
        .collect();
    for (what, frames, reason) in [
        ("DATA of no stream", vec![(DATA, 0, 0, vec![1])], Reason::PROTOCOL_ERROR),
        ("DATA of an idle stream", vec![(DATA, 0, 7, vec![1])], Reason::PROTOCOL_ERROR),
        ("HEADERS of no stream", vec![headers(0, 0)], Reason::PROTOCOL_ERROR),
        ("HEADERS of a stream of the server's", vec![headers(2, 0)], Reason::PROTOCOL_ERROR),
        ("CONTINUATION alone", vec![(CONTINUATION, END_HEADERS, 1, vec![])], Reason::PROTOCOL_ERROR),
        (
            "PING within headers",
            vec![(HEADERS, 0, 1, request(&[])), (PING, 0, 0, vec![0; 8])],
            Reason::PROTOCOL_ERROR,
        ),
        (
            "CONTINUATION of another stream",
            vec![(HEADERS, 0, 1, request(&[])), (CONTINUATION, END_HEADERS, 3, vec![])],
            Reason::PROTOCOL_ERROR,
        ),
        ("CONTINUATION without end", endless, Reason::ENHANCE_YOUR_CALM),
        (
            "headers that cannot be decoded",
            vec![(HEADERS, END_HEADERS, 1, vec![0xff; 9])],
            Reason::COMPRESSION_ERROR,
        ),
        (
            "padding beyond the frame",
            vec![(HEADERS, END_HEADERS | PADDED, 1, vec![9, 0x83])],
            Reason::PROTOCOL_ERROR,
        ),
        ("padding without a length", vec![headers(1, 0), (DATA, PADDED, 1, vec![])], Reason::PROTOCOL_ERROR),
        (
            "half a priority",
            vec![(HEADERS, END_HEADERS | PRIORITIZED, 1, vec![0; 3])],
            Reason::FRAME_SIZE_ERROR,
        ),
        ("PRIORITY of a wrong length", vec![(PRIORITY, 0, 1, vec![0; 4])], Reason::FRAME_SIZE_ERROR),
        ("PRIORITY of no stream", vec![(PRIORITY, 0, 0, vec![0; 5])], Reason::PROTOCOL_ERROR),
        ("RST_STREAM of an idle stream", vec![(RST_STREAM, 0, 9, vec![0; 4])], Reason::PROTOCOL_ERROR),
        (
            "RST_STREAM of a wrong length",
            vec![headers(1, 0), (RST_STREAM, 0, 1, vec![0; 3])],
            Reason::FRAME_SIZE_ERROR,
        ),
        ("SETTINGS of a stream", vec![(SETTINGS, 0, 1, vec![])], Reason::PROTOCOL_ERROR),
        ("SETTINGS of a wrong length", vec![(SETTINGS, 0, 0, vec![0; 5])], Reason::FRAME_SIZE_ERROR),
        ("an acknowledgement with content", vec![(SETTINGS, ACK, 0, vec![0; 6])], Reason::FRAME_SIZE_ERROR),
        (
            "a window beyond the limit",
            vec![(SETTINGS, 0, 0, setting(4, 1 << 31))],
            Reason::FLOW_CONTROL_ERROR,
        ),
        (
            "a window that grows beyond the limit by SETTINGS",
            vec![
                headers(1, 0),
                (WINDOW_UPDATE, 0, 1, code(i32::MAX as u32 - 65_535)),
                (SETTINGS, 0, 0, setting(4, 65_536)),
            ],
            Reason::FLOW_CONTROL_ERROR,
        ),
        (
            "PUSH_PROMISE",
            vec![headers(1, 0), (PUSH_PROMISE, END_HEADERS, 1, vec![0; 4])],
            Reason::PROTOCOL_ERROR,
        ),
        ("PING of a wrong length", vec![(PING, 0, 0, vec![0; 7])], Reason::FRAME_SIZE_ERROR),
        ("PING of a stream", vec![(PING, 0, 1, vec![0; 8])], Reason::PROTOCOL_ERROR),
        ("GOAWAY of a wrong length", vec![(GOAWAY, 0, 0, vec![0; 7])], Reason::FRAME_SIZE_ERROR),
        ("GOAWAY of a stream", vec![(GOAWAY, 0, 1, vec![0; 8])], Reason::PROTOCOL_ERROR),
        ("WINDOW_UPDATE of nothing", vec![(WINDOW_UPDATE, 0, 0, code(0))], Reason::PROTOCOL_ERROR),
        (
            "WINDOW_UPDATE of a wrong length",
            vec![(WINDOW_UPDATE, 0, 0, vec![0; 5])],
            Reason::FRAME_SIZE_ERROR,
        ),
        ("WINDOW_UPDATE of an idle stream", vec![(WINDOW_UPDATE, 0, 1, code(1))], Reason::PROTOCOL_ERROR),
        (
            "a connection's window beyond the limit",
            vec![(WINDOW_UPDATE, 0, 0, code(i32::MAX as u32))],
            Reason::FLOW_CONTROL_ERROR,
        ),
        ("more than the connection's window", window, Reason::FLOW_CONTROL_ERROR),
        ("a frame that is too large", vec![(0x77, 0, 0, vec![0; 16 * 1024 + 1])], Reason::FRAME_SIZE_ERROR),
    ] {
        let (mut peer, _accepted) = server(SMALL).await;
        for (kind, flags, id, payload) in frames {
            peer.send(kind, flags, id, &payload).await;
        }
        let go_away = peer.expect(GOAWAY).await;
        assert_eq!(go_away.payload[4..8], code(reason.into()), "{what}");
        assert!(peer.next().await.is_none(), "{what}: the connection ends");
    }
}

#[tokio::test]
async fn the_first_frame_is_settings() {
    for (kind, flags) in [(PING, 0), (SETTINGS, ACK)] {
        let (near, far) = tokio::io::duplex(1 << 20);
        tokio::spawn(async move { Connection::new(near, SMALL).accept().await.is_none() });
        let mut peer = Peer(far);
        peer.send(kind, flags, 0, if kind == PING { &[0; 8] } else { &[] }).await;
        assert_eq!(peer.expect(GOAWAY).await.payload[4..8], code(Reason::PROTOCOL_ERROR.into()));
    }
}

#[tokio::test]
async fn what_breaks_a_stream_resets_it_alone() {
    let with = |fields: &[(&str, &str)], flags: u8| vec![(HEADERS, END_HEADERS | flags, 1, request(fields))];
    let and = |mut frames: Vec<Frame>, more: Frame| {
        frames.push(more);
        frames
    };
    let open = || vec![headers(1, 0)];
    let half: Vec<Frame> =
        open().into_iter().chain((0..3).map(|_| (DATA, 0, 1, vec![0; 16 * 1024]))).collect();
    for (what, frames, reason) in [
        ("a header of HTTP/1.1", with(&[("connection", "close")], 0), Reason::PROTOCOL_ERROR),
        ("a length that is no number", with(&[("content-length", "x")], 0), Reason::PROTOCOL_ERROR),
        ("a length without a body", with(&[("content-length", "1")], END_STREAM), Reason::PROTOCOL_ERROR),
        (
            "more than the length says",
            and(with(&[("content-length", "1")], 0), (DATA, 0, 1, vec![0; 2])),
            Reason::PROTOCOL_ERROR,
        ),
        (
            "less than the length says",
            and(with(&[("content-length", "3")], 0), (DATA, END_STREAM, 1, vec![0; 2])),
            Reason::PROTOCOL_ERROR,
        ),
        (
            "trailers that are not the end",
            and(open(), (HEADERS, END_HEADERS, 1, trailers())),
            Reason::PROTOCOL_ERROR,
        ),
        (
            "a pseudo-header in trailers",
            and(open(), (HEADERS, END_HEADERS | END_STREAM, 1, request(&[]))),
            Reason::PROTOCOL_ERROR,
        ),
        ("DATA behind the end", and(with(&[], END_STREAM), (DATA, 0, 1, vec![0])), Reason::STREAM_CLOSED),
        (
            "headers behind the end",
            and(with(&[], END_STREAM), (HEADERS, END_HEADERS | END_STREAM, 1, trailers())),
            Reason::STREAM_CLOSED,
        ),
        ("WINDOW_UPDATE of nothing", and(open(), (WINDOW_UPDATE, 0, 1, code(0))), Reason::PROTOCOL_ERROR),
        (
            "a window beyond the limit",
            and(open(), (WINDOW_UPDATE, 0, 1, code(i32::MAX as u32))),
            Reason::FLOW_CONTROL_ERROR,
        ),
        (
            "more than the stream's window",
            and(half, (DATA, 0, 1, vec![0; 16 * 1024])),
            Reason::FLOW_CONTROL_ERROR,
        ),
    ] {
        let config = Config { connection_window_bytes: 1 << 20, ..SMALL };
        let (mut peer, mut accepted) = server(config).await;
        for (kind, flags, id, payload) in frames {
            peer.send(kind, flags, id, &payload).await;
        }
        let reset = peer.expect(RST_STREAM).await;
        assert_eq!((reset.stream, reset.payload), (1, code(reason.into())), "{what}");
        // The next is served.
        peer.send(HEADERS, END_HEADERS | END_STREAM, 3, &request(&[])).await;
        loop {
            let (request, mut respond) = accepted.recv().await.unwrap();
            // The one that was reset may have been accepted before.
            if respond.send_response(Response::new(()), true).is_ok() {
                break drop(request);
            }
        }
        let head = peer.expect(HEADERS).await;
        assert_eq!((head.stream, head.flags & END_STREAM), (3, END_STREAM), "{what}");
    }
}

#[tokio::test]
async fn a_list_of_headers_that_is_too_large_is_answered_431() {
    let (mut peer, _accepted) = server(SMALL).await;
    let long = "x".repeat(900);
    peer.send(HEADERS, END_HEADERS, 1, &request(&[("a", &long)])).await;
    let head = peer.expect(HEADERS).await;
    assert_eq!((head.stream, &head.payload[2..]), (1, b"431".as_slice()));
    assert_eq!(peer.expect(RST_STREAM).await.payload, code(Reason::NO_ERROR.into()));
}

#[tokio::test]
async fn streams_beyond_the_limit_are_refused_and_one_that_ends_makes_room() {
    let (mut peer, mut accepted) = server(SMALL).await;
    for id in [1, 3, 5, 7, 9] {
        peer.send(HEADERS, END_HEADERS | END_STREAM, id, &request(&[])).await;
    }
    let refused = peer.expect(RST_STREAM).await;
    assert_eq!((refused.stream, refused.payload), (9, code(Reason::REFUSED_STREAM.into())));
    let (_request, mut respond) = accepted.recv().await.unwrap();
    respond.send_response(Response::new(()), true).unwrap();
    peer.expect(HEADERS).await;
    peer.send(HEADERS, END_HEADERS | END_STREAM, 11, &request(&[])).await;
    for _ in 0..4 {
        assert!(accepted.recv().await.is_some());
    }
}

#[tokio::test]
async fn what_is_unknown_or_late_is_ignored() {
    let (mut peer, mut accepted) = server(SMALL).await;
    peer.send(
        HEADERS,
        END_HEADERS | PADDED | PRIORITIZED,
        1,
        &[&[2, 0, 0, 0, 0, 9][..], &request(&[]), &[0; 2]].concat(),
    )
    .await;
    let (_request, respond) = accepted.recv().await.unwrap();
    drop((_request, respond));
    assert_eq!(peer.expect(RST_STREAM).await.payload, code(Reason::CANCEL.into()));
    // For a stream that has been reset here, and of a kind that nobody knows.
    peer.send(DATA, END_STREAM, 1, &[0; 100]).await;
    peer.send(HEADERS, END_HEADERS | END_STREAM, 1, &trailers()).await;
    peer.send(WINDOW_UPDATE, 0, 1, &code(5)).await;
    peer.send(RST_STREAM, 0, 1, &code(8)).await;
    peer.send(0xfa, 0xff, 77, &[1; 30]).await;
    peer.send(PRIORITY, 0, 99, &[0; 5]).await;
    peer.send(PING, 0, 0, b"12345678").await;
    let pong = peer.expect(PING).await;
    assert_eq!((pong.flags, pong.payload.as_slice()), (ACK, b"12345678".as_slice()));
}

/// Polls until there is no room for more.
async fn fill(stream: &mut SendStream) -> usize {
    let mut sent = 0;
    while let Poll::Ready(Ok(room)) = poll_fn(|cx| Poll::Ready(stream.poll_capacity(cx))).await {
        let piece = vec![7; room.min(10_000)];
        sent += piece.len();
        stream.send_data(Bytes::from(piece), false).unwrap();
        tokio::task::yield_now().await;
    }
    sent
}

#[tokio::test]
async fn a_client_that_reads_nothing_bounds_what_is_held_for_it() {
    let (near, far) = tokio::io::duplex(1000);
    let (to, mut accepted) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut connection = Connection::new(near, SMALL);
        while let Some(Ok(request)) = connection.accept().await {
            let _ = to.send(request);
        }
    });
    let mut peer = Peer(far);
    peer.send(SETTINGS, 0, 0, &setting(4, i32::MAX as u32)).await;
    peer.send(WINDOW_UPDATE, 0, 0, &code(1 << 30)).await;
    let mut held = Vec::new();
    for id in [1, 3, 5, 7] {
        peer.send(HEADERS, END_HEADERS | END_STREAM, id, &request(&[])).await;
        let (_, mut respond) = accepted.recv().await.unwrap();
        respond.send_response(Response::new(()), false).unwrap();
        held.push(respond);
    }
    let mut sent = 0;
    for respond in &mut held {
        sent += fill(respond).await;
    }
    // The output, the buffer of each stream, and a piece more of each.
    assert!(sent <= 128 * 1024 + 4 * (SMALL.send_buffer_bytes_max + 20_000), "{sent}");
    // The calls stay open, although their answers are complete.
    for mut respond in held {
        respond.send_trailers(HeaderMap::new()).unwrap();
    }
    peer.send(HEADERS, END_HEADERS | END_STREAM, 9, &request(&[])).await;
    peer.send(HEADERS, END_HEADERS | END_STREAM, 11, &request(&[])).await;
    let mut refused = 0;
    let mut received = 0;
    while refused < 2 {
        let frame = peer.next().await.unwrap();
        refused += usize::from(frame.kind == RST_STREAM);
        received += if frame.kind == DATA { frame.payload.len() } else { 0 };
    }
    assert!(received <= sent && accepted.try_recv().is_err());
}

#[tokio::test]
async fn a_peer_that_leaves_replies_unread_is_not_read() {
    let (near, far) = tokio::io::duplex(4096);
    tokio::spawn(async move { Connection::new(near, SMALL).accept().await.is_none() });
    let mut peer = Peer(far);
    peer.send(SETTINGS, 0, 0, &[]).await;
    let mut sent = 0;
    let flood = async {
        loop {
            peer.send(PING, 0, 0, &[0; 8]).await;
            sent += 1;
        }
    };
    // The paused clock would advance while everybody waits; here, time is what the flood has no use for.
    tokio::select! {
        biased;
        () = flood => {}
        () = async { for _ in 0..10_000 { tokio::task::yield_now().await } } => {}
    }
    assert!((900..3000).contains(&sent), "{sent} pings of 17 bytes");
    // Once it reads, it is read.
    for _ in 0..sent {
        peer.expect(PING).await;
    }
}

#[tokio::test]
async fn answers_take_turns_and_share_the_window() {
    let (mut peer, mut accepted) = server(SMALL).await;
    for id in [1, 3, 5] {
        peer.send(HEADERS, END_HEADERS | END_STREAM, id, &request(&[])).await;
    }
    let mut tasks = Vec::new();
    for _ in 0..3 {
        let (_, mut respond) = accepted.recv().await.unwrap();
        respond.send_response(Response::new(()), false).unwrap();
        tasks.push(tokio::spawn(async move {
            let mut left = 200_000_usize;
            while left > 0 {
                let room = poll_fn(|cx| respond.poll_capacity(cx)).await.unwrap();
                let piece = room.min(left).min(5000);
                left -= piece;
                respond.send_data(Bytes::from(vec![1; piece]), left == 0).unwrap();
            }
        }));
    }
    let mut received = [0_usize; 3];
    let mut ended = 0;
    while ended < 3 {
        let frame = peer.next().await.unwrap();
        if frame.kind != DATA {
            continue;
        }
        received[frame.stream as usize / 2] += frame.payload.len();
        ended += usize::from(frame.flags & END_STREAM);
        // In small steps, so that everybody waits for the connection's window most of the time.
        peer.send(WINDOW_UPDATE, 0, 0, &code(frame.payload.len() as u32)).await;
        if frame.flags & END_STREAM == 0 {
            peer.send(WINDOW_UPDATE, 0, frame.stream, &code(frame.payload.len() as u32)).await;
        }
    }
    assert_eq!(received, [200_000; 3]);
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn a_smaller_window_by_settings_is_respected() {
    let (mut peer, mut accepted) = server(SMALL).await;
    peer.send(HEADERS, END_HEADERS | END_STREAM, 1, &request(&[])).await;
    let (_, mut respond) = accepted.recv().await.unwrap();
    respond.send_response(Response::new(()), false).unwrap();
    peer.expect(HEADERS).await;
    peer.send(SETTINGS, 0, 0, &setting(4, 10)).await;
    peer.expect(SETTINGS).await;
    respond.send_data(Bytes::from_static(&[1; 25]), true).unwrap();
    assert_eq!(peer.expect(DATA).await.payload.len(), 10);
    // To below zero, and back.
    peer.send(SETTINGS, 0, 0, &setting(4, 0)).await;
    peer.expect(SETTINGS).await;
    peer.send(WINDOW_UPDATE, 0, 1, &code(12)).await;
    assert_eq!(peer.expect(DATA).await.payload.len(), 2);
    peer.send(SETTINGS, 0, 0, &setting(4, 65_535)).await;
    let last = peer.expect(DATA).await;
    assert_eq!((last.payload.len(), last.flags), (13, END_STREAM));
}

#[tokio::test]
async fn an_answer_before_the_request_has_ended_resets_it_without_an_error() {
    let (mut peer, mut accepted) = server(SMALL).await;
    peer.send(HEADERS, END_HEADERS, 1, &request(&[])).await;
    let (request, mut respond) = accepted.recv().await.unwrap();
    respond.send_response(Response::new(()), true).unwrap();
    drop((request, respond));
    assert_eq!(peer.expect(HEADERS).await.flags & END_STREAM, END_STREAM);
    assert_eq!(peer.expect(RST_STREAM).await.payload, code(Reason::NO_ERROR.into()));
}

#[tokio::test]
async fn a_server_that_leaves_serves_what_has_come_before_and_ends() {
    let (near, far) = tokio::io::duplex(1 << 20);
    let (to, mut accepted) = mpsc::unbounded_channel();
    let serving = tokio::spawn(async move {
        let mut connection = Connection::new(near, SMALL);
        connection.graceful_shutdown();
        while let Some(Ok(request)) = connection.accept().await {
            let _ = to.send(request);
        }
    });
    let mut peer = Peer(far);
    peer.send(SETTINGS, 0, 0, &[]).await;
    assert_eq!(peer.expect(GOAWAY).await.payload, [code(i32::MAX as u32), code(0)].concat());
    let ping = peer.expect(PING).await;
    peer.send(HEADERS, END_HEADERS | END_STREAM, 1, &request(&[])).await;
    peer.send(PING, ACK, 0, &ping.payload).await;
    assert_eq!(peer.expect(GOAWAY).await.payload, [code(1), code(0)].concat());
    // Beyond what the GOAWAY says.
    peer.send(HEADERS, END_HEADERS | END_STREAM, 3, &request(&[])).await;
    let (_, mut respond) = accepted.recv().await.unwrap();
    respond.send_response(Response::new(()), true).unwrap();
    drop(respond);
    assert_eq!(peer.expect(HEADERS).await.stream, 1);
    assert!(peer.next().await.is_none() && accepted.recv().await.is_none());
    serving.await.unwrap();
}

/// A client, and the server that is played.
async fn client(config: client::Config) -> (client::SendRequest, Peer) {
    let (near, far) = tokio::io::duplex(1 << 20);
    let (send, connection) = client::connect(near, config);
    tokio::spawn(connection);
    let mut peer = Peer(far);
    peer.read_preface().await;
    peer.expect(SETTINGS).await;
    (send, peer)
}

fn get() -> Request<()> {
    Request::get("http://localhost/").body(()).unwrap()
}

#[tokio::test]
async fn requests_wait_until_the_server_accepts_them() {
    let config = client::Config { initial_streams_max: 0, ..client::Config::default() };
    let (mut send, mut peer) = client(config).await;
    let mut other = send.clone();
    let ready = tokio::spawn(async move { poll_fn(|cx| other.poll_ready(cx)).await.map(|()| other) });
    let (first, _) = send.send_request(get(), true).unwrap();
    let (second, _) = send.send_request(get(), true).unwrap();
    let (cancelled, sending) = send.send_request(get(), true).unwrap();
    drop((cancelled, sending));
    peer.send(SETTINGS, 0, 0, &setting(3, 1)).await;
    assert_eq!(peer.expect(HEADERS).await.stream, 1);
    peer.send(HEADERS, END_HEADERS | END_STREAM, 1, &response()).await;
    assert_eq!(first.await.unwrap().status(), 200);
    assert_eq!(peer.expect(HEADERS).await.stream, 3);
    peer.send(HEADERS, END_HEADERS | END_STREAM, 3, &response()).await;
    assert_eq!(second.await.unwrap().status(), 200);
    let mut ready = ready.await.unwrap().unwrap();
    drop(ready.send_request(get(), true).unwrap());
    // The cancelled one has never been on the wire.
    assert_eq!(peer.expect(HEADERS).await.stream, 5);
}

#[tokio::test]
async fn a_go_away_excludes_the_streams_above_it() {
    let (mut send, mut peer) = client(client::Config::default()).await;
    peer.send(SETTINGS, 0, 0, &[]).await;
    let calls: Vec<_> = (0..2).map(|_| send.send_request(get(), true).unwrap().0).collect();
    peer.send(GOAWAY, 0, 0, &[code(1), code(0)].concat()).await;
    peer.send(HEADERS, END_HEADERS | END_STREAM, 1, &response()).await;
    let mut calls = calls.into_iter();
    assert_eq!(calls.next().unwrap().await.unwrap().status(), 200);
    let error = calls.next().unwrap().await.unwrap_err();
    assert!(error.is_remote() && error.is_go_away() && !error.is_reset(), "{error}");
    let error = send.ready().await.unwrap_err();
    assert!(error.is_go_away() && error.is_remote(), "{error}");
}

#[tokio::test]
async fn a_reset_is_told_from_the_end_of_a_response() {
    let (mut send, mut peer) = client(client::Config::default()).await;
    peer.send(SETTINGS, 0, 0, &[]).await;
    let (refused, _) = send.send_request(get(), true).unwrap();
    peer.send(RST_STREAM, 0, 1, &code(Reason::REFUSED_STREAM.into())).await;
    let error = refused.await.unwrap_err();
    assert!(error.is_remote() && error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM));

    // An informational response is skipped; the whole response is read although a reset follows.
    let (response_to, _upload) = send.send_request(get(), false).unwrap();
    peer.send(HEADERS, END_HEADERS, 3, &peer::status(103)).await;
    peer.send(HEADERS, END_HEADERS, 3, &response()).await;
    peer.send(DATA, 0, 3, b"ab").await;
    peer.send(DATA, PADDED, 3, b"\x02cd\0\0").await;
    peer.send(HEADERS, END_HEADERS | END_STREAM, 3, &trailers()).await;
    peer.send(RST_STREAM, 0, 3, &code(0)).await;
    let mut body = response_to.await.unwrap().into_body();
    let mut read = Vec::new();
    while let Some(data) = body.data().await {
        read.extend_from_slice(&data.unwrap());
    }
    assert_eq!((read.as_slice(), body.trailers().await.unwrap().unwrap().len()), (b"abcd".as_slice(), 1));

    // One that is cut off is not.
    let (response_to, _upload) = send.send_request(get(), false).unwrap();
    peer.send(HEADERS, END_HEADERS, 5, &response()).await;
    peer.send(DATA, 0, 5, b"ab").await;
    peer.send(RST_STREAM, 0, 5, &code(2)).await;
    let mut body = response_to.await.unwrap().into_body();
    assert_eq!(body.data().await.unwrap().unwrap(), "ab");
    assert_eq!(body.data().await.unwrap().unwrap_err().reason(), Some(Reason::INTERNAL_ERROR));
}

#[tokio::test]
async fn a_client_that_nobody_holds_says_so_and_ends() {
    let (mut send, mut peer) = client(client::Config::default()).await;
    peer.send(SETTINGS, 0, 0, &[]).await;
    let (response_to, _) = send.send_request(get(), true).unwrap();
    drop(send);
    peer.send(HEADERS, END_HEADERS | END_STREAM, 1, &response()).await;
    drop(response_to.await.unwrap());
    assert_eq!(peer.expect(GOAWAY).await.payload, [code(0), code(0)].concat());
    assert!(peer.next().await.is_none());
}

#[tokio::test]
async fn a_lost_connection_ends_all_calls() {
    let (mut send, mut peer) = client(client::Config::default()).await;
    peer.send(SETTINGS, 0, 0, &[]).await;
    let (response_to, mut upload) = send.send_request(get(), false).unwrap();
    peer.expect(HEADERS).await;
    drop(peer);
    let error = response_to.await.unwrap_err();
    assert!(error.is_io() && error.get_io().is_some(), "{error}");
    assert!(upload.send_data(Bytes::new(), true).is_err() && send.ready().await.is_err());
}

#[tokio::test]
async fn a_client_refuses_what_only_a_client_may_send() {
    for (kind, flags, id, payload, reason) in [
        (PUSH_PROMISE, END_HEADERS, 1, vec![0; 4], Reason::PROTOCOL_ERROR),
        (SETTINGS, 0, 0, setting(2, 1), Reason::PROTOCOL_ERROR),
        (HEADERS, END_HEADERS, 3, response(), Reason::PROTOCOL_ERROR),
        (DATA, 0, 2, vec![], Reason::PROTOCOL_ERROR),
    ] {
        let (mut send, mut peer) = client(client::Config::default()).await;
        peer.send(SETTINGS, 0, 0, &[]).await;
        let (response_to, _) = send.send_request(get(), true).unwrap();
        peer.expect(HEADERS).await;
        peer.send(kind, flags, id, &payload).await;
        assert_eq!(peer.expect(GOAWAY).await.payload[4..8], code(reason.into()));
        let error = response_to.await.unwrap_err();
        assert!(error.is_go_away() && !error.is_remote(), "{error}");
    }
}

/// Frames that are nearly right, in any order and cut anywhere: nothing panics, and each side says why it ends.
#[tokio::test]
async fn no_sequence_of_frames_panics() {
    let mut random = fastrand::Rng::with_seed(11);
    for round in 0..400 {
        // In a small one, something always waits to be written.
        let (near, far) = tokio::io::duplex([1 << 20, 1000][round / 2 % 2]);
        let mut peer = Peer(far);
        let is_server = round % 2 == 0;
        let driven = if is_server {
            tokio::spawn(async move {
                let mut connection = Connection::new(near, SMALL);
                let mut is_cancelled = false;
                while let Some(Ok((request, mut respond))) = connection.accept().await {
                    is_cancelled = !is_cancelled;
                    tokio::spawn(async move {
                        let mut body = request.into_body();
                        let _ = respond.send_response(Response::new(()), false);
                        if is_cancelled {
                            // Cancelled with something in its queue.
                            return drop(respond.send_data(Bytes::from(vec![0; 70_000]), false));
                        }
                        while let Some(Ok(data)) = body.data().await {
                            let _ = respond.send_data(data, false);
                        }
                        let _ = respond.send_trailers(HeaderMap::new());
                    });
                }
            })
        } else {
            let (mut send, connection) = client::connect(near, client::Config::default());
            let driven = tokio::spawn(async move { drop(connection.await) });
            for _ in 0..5 {
                let (response, mut upload) = send.send_request(get(), false).unwrap();
                upload.send_data(Bytes::from(vec![0; 30_000]), false).unwrap();
                tokio::spawn(async move {
                    let Ok(response) = response.await else { return };
                    let mut body = response.into_body();
                    while let Some(Ok(_)) = body.data().await {}
                    let _ = (body.trailers().await, upload.send_data(Bytes::new(), true));
                });
            }
            driven
        };
        peer.send(SETTINGS, 0, 0, &[]).await;
        let mut next_id = 1;
        for _ in 0..60 {
            let id = [0, 1, 3, 5, 7, next_id][random.usize(..6)];
            let any = |random: &mut fastrand::Rng, max: usize| -> Vec<u8> {
                (0..random.usize(..max)).map(|_| random.u8(..)).collect()
            };
            let flags = random.u8(..)
                & (END_STREAM | END_HEADERS | if random.u8(..4) == 0 { PADDED | PRIORITIZED } else { 0 });
            let (kind, payload) = match random.u8(..12) {
                0..4 => {
                    next_id += 2;
                    (HEADERS, if is_server { request(&[]) } else { response() })
                }
                4 => (HEADERS, trailers()),
                5 | 6 => (DATA, any(&mut random, 3000)),
                7 => (WINDOW_UPDATE, code(random.u32(..1 << 20))),
                8 => (SETTINGS, setting(random.u16(1..7), random.u32(..70_000))),
                9 => (RST_STREAM, code(random.u32(..14))),
                10 => (random.u8(..11), any(&mut random, 20)),
                _ => (PING, vec![0; 8]),
            };
            let id = if kind == SETTINGS || kind == PING { 0 } else { id };
            let flags = if kind == SETTINGS || kind == PING { 0 } else { flags };
            let mut bytes = peer::frame(kind, flags, id, &payload);
            if random.usize(..40) == 0 {
                bytes.truncate(random.usize(..bytes.len()));
            }
            // Whoever reads nothing is not read for ever.
            tokio::select! {
                biased;
                () = peer.write(&bytes) => {}
                () = async { for _ in 0..50 { tokio::task::yield_now().await } } => break,
            }
        }
        drop(peer);
        driven.await.unwrap();
    }
}

/// The frames of a peer up to a PING, which is answered in order.
async fn frames_until_pong(peer: &mut Peer) -> Vec<peer::Frame> {
    peer.send(PING, 0, 0, b"are done").await;
    let mut frames = Vec::new();
    loop {
        let frame = peer.next().await.unwrap();
        if frame.kind == PING {
            return frames;
        }
        frames.push(frame);
    }
}

#[tokio::test]
async fn a_request_that_is_cancelled_before_it_was_sent_is_never_seen() {
    let (near, far) = tokio::io::duplex(1000);
    let (mut send, connection) = client::connect(near, client::Config::default());
    tokio::spawn(connection);
    let mut peer = Peer(far);
    peer.read_preface().await;
    peer.send(SETTINGS, 0, 0, &[setting(4, 1 << 20), setting(3, 100)].concat()).await;
    peer.send(WINDOW_UPDATE, 0, 0, &code(1 << 20)).await;
    peer.expect(SETTINGS).await;
    peer.expect(SETTINGS).await;
    // The output is full, and nobody reads it.
    let (_filling, mut upload) = send.send_request(get(), false).unwrap();
    upload.send_data(Bytes::from(vec![0; 400_000]), false).unwrap();
    let mut waiting: Vec<_> = (0..3).map(|_| send.send_request(get(), true).unwrap()).collect();
    drop(waiting.remove(0));
    // Takes the place of the one that is gone, with a higher number.
    waiting.push(send.send_request(get(), true).unwrap());
    let mut ids = Vec::new();
    while ids.len() < 4 {
        let frame = peer.next().await.unwrap();
        assert_ne!(frame.kind, RST_STREAM, "of a stream that the server has not seen");
        if frame.kind == HEADERS {
            ids.push(frame.stream);
        }
    }
    assert_eq!(ids, [1, 5, 7, 9]);
}

#[tokio::test]
async fn a_stream_that_is_not_open_takes_nothing_of_the_window() {
    let (mut send, mut peer) = client(client::Config::default()).await;
    peer.send(SETTINGS, 0, 0, &setting(3, 1)).await;
    peer.expect(SETTINGS).await;
    let (_first, mut upload) = send.send_request(get(), false).unwrap();
    let (_second, mut queued) = send.send_request(get(), false).unwrap();
    queued.send_data(Bytes::from(vec![0; 65_535]), false).unwrap();
    assert_eq!(upload.capacity(), 65_535);
    upload.send_data(Bytes::from(vec![0; 10]), true).unwrap();
    assert_eq!(peer.expect(DATA).await.stream, 1);
    peer.send(HEADERS, END_HEADERS | END_STREAM, 1, &response()).await;
    assert_eq!(peer.expect(DATA).await.stream, 3);
}

#[tokio::test]
async fn the_window_is_free_again_once_the_last_data_are_sent() {
    let (mut peer, mut accepted) = server(SMALL).await;
    for id in [1, 3] {
        peer.send(HEADERS, END_HEADERS | END_STREAM, id, &request(&[])).await;
    }
    let (body, mut respond) = accepted.recv().await.unwrap();
    respond.send_response(Response::new(()), false).unwrap();
    respond.send_data(Bytes::from(vec![0; 65_535 + 1000]), true).unwrap();
    drop((body, respond));
    let (_, mut other) = accepted.recv().await.unwrap();
    other.send_response(Response::new(()), false).unwrap();
    peer.send(WINDOW_UPDATE, 0, 1, &code(1000)).await;
    peer.send(WINDOW_UPDATE, 0, 0, &code(2000)).await;
    frames_until_pong(&mut peer).await;
    assert_eq!(other.capacity(), 1000);
}

#[tokio::test]
async fn a_body_that_was_thrown_away_is_no_end() {
    let (mut peer, mut accepted) = server(SMALL).await;
    peer.send(HEADERS, END_HEADERS, 1, &request(&[])).await;
    peer.send(DATA, 0, 1, b"all of it").await;
    peer.send(HEADERS, END_HEADERS | END_STREAM, 1, &trailers()).await;
    peer.send(DATA, END_STREAM, 1, b"and more").await;
    frames_until_pong(&mut peer).await;
    let (request, _respond) = accepted.recv().await.unwrap();
    let mut body = request.into_body();
    assert_eq!(body.data().await.unwrap().unwrap_err().reason(), Some(Reason::STREAM_CLOSED));
    assert!(body.trailers().await.is_err());
}

#[tokio::test]
async fn replies_that_were_read_do_not_count() {
    let (mut peer, mut accepted) = server(SMALL).await;
    peer.send(SETTINGS, 0, 0, &setting(4, 1 << 30)).await;
    peer.send(WINDOW_UPDATE, 0, 0, &code(1 << 30)).await;
    peer.send(HEADERS, END_HEADERS | END_STREAM, 1, &request(&[])).await;
    let (_, mut respond) = accepted.recv().await.unwrap();
    respond.send_response(Response::new(()), false).unwrap();
    // There is always something to be written, since it is read more slowly than it is given.
    tokio::spawn(async move {
        while poll_fn(|cx| respond.poll_capacity(cx)).await.is_ok() {
            let _ = respond.send_data(Bytes::from(vec![0; 10_000]), false);
        }
    });
    for _ in 0..3000 {
        peer.send(PING, 0, 0, &[0; 8]).await;
        peer.expect(PING).await;
    }
}

#[tokio::test]
async fn what_follows_an_answer_that_waits_is_a_reset_that_counts() {
    let (near, far) = tokio::io::duplex(1000);
    let mut connection = Connection::new(near, SMALL);
    let mut peer = Peer(far);
    peer.send(SETTINGS, 0, 0, &setting(4, 0)).await;
    peer.send(HEADERS, END_HEADERS | END_STREAM, 1, &request(&[])).await;
    let (_, mut respond) = connection.accept().await.unwrap().unwrap();
    respond.send_response(Response::new(()), false).unwrap();
    respond.send_data(Bytes::from_static(b"never sent"), true).unwrap();
    peer.send(RST_STREAM, 0, 1, &code(8)).await;
    peer.send(HEADERS, END_HEADERS | END_STREAM, 3, &request(&[])).await;
    assert!(connection.accept().await.unwrap().is_ok());
    assert_eq!((connection.take_resets(), connection.take_resets()), (1, 0));
}

#[tokio::test]
async fn a_go_away_never_names_a_stream_that_the_one_before_excluded() {
    let (near, far) = tokio::io::duplex(1 << 20);
    tokio::spawn(async move {
        let mut connection = Connection::new(near, SMALL);
        connection.graceful_shutdown();
        let mut held = Vec::new();
        while let Some(Ok(request)) = connection.accept().await {
            held.push(request);
        }
    });
    let mut peer = Peer(far);
    peer.send(SETTINGS, 0, 0, &[]).await;
    peer.send(HEADERS, END_HEADERS | END_STREAM, 1, &request(&[])).await;
    let ping = peer.expect(PING).await;
    peer.send(PING, ACK, 0, &ping.payload).await;
    peer.expect(GOAWAY).await;
    peer.send(HEADERS, END_HEADERS | END_STREAM, 3, &request(&[])).await;
    peer.send(PING, 0, 1, &[0; 8]).await;
    assert_eq!(peer.expect(GOAWAY).await.payload[..4], code(1));
}

/// A client that goes away in the middle of writing has said why before.
#[tokio::test]
async fn a_go_away_is_heard_although_nothing_can_be_written() {
    let (near, far) = tokio::net::UnixStream::pair().unwrap();
    let mut far = far.into_std().unwrap();
    far.set_nonblocking(false).unwrap();
    let go_away = peer::frame(GOAWAY, 0, 0, &[code(0), code(Reason::INADEQUATE_SECURITY.into())].concat());
    std::io::Write::write_all(&mut far, &[peer::frame(SETTINGS, 0, 0, &[]), go_away].concat()).unwrap();
    drop(far);
    near.readable().await.unwrap();
    let (mut send, connection) = client::connect(near, client::Config::default());
    let (response_to, _) = send.send_request(get(), true).unwrap();
    let _ = connection.await;
    let error = response_to.await.unwrap_err();
    assert!(error.is_remote() && error.reason() == Some(Reason::INADEQUATE_SECURITY), "{error}");
}

#[tokio::test]
async fn room_is_not_offered_to_a_stream_that_has_ended() {
    let (mut peer, mut accepted) = server(SMALL).await;
    for id in [1, 3] {
        peer.send(HEADERS, END_HEADERS | END_STREAM, id, &request(&[])).await;
        peer.send(WINDOW_UPDATE, 0, id, &code(100_000)).await;
    }
    let (_, mut first) = accepted.recv().await.unwrap();
    let (_, mut second) = accepted.recv().await.unwrap();
    first.send_response(Response::new(()), false).unwrap();
    // More than the connection's window: the rest waits for it, and so does whoever has more.
    first.send_data(Bytes::from(vec![0; 70_000]), false).unwrap();
    for stream in [&mut first, &mut second] {
        assert!(poll_fn(|cx| Poll::Ready(stream.poll_capacity(cx))).await.is_pending());
    }
    let waiting = tokio::spawn(async move { poll_fn(|cx| second.poll_capacity(cx)).await });
    tokio::task::yield_now().await;
    peer.send(RST_STREAM, 0, 1, &code(8)).await;
    peer.send(WINDOW_UPDATE, 0, 0, &code(1000)).await;
    frames_until_pong(&mut peer).await;
    tokio::task::yield_now().await;
    assert!(waiting.is_finished());
    assert_eq!(waiting.await.unwrap().unwrap(), 1000);
    drop(first);
}
