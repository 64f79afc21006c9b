//! Keys and records as they are on disk: format 2. Changing anything here changes [`FORMAT`].
//!
//! ```text
//! key of the engine                                     value
//! "B"                                                   number u64, synced u64: of the last batch
//! "V" namespace key                                     record: a value, with its deadline
//! "L" namespace list                                    head i64, tail i64: the values have the positions head..tail;
//!                                                       delivered u64, unless 0: how many of them a "D" is there for
//! "E" namespace list-bytes u16 list position            a value of the list
//! "D" namespace list-bytes u16 list position            how often a value that came back was delivered u32
//! "Q" namespace list-bytes u16 list number              a lease: until u64, check u64, end u8, max deliveries u32, dead letter
//!                                                       list with its bytes u16, values with their deliveries u32 and bytes u32
//! "G"                                                   number u64: of the last lease
//! "X" deadline u64, key of the engine                   nothing: what expires, by time
//! "N" namespace                                         keys u64, lists u64: how many the namespace holds
//! "C" namespace client                                  a client's forgotten u64, records u32, bytes u64, last u64, due u64
//! "R" namespace client seq u64                          written u64, digest, answer: to a call under an idempotency key
//! ```
//!
//! A namespace is one byte with its length, and its name. A record is its deadline, in milliseconds since 1970 and 0 for
//! none, and the value. A client is its own number u128, the source of its caller's name u8 and the name with its bytes u16. All numbers are big-endian, and a position has its sign bit flipped, so that bytes sort as numbers
//! do.
//!
//! Format 1 is the same without `C`, `R`, `D`, `Q` and `G`.

pub(crate) mod leases;
pub(crate) mod retries;

use std::time::Duration;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

/// The version of this layout.
pub(crate) const FORMAT: u32 = 2;

/// The key of the numbers of the last batch.
pub(crate) const BATCH: &[u8] = b"B";

const VALUE: u8 = b'V';
const LIST: u8 = b'L';
const ELEMENT: u8 = b'E';
const EXPIRY: u8 = b'X';
const COUNTS: u8 = b'N';
const CLIENT: u8 = b'C';
const ANSWER: u8 = b'R';
const LEASE: u8 = b'Q';
const DELIVERIES: u8 = b'D';

/// A value and when it expires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Milliseconds since 1970; `None` for never.
    pub(crate) deadline: Option<u64>,
    pub(crate) value: Bytes,
}

/// The positions of a list's values: `head..tail`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) head: i64,
    pub(crate) tail: i64,
    /// How many of the values have been delivered before.
    pub(crate) delivered: u64,
}

/// What a namespace holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) keys: u64,
    pub(crate) lists: u64,
}

impl Record {
    pub(crate) fn encode(&self) -> Bytes {
        let mut encoded = BytesMut::with_capacity(8 + self.value.len());
        encoded.put_u64(self.deadline.unwrap_or(0));
        encoded.put_slice(&self.value);
        encoded.freeze()
    }

    pub(crate) fn decode(mut encoded: Bytes) -> Option<Self> {
        let deadline = encoded.try_get_u64().ok()?;
        Some(Self { deadline: (deadline > 0).then_some(deadline), value: encoded })
    }

    pub(crate) fn is_live(&self, now: u64) -> bool {
        self.deadline.is_none_or(|deadline| now < deadline)
    }

    /// The time that it has left to live; `None` if it does not expire.
    pub(crate) fn left(&self, now: u64) -> Option<Duration> {
        self.deadline.map(|deadline| Duration::from_millis(deadline.saturating_sub(now)))
    }
}

/// What is stored under keys that are scanned.
pub(crate) trait Stored: Sized + Send + 'static {
    /// The key of the engine.
    fn key(namespace: &str, key: &[u8]) -> Vec<u8>;

    fn decode(encoded: Bytes) -> Option<Self>;

    /// Whether it has not expired.
    fn is_live(encoded: &[u8], now: u64) -> bool;

    /// The time that it has left to live; `None` if it does not expire.
    fn left(&self, now: u64) -> Option<Duration>;
}

impl Stored for Record {
    fn key(namespace: &str, key: &[u8]) -> Vec<u8> {
        value(namespace, key)
    }

    fn decode(encoded: Bytes) -> Option<Self> {
        Self::decode(encoded)
    }

    fn is_live(encoded: &[u8], now: u64) -> bool {
        is_live(encoded, now)
    }

    fn left(&self, now: u64) -> Option<Duration> {
        self.left(now)
    }
}

impl Stored for Ends {
    fn key(namespace: &str, key: &[u8]) -> Vec<u8> {
        list(namespace, key)
    }

