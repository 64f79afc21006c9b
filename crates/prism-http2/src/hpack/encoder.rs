//! From fields to a block (RFC 7541, sections 3 and 6).

use std::collections::VecDeque;
use std::hash::Hasher as _;

use http::header::{AUTHORIZATION, CONTENT_LENGTH, COOKIE, HeaderName, HeaderValue, SET_COOKIE};
use rustc_hash::{FxHashMap, FxHasher};

use super::field::ENTRY_BYTES;
use super::{fixed, integer};
use crate::settings::DEFAULT_TABLE_BYTES;

/// Headers that differ with each call, or may: in the table, they would only displace others.
const PASSING: [&str; 6] =
    ["idempotency-key", "traceparent", "tracestate", "grpc-message", "grpc-status-details-bin", "date"];

/// A larger entry is not put into the table.
const KEPT_BYTES_MAX: usize = 1024;

/// Writes blocks, and keeps the dynamic table that they share.
#[derive(Debug)]
pub(crate) struct Encoder {
    /// The oldest first.
    entries: VecDeque<Entry>,
    /// How many have ever been added.
    added: u64,
    bytes: usize,
    bytes_max: usize,
    /// To be announced with the next block: the lowest size since the last one, and the size now.
    announced: Option<(usize, usize)>,
    /// Which entry, counted from the first ever, has the hash of a name and value, and of a name.
    fields: FxHashMap<u64, u64>,
    names: FxHashMap<u64, u64>,
}

