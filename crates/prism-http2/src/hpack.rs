//! Header compression (RFC 7541).
//!
//! | module | owns |
//! |---|---|
//! | `huffman` | reading strings that are Huffman-coded |
//! | `integer` | integers |
//! | `field` | one header field, parsed |
//! | `fixed` | the static table |
//! | [`decoder`] | from a block to fields |
//! | [`encoder`] | from fields to a block |
//!
//! Strings are written as they are: nearly all of a call's fields are in the dynamic table, and coding the few others would take longer
//! than writing the bytes that it saves.

pub(crate) mod decoder;
pub(crate) mod encoder;
pub(crate) mod field;
mod fixed;
mod huffman;
mod integer;

pub(crate) use decoder::Decoder;
pub(crate) use encoder::Encoder;
pub(crate) use field::Field;
