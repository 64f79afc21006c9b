//! What a server may use at once, and how much of it one connection may.
//!
//! A connection's share lies below the bound of the whole, so that one that uses its share up is refused and no other is.

use prism_proto::limits::MESSAGE_BYTES_MAX;

/// The bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Calls under way.
    pub in_flight_max: usize,
    /// Those of one connection.
    pub connection_in_flight_max: usize,
    /// Streams of one connection to health's `Watch` and to reflection, which last.
    pub connection_watches_max: usize,
    /// Bytes of requests that are being read or wait for their end.
    pub request_bytes_max: usize,
    /// Those of one connection.
    pub connection_request_bytes_max: usize,
    /// Bytes of answers that clients have not taken.
    pub answer_bytes_max: usize,
    /// Those of one connection.
    pub connection_answer_bytes_max: usize,
    /// Calls that a client may reset in ten seconds.
    pub resets_max: usize,
}

impl Limits {
    /// Calls under way in a process: at some 12 KiB each, what a small machine has to spare. A 32nd is a thousand.
    pub const IN_FLIGHT_MAX: usize = 32_000;

    /// Streams of one connection to health's `Watch` and to reflection: a client needs one of each, and both versions of
    /// reflection make three.
    pub const CONNECTION_WATCHES_MAX: usize = 4;

    /// Bytes of requests, and of answers, in a process: 64 of the largest messages.
    pub const BYTES_MAX: usize = 64 * MESSAGE_BYTES_MAX;

    /// Resets of one client in ten seconds: a busy client that gives each of a thousand calls a second up stays below it.
    pub const RESETS_MAX: usize = 10_000;

    /// A connection's share of the calls: 1/32 of the whole, and 16 at least.
    #[must_use]
    pub fn share_of_calls(whole: usize) -> usize {
        (whole / 32).max(16).min(whole)
    }

    /// A connection's share of bytes: 1/8 of the whole, which is eight of the largest messages. A 32nd would be two, and
    /// refuse a client that reads or writes large values at once.
    #[must_use]
    pub fn share_of_bytes(whole: usize) -> usize {
        (whole / 8).max(2 * MESSAGE_BYTES_MAX).min(whole)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            in_flight_max: Self::IN_FLIGHT_MAX,
            connection_in_flight_max: Self::share_of_calls(Self::IN_FLIGHT_MAX),
            connection_watches_max: Self::CONNECTION_WATCHES_MAX,
            request_bytes_max: Self::BYTES_MAX,
            connection_request_bytes_max: Self::share_of_bytes(Self::BYTES_MAX),
            answer_bytes_max: Self::BYTES_MAX,
            connection_answer_bytes_max: Self::share_of_bytes(Self::BYTES_MAX),
            resets_max: Self::RESETS_MAX,
        }
    }
}