#[derive(Debug)]
struct Entry {
    name: Name,
    value: Box<[u8]>,
    field_hash: u64,
    name_hash: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Name {
    Pseudo(&'static str),
    Header(HeaderName),
}

impl Name {
    fn as_str(&self) -> &str {
        match self {
            Self::Pseudo(name) => name,
            Self::Header(name) => name.as_str(),
        }
    }
}

impl Entry {
    fn bytes(&self) -> usize {
        self.name.as_str().len() + self.value.len() + ENTRY_BYTES
    }
}

impl Default for Encoder {
    fn default() -> Self {
        Self {
            entries: VecDeque::new(),
            added: 0,
            bytes: 0,
            bytes_max: DEFAULT_TABLE_BYTES,
            announced: None,
            fields: FxHashMap::default(),
            names: FxHashMap::default(),
        }
    }
}

impl Encoder {
    /// The peer allows a table of so many bytes; more than the default is not used.
    pub(crate) fn set_bytes_max(&mut self, bytes: usize) {
        let bytes = bytes.min(DEFAULT_TABLE_BYTES);
        if bytes != self.bytes_max {
            self.bytes_max = bytes;
            let lowest = self.announced.map_or(bytes, |(lowest, _)| lowest.min(bytes));
            self.announced = Some((lowest, bytes));
            self.evict(0);
        }
    }

    /// Begins a block.
    pub(crate) fn begin(&mut self, to: &mut Vec<u8>) {
        if let Some((lowest, now)) = self.announced.take() {
            // The peer drops what does not fit into the lowest one, as this side has.
            if lowest < now {
                integer::write(lowest, 5, 0x20, to);
            }
            integer::write(now, 5, 0x20, to);
        }
    }

    /// A field of the static table.
    pub(crate) fn fixed(index: usize, to: &mut Vec<u8>) {
        integer::write(index, 7, 0x80, to);
    }

    /// A pseudo-header.
    pub(crate) fn pseudo(&mut self, name: &'static str, value: &str, to: &mut Vec<u8>) {
        self.field(Name::Pseudo(name), value.as_bytes(), to);
    }

    /// A header.
    pub(crate) fn header(&mut self, name: &HeaderName, value: &HeaderValue, to: &mut Vec<u8>) {
        let is_secret = value.is_sensitive() || [AUTHORIZATION, COOKIE, SET_COOKIE].contains(name);
        if is_secret || *name == CONTENT_LENGTH || PASSING.contains(&name.as_str()) {
            let name = Name::Header(name.clone());
            let index = self.name_index(&name, hash(&name));
            // Never to be indexed, by nobody on its way, or not to be.
            literal(index, 4, if is_secret { 0x10 } else { 0 }, name.as_str(), value.as_bytes(), to);
            return;
        }
        self.field(Name::Header(name.clone()), value.as_bytes(), to);
    }

    fn field(&mut self, name: Name, value: &[u8], to: &mut Vec<u8>) {
        let name_hash = hash(&name);
        let field_hash = hash(&(name_hash, value));
        if let Some((index, entry)) = self.entry(self.fields.get(&field_hash))
            && entry.name == name
            && *entry.value == *value
        {
            return integer::write(index, 7, 0x80, to);
        }
        let index = self.name_index(&name, name_hash);
        let entry = Entry { name, value: value.into(), field_hash, name_hash };
        let bytes = entry.bytes();
        if bytes > KEPT_BYTES_MAX.min(self.bytes_max) {
            return literal(index, 4, 0, entry.name.as_str(), value, to);
        }
        literal(index, 6, 0x40, entry.name.as_str(), value, to);
        self.evict(bytes);
        self.fields.insert(field_hash, self.added);
        self.names.insert(name_hash, self.added);
        self.added += 1;
        self.bytes += bytes;
        self.entries.push_back(entry);
    }

    /// The index of a name, 0 if it has none.
    fn name_index(&self, name: &Name, name_hash: u64) -> usize {
        let found = self.entry(self.names.get(&name_hash)).filter(|(_, entry)| entry.name == *name);
        found.map(|(index, _)| index).or_else(|| fixed::index_of(name.as_str())).unwrap_or(0)
    }

    /// An entry and its index, by its number.
    fn entry(&self, number: Option<&u64>) -> Option<(usize, &Entry)> {
        let age = usize::try_from(self.added - number?).ok()?;
        let at = self.entries.len().checked_sub(age)?;
        Some((fixed::ENTRIES.len() + age, &self.entries[at]))
    }

    /// Makes room for so many bytes.
    fn evict(&mut self, bytes: usize) {
        while self.bytes + bytes > self.bytes_max {
            let number = self.added - self.entries.len() as u64;
            let Some(oldest) = self.entries.pop_front() else { break };
            self.bytes -= oldest.bytes();
            // A newer entry may have taken its place.
            for (of, hash) in [(&mut self.fields, oldest.field_hash), (&mut self.names, oldest.name_hash)] {
                if of.get(&hash) == Some(&number) {
                    of.remove(&hash);
                }
            }
        }
    }
}

fn hash(value: &impl std::hash::Hash) -> u64 {
    let mut hasher = FxHasher::default();
    value.hash(&mut hasher);
    hasher.finish()
}

fn literal(index: usize, prefix: u32, flags: u8, name: &str, value: &[u8], to: &mut Vec<u8>) {
    integer::write(index, prefix, flags, to);
    if index == 0 {
        string(name.as_bytes(), to);
    }
    string(value, to);
}

fn string(bytes: &[u8], to: &mut Vec<u8>) {
    integer::write(bytes.len(), 7, 0, to);
    to.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hpack::decoder::Decoder;
    use crate::hpack::field::Field;

    fn header(name: &str, value: &str) -> (HeaderName, HeaderValue) {
        (name.parse().unwrap(), value.parse().unwrap())
    }

    fn encoded(encoder: &mut Encoder, headers: &[(HeaderName, HeaderValue)]) -> Vec<u8> {
        let mut block = Vec::new();
        encoder.begin(&mut block);
        headers.iter().for_each(|(name, value)| encoder.header(name, value, &mut block));
        block
    }

    #[test]
    fn a_header_that_was_sent_before_is_one_byte() {
        let mut encoder = Encoder::default();
        let headers = [header("content-type", "application/grpc"), header("te", "trailers")];
        assert!(encoded(&mut encoder, &headers).len() > 20);
        assert_eq!(encoded(&mut encoder, &headers), [0xbf, 0xbe]);
    }

    #[test]
    fn secrets_are_never_indexed_and_passing_values_are_not() {
        let mut encoder = Encoder::default();
        let mut secret = header("x-secret", "s");
        secret.1.set_sensitive(true);
        let block = encoded(
            &mut encoder,
            &[secret, header("authorization", "Bearer a"), header("traceparent", "00")],
        );
        assert_eq!((block[0], encoder.entries.len()), (0x10, 0));
        assert!(
            block.windows(2).any(|two| two == [0x1f, 23 - 15]),
            "authorization, never indexed: {block:?}"
        );
    }

    #[test]
    fn the_lowest_size_of_the_table_is_announced_before_the_last() {
        let mut encoder = Encoder::default();
        [0, 100, 4096].into_iter().for_each(|bytes| encoder.set_bytes_max(bytes));
        assert_eq!(encoded(&mut encoder, &[]), [0x20, 0x3f, 0xe1, 0x1f]);
        assert_eq!(encoded(&mut encoder, &[]), []);
    }

    #[test]
    fn whatever_is_sent_reads_back() {
        let mut random = fastrand::Rng::with_seed(7);
        let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
        for round in 0..3000 {
            if round % 500 == 499 {
                (0..random.usize(1..4)).for_each(|_| encoder.set_bytes_max(random.usize(..6000)));
            }
            let headers: Vec<_> = (0..random.usize(1..8))
                .map(|_| {
                    let name =
                        ["te", "grpc-timeout", "traceparent", "x-long", "x-a", "x-b"][random.usize(..6)];
                    let len = if name == "x-long" { random.usize(..3000) } else { random.usize(..3) };
                    header(name, &"v".repeat(len))
                })
                .collect();
            let block = encoded(&mut encoder, &headers);
            let mut fields = Vec::new();
            decoder.decode(&block, |(field, _)| fields.push(field)).unwrap();
            let expected: Vec<_> =
                headers.into_iter().map(|(name, value)| Field::Header(name, value)).collect();
            assert_eq!(fields, expected);
        }
    }
}
