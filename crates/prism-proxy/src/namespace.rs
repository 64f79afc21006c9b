//! Finds a request's namespace, field 1 of its message, by walking the protobuf fields in place.
//!
//! Nothing is decoded. The walk is strict, so that the plugin acts on the same namespace that was routed (and
//! authorized): it rejects a second field 1, a wrong wire type, an overrun and invalid UTF-8. The encoding:
//! <https://protobuf.dev/programming-guides/encoding/>.

use std::borrow::Cow;

use prism_proto::{Error, ErrorReason};

/// The field that contains the namespace in every request.
const NAMESPACE_FIELD: u64 = 1;

/// Returns the namespace of a message, empty if it has none. `pieces` are the message's bytes in order.
///
/// # Errors
/// MALFORMED_REQUEST.
pub fn find<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Result<Cow<'a, str>, Error> {
    let mut reader = Reader { piece: &[], rest: pieces };
    let mut namespace = None;
    while let Some(tag) = reader.tag()? {
        match (tag >> 3, tag & 7) {
            (0, _) => return Err(malformed("a field has number 0")),
            (NAMESPACE_FIELD, 2) if namespace.is_some() => {
                return Err(malformed("field 1, the namespace, occurs more than once"));
            }
            (NAMESPACE_FIELD, 2) => namespace = Some(reader.text()?),
            (NAMESPACE_FIELD, _) => return Err(malformed("field 1, the namespace, is not a string")),
            (_, 0) => drop(reader.varint()?),
            (_, 1) => reader.skip(8)?,
            (_, 2) => {
                let len = reader.varint()?;
                reader.skip(len)?;
            }
            (_, 5) => reader.skip(4)?,
            _ => return Err(malformed("a field has a wire type that proto3 does not have")),
        }
    }
    Ok(namespace.unwrap_or_default())
}

/// Returns the first namespace in the part of a message that has arrived; `None` while it has none. `pieces` are the
/// part's bytes in order, `len` is the length of the whole message. Whatever is wrong with the message is left to
/// [`find`], which sees all of it.
#[must_use]
pub fn peek<'a>(pieces: impl Iterator<Item = &'a [u8]>, len: usize) -> Option<Cow<'a, str>> {
    let mut left = len;
    let pieces = pieces.map(move |piece| {
        let piece = piece.get(..left).unwrap_or(piece);
        left -= piece.len();
        piece
    });
    let mut reader = Reader { piece: &[], rest: pieces };
    while let Some(tag) = reader.tag().ok()? {
        match (tag >> 3, tag & 7) {
            (NAMESPACE_FIELD, 2) => return reader.text().ok(),
            (_, 0) => drop(reader.varint().ok()?),
            (_, 1) => reader.skip(8).ok()?,
            (_, 2) => {
                let len = reader.varint().ok()?;
                reader.skip(len).ok()?;
            }
            (_, 5) => reader.skip(4).ok()?,
            _ => return None,
        }
    }
    None
}

fn malformed(what: &'static str) -> Error {
    Error::new(ErrorReason::MalformedRequest, format!("the message is not a protobuf request: {what}"))
}

fn overrun() -> Error {
    malformed("it ends within a field")
}

/// Reads across the boundaries between pieces.
struct Reader<'a, I> {
    piece: &'a [u8],
    rest: I,
}

impl<'a, I: Iterator<Item = &'a [u8]>> Reader<'a, I> {
    fn byte(&mut self) -> Option<u8> {
        loop {
            if let Some((byte, piece)) = self.piece.split_first() {
                self.piece = piece;
                return Some(*byte);
            }
            self.piece = self.rest.next()?;
        }
    }

    /// The next field's number and wire type; `None` at the end. It fits into 32 bits.
    fn tag(&mut self) -> Result<Option<u64>, Error> {
        let Some(first) = self.byte() else { return Ok(None) };
        let tag = self.varint_from(first)?;
        if tag > u64::from(u32::MAX) {
            return Err(malformed("a field's number is too large"));
        }
        Ok(Some(tag))
    }

    fn varint(&mut self) -> Result<u64, Error> {
        let first = self.byte().ok_or_else(overrun)?;
        self.varint_from(first)
    }

    fn varint_from(&mut self, first: u8) -> Result<u64, Error> {
        let mut byte = first;
        let mut value = u64::from(byte & 0x7f);
        let mut shift = 7;
        while byte & 0x80 != 0 {
            byte = self.byte().ok_or_else(overrun)?;
            // The tenth byte holds only the last of 64 bits.
            if shift == 63 && byte > 1 {
                return Err(malformed("a number is too long"));
            }
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
        }
        Ok(value)
    }

    fn skip(&mut self, len: u64) -> Result<(), Error> {
        let mut left = len;
        loop {
            match usize::try_from(left) {
                Ok(left) if left <= self.piece.len() => {
                    self.piece = &self.piece[left..];
                    return Ok(());
                }
                _ => left -= self.piece.len() as u64,
            }
            self.piece = self.rest.next().ok_or_else(overrun)?;
        }
    }

    fn text(&mut self) -> Result<Cow<'a, str>, Error> {
        let not_utf8 = |_| malformed("field 1, the namespace, is not UTF-8");
        let len = usize::try_from(self.varint()?).map_err(|_| overrun())?;
        if let Some((text, piece)) = self.piece.split_at_checked(len) {
            self.piece = piece;
            return std::str::from_utf8(text).map(Cow::Borrowed).map_err(not_utf8);
        }
        // Grows with the bytes received, not with the claimed length.
        let mut text = Vec::new();
        while text.len() < len {
            text.push(self.byte().ok_or_else(overrun)?);
        }
        String::from_utf8(text).map(Cow::Owned).map_err(|error| not_utf8(error.utf8_error()))
    }
}

