//! Keys, values and frames.

use bytes::Bytes;
use prost::Message;

/// A flag and a length precede each gRPC message.
const FRAME_BYTES: usize = 5;

/// The length of the keys that are stored for scans.
pub(crate) const KEY_BYTES: usize = 16;
/// The length of their values.
pub(crate) const VALUE_BYTES: usize = 100;

/// The value of this length, the same everywhere.
pub(crate) fn value(bytes: usize) -> Bytes {
    value_text(bytes).into()
}

/// The same as text, for Redis.
pub(crate) fn value_text(bytes: usize) -> String {
    "x".repeat(bytes)
}

/// The key with a number, [`KEY_BYTES`] long. The prefix distinguishes series of keys.
pub(crate) fn key(prefix: &str, number: usize) -> String {
    let digits = KEY_BYTES - prefix.len();
    format!("{prefix}{number:0digits$}")
}

/// An encoded message with what precedes it in a body.
pub(super) fn framed_bytes(message: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut body = vec![0];
    body.extend_from_slice(&u32::try_from(message.len())?.to_be_bytes());
    body.extend_from_slice(message);
    Ok(body)
}

/// The length of a message with what precedes it in a body.
pub(super) fn framed(message: &impl Message) -> usize {
    FRAME_BYTES + message.encoded_len()
}
