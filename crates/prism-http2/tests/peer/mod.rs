//! A peer that is played frame by frame.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const ACK: u8 = 1;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const PADDED: u8 = 8;
pub(crate) const PRIORITIZED: u8 = 32;

/// The peer's end of a connection.
pub(crate) struct Peer(pub(crate) DuplexStream);

/// A frame that has arrived.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// The bytes of a frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u32).to_be_bytes();
    [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

impl Peer {
    pub(crate) async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.write(&frame(kind, flags, stream, payload)).await;
    }

    /// Writes bytes, unless the other side has gone.
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes).await;
    }

    /// The next frame; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await.ok()?;
        let [a, b, c, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.0.read_exact(&mut payload).await.ok()?;
        Some(Frame { kind, flags, stream: u32::from_be_bytes(stream), payload })
    }

    /// The next frame of a type; others are skipped.
    pub(crate) async fn expect(&mut self, kind: u8) -> Frame {
        loop {
            let frame = self.next().await.expect("the connection has not ended");
            if frame.kind == kind {
                return frame;
            }
        }
    }

    pub(crate) async fn read_preface(&mut self) {
        let mut preface = [0; 24];
        self.0.read_exact(&mut preface).await.expect("the connection has not ended");
        assert_eq!(&preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    }
}

/// A number of four bytes: an error code, a window.
pub(crate) fn code(code: u32) -> Vec<u8> {
    code.to_be_bytes().to_vec()
}

/// A parameter of SETTINGS.
pub(crate) fn setting(name: u16, value: u32) -> Vec<u8> {
    [&name.to_be_bytes()[..], &value.to_be_bytes()].concat()
}

fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            // Seven bits of length, then seven in each further byte.
            if text.len() < 127 {
                block.push(text.len() as u8);
            } else {
                let rest = text.len() - 127;
                block.extend([127, (rest % 128) as u8 | 128, (rest / 128) as u8]);
            }
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// The headers of a request, and more of them.
pub(crate) fn request(more: &[(&str, &str)]) -> Vec<u8> {
    block(&[&[(":method", "POST"), (":scheme", "http"), (":path", "/")], more].concat())
}

/// The headers of a response.
pub(crate) fn response() -> Vec<u8> {
    status(200)
}

pub(crate) fn status(status: u16) -> Vec<u8> {
    block(&[(":status", &status.to_string())])
}

pub(crate) fn trailers() -> Vec<u8> {
    block(&[("grpc-status", "0")])
}
