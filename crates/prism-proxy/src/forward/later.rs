//! Later messages of a client's stream. They must repeat the first one's namespace or omit it, so that a right to one namespace
//! is none to another. Each piece is checked before it is forwarded and nothing is held back: of a message that breaks the rule,
//! the backend does not receive the end.
//!
//! ```text
//! prefix ──its length──▶ tag ──▶ value, length ──▶ skipped, namespace
//!    ▲                    ▲ └────────┴───────────────────┘ │
//!    └─the message's end──┴────────────────────────────────┘
//! ```

use std::fmt;
use std::pin::Pin;
use std::task::{Context as Wake, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame};
use prism_grpc::message::PREFIX_BYTES;
use prism_proto::{Error, ErrorReason};

use crate::route::Route;

/// A body whose messages are checked, if the rule applies.
pub(super) struct Checked<B> {
    body: B,
    later: Option<Later>,
}

/// Why a checked body has no more.
#[derive(Debug)]
pub(super) enum CheckError {
    /// The client is gone.
    Gone(prism_http2::Error),
    /// A message breaks the rule.
    Wrong(Box<Error>),
}

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone(error) => error.fmt(f),
            Self::Wrong(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for CheckError {}

impl<B> Checked<B> {
    /// What follows the first message of a call to `route`, which was authorized if `is_guarded`.
    pub(super) fn new(body: B, route: &Route, is_guarded: bool) -> Self {
        Self { body, later: is_guarded.then(|| Later::of(&route.settings.name)) }
    }
}

impl<B: Body<Data = Bytes, Error = prism_http2::Error> + Unpin> Body for Checked<B> {
    type Data = Bytes;
    type Error = CheckError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Wake<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CheckError>>> {
        let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            None => return Poll::Ready(None),
            Some(Err(error)) => return Poll::Ready(Some(Err(CheckError::Gone(error)))),
            Some(Ok(frame)) => frame,
        };
        if let (Some(later), Some(piece)) = (&mut self.later, frame.data_ref())
            && let Err(error) = later.check(piece)
        {
            return Poll::Ready(Some(Err(CheckError::Wrong(Box::new(error)))));
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}

/// The check, as far as the messages have arrived.
struct Later {
    namespace: Box<[u8]>,
    at: At,
}

/// Where in a message the next byte is.
#[derive(Clone, Copy)]
enum At {
    /// In the prefix: how many of its bytes are known, and the length as far as it is.
    Prefix { known: usize, len: usize },
    /// In the message: how many bytes are left of it, in what, and whether it has named its namespace.
    Message { left: usize, within: Within, named: bool },
}

#[derive(Clone, Copy)]
enum Within {
    /// A field's number and type, or the end.
    Tag(Varint),
    /// A number that is skipped.
    Value(Varint),
    /// The length of a field with this number.
    Length(u64, Varint),
    /// Bytes that are skipped.
    Skipped(u64),
    /// The namespace, of which so many bytes were the same.
    Namespace { same: usize, left: usize },
}

#[derive(Clone, Copy, Default)]
struct Varint {
    value: u64,
    shift: u32,
}

impl Varint {
    /// Adds a byte; the number after its last one.
    fn add(mut self, byte: u8) -> Result<Result<u64, Self>, Error> {
        if self.shift == 63 && byte > 1 {
            return Err(malformed("a number is too long"));
        }
        self.value |= u64::from(byte & 0x7f) << self.shift;
        self.shift += 7;
        Ok(if byte & 0x80 == 0 { Ok(self.value) } else { Err(self) })
    }
}

const TAG: Within = Within::Tag(Varint { value: 0, shift: 0 });
const PREFIX: At = At::Prefix { known: 0, len: 0 };

impl Later {
    fn of(namespace: &str) -> Self {
        Self { namespace: namespace.as_bytes().into(), at: PREFIX }
    }

    fn check(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        while let Some((byte, rest)) = bytes.split_first() {
            let (at, taken) = match self.at {
                At::Prefix { known, len } => (prefix(known, len, *byte)?, 1),
                At::Message { left, within: Within::Skipped(skip), named } => {
                    let step = usize::try_from(skip).unwrap_or(usize::MAX).min(left).min(bytes.len());
                    let skip = skip - step as u64;
                    let within = if skip == 0 { TAG } else { Within::Skipped(skip) };
                    (At::Message { left: left - step, within, named }, step)
                }
                At::Message { left, within, named } => {
                    let (within, named) = self.next(within, named, *byte)?;
                    (At::Message { left: left - 1, within, named }, 1)
                }
            };
            bytes = if taken == 1 { rest } else { bytes.get(taken..).unwrap_or_default() };
            self.at = match at {
                At::Message { left: 0, within: Within::Tag(Varint { shift: 0, .. }), .. } => PREFIX,
                At::Message { left: 0, .. } => return Err(malformed("it ends within a field")),
                at => at,
            };
        }
        Ok(())
    }

    /// What follows a byte of a message.
    fn next(&self, within: Within, named: bool, byte: u8) -> Result<(Within, bool), Error> {
        let next = match within {
            Within::Tag(tag) => match tag.add(byte)? {
                Err(tag) => Within::Tag(tag),
                Ok(tag) => match (tag >> 3, tag & 7) {
                    (0, _) => return Err(malformed("a field has number 0")),
                    (1, 2) if named => {
                        return Err(malformed("field 1, the namespace, occurs more than once"));
                    }
                    (number, 2) => {
                        return Ok((Within::Length(number, Varint::default()), named || number == 1));
                    }
                    (1, _) => return Err(malformed("field 1, the namespace, is not a string")),
                    (_, 0) => Within::Value(Varint::default()),
                    (_, 1) => Within::Skipped(8),
                    (_, 5) => Within::Skipped(4),
                    _ => return Err(malformed("a field has a wire type that proto3 does not have")),
                },
            },
            Within::Value(value) => value.add(byte)?.map_or_else(Within::Value, |_| TAG),
            Within::Length(number, len) => match len.add(byte)? {
                Err(len) => Within::Length(number, len),
                // An empty namespace is one that is omitted.
                Ok(0) => TAG,
                Ok(len) if number == 1 => match usize::try_from(len) {
                    Ok(left) if left == self.namespace.len() => Within::Namespace { same: 0, left },
                    _ => return Err(another()),
                },
                Ok(len) => Within::Skipped(len),
            },
            Within::Namespace { same, left } => match (self.namespace.get(same) == Some(&byte), left) {
                (false, _) => return Err(another()),
                (true, 1) => TAG,
                (true, _) => Within::Namespace { same: same + 1, left: left - 1 },
            },
            Within::Skipped(_) => within,
        };
        Ok((next, named))
    }
}

fn prefix(known: usize, len: usize, byte: u8) -> Result<At, Error> {
    let len = match (known, byte) {
        (0, 0) => 0,
        (0, 1) => {
            let why = "later messages of a stream to a namespace with access must not be compressed; their namespace is checked";
            return Err(Error::new(ErrorReason::CompressionUnsupported, why));
        }
        (0, _) => return Err(malformed("the first byte of its prefix is neither 0 nor 1")),
        _ => len << 8 | usize::from(byte),
    };
    Ok(match known + 1 {
        PREFIX_BYTES if len == 0 => PREFIX,
        PREFIX_BYTES => At::Message { left: len, within: TAG, named: false },
        known => At::Prefix { known, len },
    })
}

fn malformed(what: &'static str) -> Error {
    Error::new(ErrorReason::MalformedRequest, format!("a later message is not a protobuf request: {what}"))
}

fn another() -> Error {
    let why = "a later message names another namespace than the first; repeat the first one's, or omit it";
    Error::new(ErrorReason::MalformedRequest, why)
}

#[cfg(test)]
mod tests {
    use prism_grpc::message::framed;
    use prism_proto::interfaces::keyvalue::SetRequest;
    use prost::Message as _;

    use super::*;

    fn request(namespace: &str) -> Vec<u8> {
        let value = vec![0x0a; 300].into();
        let request =
            SetRequest { namespace: namespace.into(), key: "k".into(), value, ..SetRequest::default() };
        request.encode_to_vec()
    }

    /// Checks messages, wherever they are cut.
    fn checked(messages: &[Vec<u8>]) -> Result<(), String> {
        let bytes: Vec<u8> = messages.iter().flat_map(|message| framed(message)).collect();
        let outcomes: Vec<_> = [1, 2, 3, 7, bytes.len().max(1)]
            .into_iter()
            .map(|size| {
                let mut later = Later::of("orders");
                bytes.chunks(size).try_for_each(|piece| later.check(piece)).map_err(|error| error.to_string())
            })
            .collect();
        assert!(outcomes.windows(2).all(|two| two[0] == two[1]), "{outcomes:?}");
        outcomes[0].clone()
    }

    #[test]
    fn the_namespace_is_repeated_or_omitted() {
        assert_eq!(checked(&[request("orders"), request(""), vec![], request("orders")]), Ok(()));
        let other_types = vec![0x10, 0x96, 0x01, 0x19, 1, 2, 3, 4, 5, 6, 7, 8, 0x25, 1, 2, 3, 4, 0x1a, 0];
        assert_eq!(checked(&[other_types, request("orders")]), Ok(()));
        for other in ["order", "orders2", "ordert", "default", "Orders"] {
            assert!(
                checked(&[request("orders"), request(other)]).unwrap_err().contains("another namespace"),
                "{other}"
            );
        }
    }

    #[test]
    fn what_a_plugin_could_read_in_another_way_is_refused() {
        let twice = [request("orders"), request("orders")].concat();
        let behind = [request(""), b"\x0a\x05other".to_vec()].concat();
        for (wrong, expected) in [
            (twice, "more than once"),
            (behind, "another namespace"),
            (vec![0x08, 1], "not a string"),
            (vec![0x02, 0], "number 0"),
            (vec![0x13], "wire type"),
            (vec![0x10, 0x80], "ends within a field"),
            (vec![0x1a, 9, 1], "ends within a field"),
            (vec![0xff; 11], "too long"),
        ] {
            let error = checked(std::slice::from_ref(&wrong)).unwrap_err();
            assert!(error.contains(expected), "{wrong:?}: {error}");
        }
        let compressed = Later::of("orders").check(&[1, 0, 0, 0, 1]).unwrap_err();
        assert_eq!(compressed.reason, ErrorReason::CompressionUnsupported);
    }
}
