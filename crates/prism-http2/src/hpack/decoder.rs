//! From a block to fields (RFC 7541, sections 3 and 6).

use std::collections::VecDeque;

use super::field::{ENTRY_BYTES, Field, Name};
use super::{fixed, huffman, integer};
use crate::settings::DEFAULT_TABLE_BYTES;

/// A buffer that has grown larger is returned.
const KEPT_BYTES: usize = 1024;

/// The block cannot be read, and with it none that follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Undecodable;

/// Reads blocks, and keeps the dynamic table that they share. Its size is the default, and the peer may only lower it.
#[derive(Debug)]
pub(crate) struct Decoder {
    /// The newest first.
    entries: VecDeque<Entry>,
    bytes: usize,
    bytes_max: usize,
    /// A string, while it is decoded.
    text: Vec<u8>,
}

#[derive(Debug)]
struct Entry {
    field: Field,
    name_len: usize,
    bytes: usize,
}

/// A field and what it counts in the list of headers.
pub(crate) type Sized = (Field, usize);

impl Default for Decoder {
    fn default() -> Self {
        Self { entries: VecDeque::new(), bytes: 0, bytes_max: DEFAULT_TABLE_BYTES, text: Vec::new() }
    }
}

impl Decoder {
    /// Hands each field of a block to `each`.
    pub(crate) fn decode(
        &mut self,
        mut block: &[u8],
        mut each: impl FnMut(Sized),
    ) -> Result<(), Undecodable> {
        let mut has_field = false;
        while let Some(&first) = block.first() {
            if first & 0x80 != 0 {
                let index = integer::read(&mut block, 7).ok_or(Undecodable)?;
                each(self.indexed(index)?);
            } else if first & 0x40 != 0 {
                let index = integer::read(&mut block, 6).ok_or(Undecodable)?;
                let (field, name_len, bytes) = self.literal(index, &mut block)?;
                self.insert(Entry { field: field.clone(), name_len, bytes });
                each((field, bytes));
            } else if first & 0x20 != 0 {
                // The table's size changes only at the beginning of a block.
                let size = integer::read(&mut block, 5).ok_or(Undecodable)?;
                if has_field || size > DEFAULT_TABLE_BYTES {
                    return Err(Undecodable);
                }
                self.bytes_max = size;
                self.evict(0);
                continue;
            } else {
                // Not to be indexed, or by nobody on its way: then the next one has to know.
                let index = integer::read(&mut block, 4).ok_or(Undecodable)?;
                let (mut field, _, bytes) = self.literal(index, &mut block)?;
                if let (Field::Header(_, value), true) = (&mut field, first & 0x10 != 0) {
                    value.set_sensitive(true);
                }
                each((field, bytes));
            }
            has_field = true;
        }
        if self.text.capacity() > KEPT_BYTES {
            self.text = Vec::new();
        }
        Ok(())
    }

    fn indexed(&self, index: usize) -> Result<Sized, Undecodable> {
        if let Some((field, len)) = fixed::get(index) {
            return Ok((field.clone(), len + ENTRY_BYTES));
        }
        let entry = self.dynamic(index)?;
        Ok((entry.field.clone(), entry.bytes))
    }

    fn dynamic(&self, index: usize) -> Result<&Entry, Undecodable> {
        let index = index.checked_sub(fixed::ENTRIES.len() + 1).ok_or(Undecodable)?;
        self.entries.get(index).ok_or(Undecodable)
    }

    /// A field whose name is that of an entry, or follows if the index is 0: the field, its name's length, its size.
    fn literal(&mut self, index: usize, block: &mut &[u8]) -> Result<(Field, usize, usize), Undecodable> {
        let (name, name_len) = if index == 0 {
            string(block, &mut self.text, |name| (Name::parse(name), name.len()))?
        } else if let Some((field, _)) = fixed::get(index) {
            (field.name(), fixed::name_len(index))
        } else {
            let entry = self.dynamic(index)?;
            (entry.field.name(), entry.name_len)
        };
        string(block, &mut self.text, |value| {
            (name.with(value), name_len, name_len + value.len() + ENTRY_BYTES)
        })
    }

    fn insert(&mut self, entry: Entry) {
        self.evict(entry.bytes);
        // One that is larger than the table empties it, and is not kept.
        if entry.bytes <= self.bytes_max {
            self.bytes += entry.bytes;
            self.entries.push_front(entry);
        }
    }

    /// Makes room for so many bytes.
    fn evict(&mut self, bytes: usize) {
        while self.bytes + bytes > self.bytes_max {
            let Some(oldest) = self.entries.pop_back() else { break };
            self.bytes -= oldest.bytes;
        }
    }
}

