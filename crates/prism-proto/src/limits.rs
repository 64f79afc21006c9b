//! The limits of the contract, each with its reason.

use std::time::Duration;

/// The longest namespace name, in bytes. A DNS label may have 63; one more costs nothing.
pub const NAMESPACE_BYTES_MAX: usize = 64;

/// The namespace that an empty name stands for.
pub const NAMESPACE_DEFAULT: &str = "default";

/// The longest key, list key or prefix, in bytes.
pub const KEY_BYTES_MAX: usize = 4096;

/// The longest resume token of a scan, in bytes: twice the longest key, because a token may hold a key, the position within
/// a cluster (a bit for each of 16,384 slots is 2 KiB), and a checksum.
pub const RESUME_BYTES_MAX: usize = 8 * 1024;

/// The largest gRPC message: what every stock gRPC peer accepts by default.
pub const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The largest value: a message minus 16 KiB, which holds the longest key (4 KiB), the longest namespace and the
/// framing, with room for future fields.
pub const VALUE_BYTES_MAX: usize = MESSAGE_BYTES_MAX - 16 * 1024;

/// The most items of a batch: enough that a call's fixed cost is spread thin, and few enough that an answer per item fits into
/// a message.
pub const BATCH_ITEMS_MAX: usize = 1000;

/// The most bytes of a list that is imported in parts: what one import holds in memory until the last part has arrived.
pub const IMPORT_LIST_BYTES_MAX: usize = 128 * 1024 * 1024;

/// What each value of such a list counts besides its bytes: its place in memory.
pub const IMPORT_VALUE_OVERHEAD_BYTES: usize = 64;

/// The longest time that a call may ask to wait for a value: below the time after which firewalls forget an idle connection.
pub const WAIT_MAX: Duration = Duration::from_secs(300);

/// The longest lease: half a day, which a job may take.
pub const LEASE_MAX: Duration = Duration::from_secs(12 * 60 * 60);

/// The longest name of a lease, in bytes.
pub const LEASE_TOKEN_BYTES_MAX: usize = 64;

/// How long the answer to a call under an idempotency key is kept: twice as long as a client repeats the call, so that clocks and
/// queues between the two do not matter.
pub const IDEMPOTENCY_RECORD_LIFE: Duration = Duration::from_secs(120);

/// How long after its first sending a client may repeat a call under its idempotency key.
pub const IDEMPOTENCY_RETRY_MAX: Duration = Duration::from_secs(60);

/// The most answers of one client that are kept, and so the most calls that it may have without having acknowledged their answers.
pub const IDEMPOTENCY_RECORDS_MAX: usize = 4096;

/// The most bytes of answers of one client that are kept: sixteen of the largest messages.
pub const IDEMPOTENCY_BYTES_MAX: usize = 16 * MESSAGE_BYTES_MAX;

/// The largest HTTP/2 frame that Prism's clients and servers accept, instead of HTTP/2's default of 16 KiB: each frame
/// costs a write and a read, and at this size a large value takes one or two of them.
pub const FRAME_BYTES_MAX: u32 = 64 * 1024;

/// The longest time to live: 100 years of 365 days.
pub const TTL_MAX: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Whether `name` is a valid namespace name: 1 to 64 of `a-z 0-9 -`, starting with a letter.
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