    fn decode(encoded: Bytes) -> Option<Self> {
        Self::decode(&encoded)
    }

    fn is_live(_: &[u8], _: u64) -> bool {
        true
    }

    fn left(&self, _: u64) -> Option<Duration> {
        None
    }
}

/// Whether an encoded record has not expired; one that cannot be decoded has not.
pub(crate) fn is_live(encoded: &[u8], now: u64) -> bool {
    encoded.first_chunk().is_none_or(|deadline| match u64::from_be_bytes(*deadline) {
        0 => true,
        deadline => now < deadline,
    })
}

impl Ends {
    pub(crate) fn len(self) -> u64 {
        self.tail.wrapping_sub(self.head).cast_unsigned()
    }

    pub(crate) fn encode(self) -> Bytes {
        let ends = numbered(self.head.cast_unsigned(), self.tail.cast_unsigned());
        match self.delivered {
            0 => Bytes::copy_from_slice(&ends),
            delivered => [&ends[..], &delivered.to_be_bytes()].concat().into(),
        }
    }

    pub(crate) fn decode(encoded: &[u8]) -> Option<Self> {
        let (ends, delivered) = encoded.split_at_checked(16)?;
        let (head, tail) = numbers(Some(ends))?;
        let delivered = match delivered {
            [] => 0,
            delivered => u64::from_be_bytes(delivered.try_into().ok()?),
        };
        Some(Self { head: head.cast_signed(), tail: tail.cast_signed(), delivered })
    }
}

impl Counts {
    pub(crate) fn encode(self) -> Bytes {
        pair(self.keys, self.lists)
    }

    pub(crate) fn decode(encoded: &[u8]) -> Option<Self> {
        numbers(Some(encoded)).map(|(keys, lists)| Self { keys, lists })
    }
}

fn pair(first: u64, second: u64) -> Bytes {
    Bytes::copy_from_slice(&numbered(first, second))
}

/// Two numbers as a value.
pub(crate) fn numbered(first: u64, second: u64) -> [u8; 16] {
    (u128::from(first) << 64 | u128::from(second)).to_be_bytes()
}

/// The two numbers of a value.
pub(crate) fn numbers(value: Option<&[u8]>) -> Option<(u64, u64)> {
    let (first, second) = value?.split_first_chunk()?;
    Some((u64::from_be_bytes(*first), u64::from_be_bytes(second.try_into().ok()?)))
}

pub(crate) fn value(namespace: &str, key: &[u8]) -> Vec<u8> {
    key_of(VALUE, namespace, key)
}

pub(crate) fn list(namespace: &str, list: &[u8]) -> Vec<u8> {
    key_of(LIST, namespace, list)
}

pub(crate) fn element(namespace: &str, list: &[u8], position: i64) -> Vec<u8> {
    let mut key = Vec::with_capacity(2 + namespace.len() + 2 + list.len() + 8);
    name(&mut key, ELEMENT, namespace);
    key.put_u16(u16::try_from(list.len()).unwrap_or(u16::MAX));
    key.put_slice(list);
    key.put_u64(position.cast_unsigned() ^ 1 << 63);
    key
}

/// Whether a key of the engine is that of a record.
pub(crate) fn is_value(key: &[u8]) -> bool {
    key.first() == Some(&VALUE)
}

/// What is before all values of a list, and what is behind them.
pub(crate) fn elements(namespace: &str, list: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let first = element(namespace, list, i64::MIN);
    let mut behind = element(namespace, list, i64::MAX);
    behind.push(0);
    (first, behind)
}

pub(crate) fn expiry(deadline: u64, of: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + 8 + of.len());
    key.put_u8(EXPIRY);
    key.put_u64(deadline);
    key.put_slice(of);
    key
}

/// The deadline and the key in a key of the index of what expires.
pub(crate) fn expiring(key: &[u8]) -> Option<(u64, &[u8])> {
    let (deadline, of) = key.strip_prefix(&[EXPIRY])?.split_first_chunk()?;
    Some((u64::from_be_bytes(*deadline), of))
}

pub(crate) fn counts(namespace: &str) -> Vec<u8> {
    key_of(COUNTS, namespace, &[])
}

/// The namespace and the rest of a key of anything that belongs to one.
pub(crate) fn parts(key: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = key.get(1..)?.split_first()?;
    let (namespace, rest) = rest.split_at_checked(usize::from(*length))?;
    Some((std::str::from_utf8(namespace).ok()?, rest))
}

