//! The first bytes of a connection: TLS on a port that has it, HTTP/2's preface and the server's SETTINGS, or a reply to
//! another protocol.

use std::io;
use std::sync::atomic::Ordering::Relaxed;

use prism_http2::server::{Config, Connection, PREFACE};
use prism_net::seldom::Seldom;
use prism_net::stream::{Stream, TlsStream};
use prism_net::tls::Protocol;
use prism_net::tls::server::{CLIENT_BEGINS_WITH, ServerTls};
use prism_proto::limits;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::peer::Peer;

/// How many streams are advertised beyond a connection's share of calls. A client waits silently for a stream beyond
/// the advertised number; these few let it learn that its share is used up.
const STREAMS_BEYOND_SHARE: usize = 16;

/// The maximum number of streams on a connection, however large its share.
const STREAMS_MAX: usize = 1024;

/// How much a client may send ahead on one stream: a quarter of the largest message, so that a large message takes at
/// most four round trips.
const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;

/// How much a client may send ahead on the whole connection.
const CONNECTION_WINDOW_BYTES: u32 = 8 * STREAM_WINDOW_BYTES;

/// The maximum size of a call's headers; gRPC's own default is 8 KiB.
const HEADERS_BYTES_MAX: u32 = 32 * 1024;

/// How many bytes of responses one stream may buffer for a client that does not read.
const SEND_BUFFER_BYTES_MAX: usize = 1024 * 1024;

/// The response to a client that speaks HTTP/1.1.
const HTTP1_ANSWER: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\n\
    content-length: 72\r\n\r\nThis port speaks gRPC over HTTP/2 with prior knowledge, and no HTTP/1.1\n";

/// Performs the TLS handshake with a client, and records its certificate in its peer. `None`: it failed, which is logged.
pub(crate) async fn secure(stream: Stream, peer: &Peer, tls: &ServerTls) -> Option<TlsStream> {
    let (stream, certificate) = tls.accept(stream, Protocol::Http2, &peer.address).await.ok()?;
    if let Some(certificate) = certificate {
        peer.set_certificate(certificate);
    }
    Some(stream)
}

/// Performs the HTTP/2 handshake with a client. `None`: it spoke something else.
pub(crate) async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    peer: &Peer,
) -> io::Result<Option<Connection<S>>> {
    let streams_max = (peer.calls_max() + STREAMS_BEYOND_SHARE).min(STREAMS_MAX);
    let mut begin = [0; PREFACE.len()];
    let mut len = 0;
    while len < begin.len() && begin[..len] == PREFACE[..len] {
        match stream.read(&mut begin[len..]).await? {
            0 => return Ok(None),
            read => len += read,
        }
    }
    if begin != *PREFACE {
        let is_tls = begin[0] == CLIENT_BEGINS_WITH;
        if is_tls {
            note_tls_client(peer);
        }
        if begin[0].is_ascii_uppercase() || is_tls {
            stream.write_all(HTTP1_ANSWER).await?;
        }
        stream.shutdown().await?;
        return Ok(None);
    }
    Ok(Some(Connection::new(
        stream,
        Config {
            streams_max: u32::try_from(streams_max).unwrap_or(u32::MAX),
            frame_bytes_max: limits::FRAME_BYTES_MAX,
            stream_window_bytes: STREAM_WINDOW_BYTES,
            connection_window_bytes: CONNECTION_WINDOW_BYTES,
            headers_bytes_max: HEADERS_BYTES_MAX,
            send_buffer_bytes_max: SEND_BUFFER_BYTES_MAX,
            ..Config::default()
        },
    )))
}

/// Logs a client that speaks TLS on a port without. The reply in plaintext shows it what it speaks to.
fn note_tls_client(peer: &Peer) {
    static NOTICES: Seldom = Seldom::new();
    peer.counters.tls_on_plaintext_total.fetch_add(1, Relaxed);
    if let Some(left_out) = NOTICES.turn() {
        tracing::warn!(peer = %peer.address, left_out, "a client speaks TLS on a port without TLS; it was refused");
    }
}