#[cfg(test)]
mod tests {
    use prism_proto::interfaces::keyvalue::SetRequest;
    use prost::Message as _;

    use super::*;

    #[test]
    fn a_namespace_is_seen_as_soon_as_it_is_there() {
        let request = SetRequest { namespace: "orders".into(), key: "k".into(), ..SetRequest::default() };
        let mut bytes = request.encode_to_vec();
        let whole = bytes.len();
        // What follows belongs to another message.
        bytes.extend_from_slice(&[0x0a, 1, b'x']);
        for end in 0..=bytes.len() {
            for cut in 0..=end {
                let (left, right) = bytes[..end].split_at(cut);
                let seen = peek([left, right].into_iter(), whole);
                assert_eq!(seen.as_deref(), (end >= 8).then_some("orders"), "{cut} {end}");
            }
        }
        assert_eq!(peek([&bytes[whole..]].into_iter(), 0), None);
        for malformed in [&[0x08, 1][..], &[0x0b, 1], &[0x0a, 1, 0xff], &[0xff; 11]] {
            assert!(peek([malformed].into_iter(), malformed.len()).is_none_or(|seen| seen.is_empty()));
        }
    }

    fn found(bytes: &[u8]) -> Result<String, String> {
        let whole = find([bytes].into_iter()).map(Cow::into_owned).map_err(|error| error.to_string());
        // The result is the same wherever the bytes are cut.
        for cut in 0..=bytes.len() {
            let (left, right) = bytes.split_at(cut);
            let cut =
                find([left, &[], right].into_iter()).map(Cow::into_owned).map_err(|error| error.to_string());
            assert_eq!(cut, whole);
        }
        whole
    }

    fn set(namespace: &str) -> Vec<u8> {
        SetRequest {
            namespace: namespace.to_owned(),
            key: "k".repeat(200),
            value: vec![0xff; 300].into(),
            ttl_seconds: Some(i64::MAX),
            ttl_millis: None,
        }
        .encode_to_vec()
    }

    #[test]
    fn the_namespace_is_found_wherever_it_stands() {
        assert_eq!(found(&set("orders")).as_deref(), Ok("orders"));
        assert_eq!(found(&set("")).as_deref(), Ok(""));
        assert_eq!(found(&[]).as_deref(), Ok(""));
        // Fields in a different order, and of every wire type: 2 fixed64, 3 fixed32, 4 varint, then 1.
        let mut bytes = vec![0x11, 0, 0, 0, 0, 0, 0, 0, 0, 0x1d, 0, 0, 0, 0, 0x20, 0x96, 0x01];
        bytes.extend_from_slice(b"\x0a\x02ab");
        assert_eq!(found(&bytes).as_deref(), Ok("ab"));
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for (bytes, expected) in [
            (b"\x0a\x01a\x0a\x01b".as_slice(), "more than once"),
            (b"\x08\x01", "not a string"),
            (b"\x0a\x05ab", "ends within"),
            (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "ends within"),
            (b"\x0a\x02\xff\xfe", "not UTF-8"),
            (b"\x12\x7f", "ends within"),
            (b"\x0b\x0c", "not a string"),
            (b"\x13\x14", "wire type"),
            (b"\x02\x00", "number 0"),
            (b"\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", "too long"),
            (b"\xff\xff\xff\xff\xff\x01\x00", "too large"),
            (b"\x80", "ends within"),
        ] {
            let error = found(bytes).unwrap_err();
            assert!(error.contains(expected), "{bytes:?}: {error}");
        }
    }

    #[test]
    fn what_passes_decodes_to_the_same_namespace() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut passed = 0;
        for _ in 0..200_000 {
            let mut bytes = set("ns");
            bytes.truncate(random.usize(..12));
            for _ in 0..random.usize(..4) {
                if let Some(byte) = bytes.get_mut(random.usize(..12)) {
                    *byte = random.u8(..);
                }
            }
            let decoded = SetRequest::decode(bytes.as_slice());
            if let (Ok(namespace), Ok(decoded)) = (find([bytes.as_slice()].into_iter()), decoded) {
                assert_eq!(namespace, decoded.namespace, "{bytes:?}");
                passed += 1;
            }
        }
        assert!(passed > 1000, "{passed}");
    }
}
