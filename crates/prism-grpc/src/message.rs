//! The framing of gRPC messages: one byte of flags, four of length, then the message
//! (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>).
//!
//! Only a call's first message is read whole: it names the namespace. Its bytes stay in the buffers in which they
//! arrived.

use std::future::poll_fn;
use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use flate2::bufread::GzDecoder;
use http::HeaderMap;
use prism_http2::RecvStream;
use prism_proto::error::APPLIED;
use prism_proto::{Applied, Error, ErrorReason};

use crate::head::GRPC_ENCODING;
use crate::shares::{Charge, SMALL_BYTES, Share};

/// Flags and length.
pub const PREFIX_BYTES: usize = 5;

/// Beyond this many pieces a message is copied into one: each piece costs some 100 bytes besides its content, and a
/// client may send as many one-byte frames as it likes. The largest message has 256 full frames.
const PIECES_MAX: usize = 512;

/// A call's first message, and what followed it in its last frame.
#[derive(Debug, Default)]
pub struct Message {
    /// The message with its prefix, in the pieces it arrived in; never empty.
    pieces: Vec<Bytes>,
    /// Bytes of later messages that arrived in the same frame.
    pub rest: Bytes,
    /// The length, without the prefix.
    pub len: usize,
    /// Whether the message is compressed, as the call's `grpc-encoding` says.
    pub compressed: bool,
    /// The charge for its bytes, until it is dropped.
    charge: Option<Charge>,
}

impl Message {
    /// Charges `bytes` to the connection's share until the message is dropped.
    fn charge(&mut self, bytes: usize, share: &Arc<Share>) -> Result<(), Error> {
        let charged = match &mut self.charge {
            Some(charge) => charge.grow(bytes),
            None => share.charge(bytes).map(|charge| self.charge = Some(charge)),
        };
        charged.map_err(|full| {
            let why = format!("too many bytes of requests are being received: {full}; send less at once");
            Error::new(ErrorReason::TooManyInFlight, why)
                .with("limit", full.limit().to_string())
                .with("size", bytes.to_string())
                .with(APPLIED, Applied::No.as_str())
        })
    }

    /// The message as it is forwarded, prefix included.
    #[must_use]
    pub fn pieces(&self) -> &[Bytes] {
        &self.pieces
    }

    /// The length, prefix included.
    #[must_use]
    pub fn wire_len(&self) -> u64 {
        (PREFIX_BYTES + self.len) as u64
    }

    /// The message's bytes without the prefix; not copied if they arrived in one piece.
    #[must_use]
    pub fn joined_payload(&self) -> Bytes {
        match &*self.pieces {
            [whole] => whole.slice(PREFIX_BYTES..),
            pieces => joined(pieces, PREFIX_BYTES + self.len).slice(PREFIX_BYTES..),
        }
    }

    /// The message's bytes without the prefix, piece by piece.
    pub fn payload(&self) -> impl Iterator<Item = &[u8]> {
        let mut skip = PREFIX_BYTES;
        self.pieces.iter().map(move |piece| {
            let start = skip.min(piece.len());
            skip -= start;
            &piece[start..]
        })
    }
}

/// Reads a call's first message, of at most `len_max` bytes. `None`: the client ended without one.
///
/// # Errors
/// MESSAGE_TOO_LARGE, MALFORMED_REQUEST, or TOO_MANY_IN_FLIGHT if `share` is used up. A lost client is `Ok(None)`, too:
/// nobody is left to receive an error.
pub async fn read_first(
    body: &mut RecvStream,
    len_max: usize,
    share: &Arc<Share>,
) -> Result<Option<Message>, Error> {
    read_first_judged(body, len_max, share, None).await
}

/// Judges a message by the part of it that has arrived.
pub type Judge<'a> = &'a mut (dyn FnMut(&Message) -> Result<(), Error> + Send);

/// Up to this length, each arriving piece is judged, later whenever there is twice as much: a message that arrives byte by
/// byte costs no more than twice its length.
const JUDGED_BYTES: usize = 256;

/// The same, and has an uncompressed message judged while it arrives, before anything else about it. One that is there at once is
/// left to the caller.
///
/// # Errors
/// The same, and those of `judge`.
pub async fn read_first_judged(
    body: &mut RecvStream,
    len_max: usize,
    share: &Arc<Share>,
    mut judge: Option<Judge<'_>>,
) -> Result<Option<Message>, Error> {
    let mut judge_from = PREFIX_BYTES + 1;
    let mut message = Message::default();
    let mut received = 0;
    let mut wanted = None;
    while let Some(Ok(piece)) = poll_fn(|cx| body.poll_data(cx)).await {
        if piece.is_empty() {
            continue;
        }
        // The client may keep sending: `len_max` and the budget bound what is held, not the window.
        received += piece.len();
        if received > SMALL_BYTES {
            let uncharged = if message.charge.is_some() { piece.len() } else { received };
            message.charge(uncharged, share)?;
        }
        message.pieces.push(piece);
        if wanted.is_none() && received >= PREFIX_BYTES {
            (message.compressed, message.len) = prefix(&message.pieces)?;
        }
        let is_whole = received >= PREFIX_BYTES && received - PREFIX_BYTES >= message.len;
        if let Some(judge) = &mut judge
            && received >= judge_from
            && !message.compressed
            && !is_whole
        {
            judge(&message)?;
            judge_from = if received < JUDGED_BYTES { received + 1 } else { received.saturating_mul(2) };
        }
        if wanted.is_none() && received >= PREFIX_BYTES {
            if message.len > len_max {
                return Err(too_large(message.len, len_max));
            }
            wanted = Some(PREFIX_BYTES + message.len);
        }
        if let Some(surplus) = wanted.and_then(|whole| received.checked_sub(whole)) {
            let last = message.pieces.last_mut().expect("a piece was just pushed");
            message.rest = last.split_off(last.len() - surplus);
            return Ok(Some(message));
        }
        if message.pieces.len() > PIECES_MAX {
            message.pieces = vec![joined(&message.pieces, wanted.unwrap_or(received))];
        }
    }
    match received {
        0 => Ok(None),
        _ => Err(malformed(format!("the request ends after {received} bytes, within its first message"))),
    }
}