/// The list and the position in the rest of a list's value's key.
pub(crate) fn placed(rest: &[u8]) -> Option<(&[u8], i64)> {
    let (bytes, rest) = rest.split_first_chunk()?;
    let (list, position) = rest.split_at_checked(usize::from(u16::from_be_bytes(*bytes)))?;
    Some((list, (u64::from_be_bytes(position.try_into().ok()?) ^ 1 << 63).cast_signed()))
}

/// All keys of one kind: the first possible one, and what is behind the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Values,
    Lists,
    Elements,
    Expiry,
    Counts,
    Clients,
    Answers,
    Leases,
    Deliveries,
}

impl Kind {
    pub(crate) fn bounds(self) -> ([u8; 1], [u8; 1]) {
        let tag = match self {
            Self::Values => VALUE,
            Self::Lists => LIST,
            Self::Elements => ELEMENT,
            Self::Expiry => EXPIRY,
            Self::Counts => COUNTS,
            Self::Clients => CLIENT,
            Self::Answers => ANSWER,
            Self::Leases => LEASE,
            Self::Deliveries => DELIVERIES,
        };
        ([tag], [tag + 1])
    }
}

/// The key that is behind all that begin with this one, which does not end with 0xFF throughout: its first byte is a
/// letter.
pub(crate) fn behind(prefix: &[u8]) -> Vec<u8> {
    let kept = prefix.iter().rposition(|byte| *byte < u8::MAX).map_or(0, |last| last + 1);
    let mut behind = prefix[..kept].to_vec();
    if let Some(last) = behind.last_mut() {
        *last += 1;
    }
    behind
}

fn key_of(tag: u8, namespace: &str, rest: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(2 + namespace.len() + rest.len());
    name(&mut key, tag, namespace);
    key.put_slice(rest);
    key
}

fn name(key: &mut Vec<u8>, tag: u8, namespace: &str) {
    key.put_u8(tag);
    // At most 64 bytes: the contract's limit.
    key.put_u8(namespace.len() as u8);
    key.put_slice(namespace.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded() {
        for deadline in [None, Some(1), Some(u64::MAX)] {
            let record = Record { deadline, value: Bytes::from_static(b"value") };
            assert_eq!(Record::decode(record.encode()), Some(record.clone()));
            assert_eq!(is_live(&record.encode(), 1), record.is_live(1));
        }
        for (delivered, bytes) in [(0, 16), (2, 24)] {
            let ends = Ends { head: -3, tail: 4, delivered };
            assert_eq!((Ends::decode(&ends.encode()), ends.len()), (Some(ends), 7));
            assert_eq!(ends.encode().len(), bytes);
        }
        let key = element("orders", b"list", -1);
        let (namespace, rest) = parts(&key).unwrap();
        assert_eq!((namespace, placed(rest)), ("orders", Some((&b"list"[..], -1))));
        assert_eq!(expiring(&expiry(7, b"Vkey")), Some((7, &b"Vkey"[..])));
        for cut in [&b""[..], b"V", b"V\x03ab"] {
            assert_eq!(parts(cut), None);
        }
        assert_eq!(Record::decode(Bytes::from_static(b"short")), None);
    }

    /// Stores of this format are on disks.
    #[test]
    fn the_layout_is_pinned() {
        assert_eq!(value("a", b"k"), b"V\x01ak");
        assert_eq!(list("a", b"k"), b"L\x01ak");
        assert_eq!(element("a", b"k", 0), b"E\x01a\0\x01k\x80\0\0\0\0\0\0\0");
        assert_eq!(expiry(1, b"V\x01ak"), b"X\0\0\0\0\0\0\0\x01V\x01ak");
        assert_eq!(counts("a"), b"N\x01a");
        let record = Record { deadline: Some(1), value: Bytes::from_static(b"v") };
        assert_eq!(record.encode(), &b"\0\0\0\0\0\0\0\x01v"[..]);
    }

    #[test]
    fn bytes_sort_as_numbers_do_and_a_prefix_ends_before_what_is_behind_it() {
        let positions = [i64::MIN, -1, 0, 1, i64::MAX].map(|position| element("a", b"l", position));
        assert!(positions.is_sorted());
        let (from, to) = elements("a", b"l");
        assert!(positions.iter().all(|key| (&from..&to).contains(&key)));
        assert!(element("a", b"m", i64::MIN) > to && element("a", b"ll", i64::MIN) > to);
        for prefix in [&b"Vab"[..], b"Va\xFF", b"V\xFF\xFF"] {
            let end = behind(prefix);
            assert!([prefix, b"\xFF\xFF\xFF"].concat() < end && prefix < &end[..]);
        }
    }
}
