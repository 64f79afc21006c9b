//! How much a server may use at once, and how much of that one connection may use.
//!
//! A connection's share is below the global limit, so that a connection that uses it up is refused and no other is.

use prism_proto::limits::MESSAGE_BYTES_MAX;

/// The limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Calls in flight.
    pub in_flight_max: usize,
    /// Calls in flight on one connection.
    pub connection_in_flight_max: usize,
    /// Long-lived streams of one connection: health's `Watch` and reflection.
    pub connection_watches_max: usize,
    /// Bytes of requests that are being received or are not complete yet.
    pub request_bytes_max: usize,
    /// The same for one connection.
    pub connection_request_bytes_max: usize,
    /// Bytes of responses that clients have not read yet.
    pub answer_bytes_max: usize,
    /// The same for one connection.
    pub connection_answer_bytes_max: usize,
    /// Calls that a client may reset within ten seconds.
    pub resets_max: usize,
}

impl Limits {
    /// Calls in flight in a process: at some 12 KiB each, what a small machine can spare. 1/32 of it is a thousand.
    pub const IN_FLIGHT_MAX: usize = 32_000;

    /// Streams of one connection to health's `Watch` and to reflection: a client needs one of each, and two versions of
    /// reflection make three.
    pub const CONNECTION_WATCHES_MAX: usize = 4;

    /// Bytes of requests, and of responses, in a process: 64 of the largest messages.
    pub const BYTES_MAX: usize = 64 * MESSAGE_BYTES_MAX;

    /// Resets by one client in ten seconds: a client that cancels each of a thousand calls a second stays below it.
    pub const RESETS_MAX: usize = 10_000;

    /// A connection's share of calls: 1/32 of the whole, at least 16.
    #[must_use]
    pub fn share_of_calls(whole: usize) -> usize {
        (whole / 32).max(16).min(whole)
    }

    /// A connection's share of bytes: 1/8 of the whole, by default eight of the largest messages. 1/32 would be two,
    /// and refuse a client that reads or writes large values concurrently.
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