/// Reads a string. One that is coded is decoded into `text`.
fn string<T>(block: &mut &[u8], text: &mut Vec<u8>, read: impl FnOnce(&[u8]) -> T) -> Result<T, Undecodable> {
    let is_coded = block.first().ok_or(Undecodable)? & 0x80 != 0;
    let len = integer::read(block, 7).ok_or(Undecodable)?;
    let (string, rest) = block.split_at_checked(len).ok_or(Undecodable)?;
    *block = rest;
    if !is_coded {
        return Ok(read(string));
    }
    text.clear();
    huffman::decode(string, text).ok_or(Undecodable)?;
    Ok(read(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(decoder: &mut Decoder, block: &str) -> Result<Vec<String>, Undecodable> {
        let block: Vec<u8> = block
            .split_whitespace()
            .flat_map(|word| word.as_bytes().chunks(2))
            .map(|byte| u8::from_str_radix(std::str::from_utf8(byte).unwrap(), 16).unwrap())
            .collect();
        let mut fields = Vec::new();
        decoder.decode(&block, |(field, _)| {
            fields.push(match field {
                Field::Method(method) => method.to_string(),
                Field::Scheme(scheme) => format!("{scheme:?}"),
                Field::Authority(authority) => authority.map_or_else(String::new, |name| name.to_string()),
                Field::Path(path) => path.to_string(),
                Field::Status(status) => status.as_u16().to_string(),
                Field::Header(name, value) => format!("{name}: {}", value.to_str().unwrap()),
                Field::Malformed => "malformed".to_owned(),
            });
        })?;
        Ok(fields)
    }

    /// Sections C.3 and C.4 of the RFC: three requests on one connection, without Huffman coding and with it.
    #[test]
    fn the_requests_of_the_rfc_are_read() {
        let plain = [
            "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
            "8286 84be 5808 6e6f 2d63 6163 6865",
            "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
        ];
        let coded = [
            "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
            "8286 84be 5886 a8eb 1064 9cbf",
            "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
        ];
        for [first, second, third] in [plain, coded] {
            let mut decoder = Decoder::default();
            assert_eq!(decoded(&mut decoder, first).unwrap(), ["GET", "Http", "/", "www.example.com"]);
            assert_eq!(
                decoded(&mut decoder, second).unwrap(),
                ["GET", "Http", "/", "www.example.com", "cache-control: no-cache"]
            );
            assert_eq!(
                decoded(&mut decoder, third).unwrap(),
                ["GET", "Https", "/index.html", "www.example.com", "custom-key: custom-value"]
            );
            assert_eq!((decoder.bytes, decoder.entries.len()), (164, 3));
        }
    }

    #[test]
    fn entries_are_evicted_from_the_oldest() {
        let mut decoder = Decoder::default();
        // To 100 bytes: room for two of 32 + 2 + 1.
        decoded(&mut decoder, "3f45").unwrap();
        for value in ["61", "62", "63"] {
            decoded(&mut decoder, &format!("40 02 7878 01 {value}")).unwrap();
        }
        assert_eq!(decoded(&mut decoder, "be bf").unwrap(), ["xx: c", "xx: b"]);
        assert_eq!(decoded(&mut decoder, "c0"), Err(Undecodable));
        // One that is larger than the table empties it.
        decoded(&mut decoder, &format!("40 01 79 7f 01 {}", "61".repeat(128))).unwrap();
        assert_eq!((decoder.bytes, decoder.entries.len()), (0, 0));
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for block in [
            "80",                // index 0
            "be",                // an entry that is not there
            "41",                // no value
            "41 05 61",          // a value that is cut
            "41 81 00",          // padded with zeros
            "3f e2 1f",          // a larger table than is allowed
            "82 20",             // a change of size behind a field
            "7f ff ff ff ff 0f", // an index without end
        ] {
            assert_eq!(decoded(&mut Decoder::default(), block), Err(Undecodable), "{block}");
        }
    }

    #[test]
    fn what_http_does_not_allow_is_malformed_and_keeps_the_table_in_step() {
        let mut decoder = Decoder::default();
        let upper = decoded(&mut decoder, "40 01 41 01 61").unwrap();
        let broken = decoded(&mut decoder, "40 01 61 02 610a").unwrap();
        assert_eq!((upper[0].as_str(), broken[0].as_str()), ("malformed", "malformed"));
        assert_eq!(decoded(&mut decoder, "40 01 62 01 63 be bf c0").unwrap()[..2], ["b: c", "b: c"]);
    }
}