/// Waits for the end of a call that may have only one message, which has been read. Responding before the end would
/// mean resetting the stream, and HTTP/2 peers allow few resets.
///
/// # Errors
/// MALFORMED_REQUEST: there is more, or the client has reset the call.
pub async fn read_end(message: &Message, body: &mut RecvStream) -> Result<(), Error> {
    let mut empty = message.rest.is_empty();
    while empty && !body.is_end_stream() {
        match poll_fn(|cx| body.poll_data(cx)).await {
            Some(Ok(piece)) => empty = piece.is_empty(),
            Some(Err(_)) => return Err(malformed("the client reset the call before its end".into())),
            None => break,
        }
    }
    if empty {
        Ok(())
    } else {
        Err(malformed("the request contains more than the one message of its method".into()))
    }
}

/// The compressed flag and the length at the start of a message.
fn prefix(pieces: &[Bytes]) -> Result<(bool, usize), Error> {
    let mut bytes = pieces.iter().flat_map(|piece| piece.iter().copied());
    let flag = bytes.next().unwrap_or_default();
    let len = bytes.take(4).fold(0_u32, |len, byte| len << 8 | u32::from(byte));
    match flag {
        0 | 1 => Ok((flag == 1, len as usize)),
        _ => Err(malformed(format!("the first byte of the message's prefix is {flag}; gRPC knows 0 and 1"))),
    }
}

fn joined(pieces: &[Bytes], whole: usize) -> Bytes {
    let mut joined = BytesMut::with_capacity(whole);
    for piece in pieces {
        joined.extend_from_slice(piece);
    }
    joined.freeze()
}

/// Prepends the prefix of an uncompressed message.
#[must_use]
pub fn framed(message: &[u8]) -> Bytes {
    let mut framed = BytesMut::with_capacity(PREFIX_BYTES + message.len());
    framed.extend_from_slice(&[0]);
    framed.extend_from_slice(&u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
    framed.extend_from_slice(message);
    framed.freeze()
}

/// How a call's messages may be compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Not at all.
    Identity,
    /// By gzip.
    Gzip,
}

impl Encoding {
    /// The encodings that the response to an unknown one offers.
    pub const ACCEPTED: &'static str = "identity,gzip";

    /// Parses `grpc-encoding`.
    ///
    /// # Errors
    /// COMPRESSION_UNSUPPORTED.
    pub fn of(headers: &HeaderMap) -> Result<Self, Error> {
        match headers.get(GRPC_ENCODING).map(http::HeaderValue::as_bytes) {
            None | Some(b"identity") => Ok(Self::Identity),
            Some(b"gzip") => Ok(Self::Gzip),
            Some(_) => Err(Error::new(
                ErrorReason::CompressionUnsupported,
                format!(
                    "grpc-encoding names a compression that is not supported; use one of {}",
                    Self::ACCEPTED
                ),
            )),
        }
    }

    /// Decompresses a message to at most `len_max` bytes.
    ///
    /// # Errors
    /// MESSAGE_TOO_LARGE, or MALFORMED_REQUEST if the bytes are not what `grpc-encoding` says.
    pub fn decompress(
        self,
        message: &mut Message,
        len_max: usize,
        share: &Arc<Share>,
    ) -> Result<Vec<u8>, Error> {
        if self == Self::Identity {
            return Err(malformed(
                "the message is flagged as compressed, but the call has no grpc-encoding".into(),
            ));
        }
        let compressed = message.payload().collect::<Vec<_>>().concat();
        let mut plain = Vec::new();
        let mut decoder = GzDecoder::new(compressed.as_slice()).take(len_max as u64 + 1);
        match decoder.read_to_end(&mut plain) {
            Ok(len) if len > len_max => Err(too_large(len, len_max)),
            // A reader that continues after the first member would decode a different message.
            Ok(_) if !decoder.into_inner().into_inner().is_empty() => {
                Err(malformed("there are bytes after the end of the gzip member".into()))
            }
            Ok(len) => {
                message.charge(len, share)?;
                plain.shrink_to_fit();
                Ok(plain)
            }
            Err(error) => Err(malformed(format!("the message is not valid gzip: {error}"))),
        }
    }
}

fn malformed(message: String) -> Error {
    Error::new(ErrorReason::MalformedRequest, message)
}

/// The error of a call whose message does not arrive in time.
#[must_use]
pub fn overdue(limit: Duration) -> Error {
    let why = format!("the call's message did not arrive within {} s; nothing was applied", limit.as_secs());
    Error::new(ErrorReason::DeadlineExceeded, why).with(APPLIED, Applied::No.as_str())
}

/// The error of a message that exceeds a limit.
#[must_use]
pub fn too_large(len: usize, len_max: usize) -> Error {
    Error::new(
        ErrorReason::MessageTooLarge,
        format!("the message is {len} bytes long or longer; the limit is {len_max} bytes"),
    )
    .with("limit", len_max.to_string())
    .with("size", len.to_string())
}
