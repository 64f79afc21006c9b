//! The limits of the contract, each with its reason.

use std::time::Duration;

/// The longest namespace name, in bytes. A DNS label has 63; one more costs nothing.
pub const NAMESPACE_BYTES_MAX: usize = 64;

/// The namespace meant by an empty name.
pub const NAMESPACE_DEFAULT: &str = "default";

/// The longest key, list key or prefix, in bytes.
pub const KEY_BYTES_MAX: usize = 4096;

/// The largest gRPC message: what every stock gRPC peer accepts unless told otherwise.
pub const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The largest value: a message less 16 KiB, which holds the longest key (4 KiB), the longest namespace and the
/// framing, with room for fields to come.
pub const VALUE_BYTES_MAX: usize = MESSAGE_BYTES_MAX - 16 * 1024;

/// The largest HTTP/2 frame that the ends written here take, in place of HTTP/2's own 16 KiB: each frame is written and
/// read by itself, and this is a large value in one or two.
pub const FRAME_BYTES_MAX: u32 = 64 * 1024;

/// The longest time to live: 100 years of 365 days.
pub const TTL_MAX: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Whether `name` may name a namespace: 1 to 64 of `a-z 0-9 -`, starting with a letter.
///
/// ```
/// use prism_proto::limits::is_namespace;
/// assert!(is_namespace("orders-2"));
/// assert!(!is_namespace("2-orders") && !is_namespace("") && !is_namespace("Orders"));
/// ```
#[must_use]
pub fn is_namespace(name: &str) -> bool {
    name.len() <= NAMESPACE_BYTES_MAX
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}
