//! Protobuf's wire format, as much of it as requests need.

use bytes::{BufMut as _, BytesMut};

/// The wire type of bytes and strings; that of numbers is 0.
const LENGTH_DELIMITED: u8 = 2;

/// A number of any integer type that is not negative. `field` is at most 15, so that its tag is one byte.
pub(super) fn put_number(out: &mut BytesMut, field: u8, number: u64) {
    out.put_u8(field << 3);
    put_varint(out, number);
}

/// What stands before bytes, of so many.
pub(super) fn put_length(out: &mut BytesMut, field: u8, len: usize) {
    out.put_u8(field << 3 | LENGTH_DELIMITED);
    put_varint(out, len as u64);
}

/// Bytes or a string.
pub(super) fn put_bytes(out: &mut BytesMut, field: u8, bytes: &[u8]) {
    put_length(out, field, bytes.len());
    out.put_slice(bytes);
}

fn put_varint(out: &mut BytesMut, mut number: u64) {
    while number >= 0x80 {
        out.put_u8(number as u8 | 0x80);
        number >>= 7;
    }
    out.put_u8(number as u8);
}
