//! HTTP/2 flow control: how much unread data a connection holds.
//!
//! Unread data of one stream counts against its whole connection, so scans, whose readers may be slow, never share
//! a connection with unary calls, and their windows together stay under their connection's.

/// One scan's unread data: 256 KiB, a quarter of a gigabyte per second at a round trip of 1 ms.
const SCAN_STREAM_BYTES: u32 = 256 * 1024;

/// The scans that one connection carries.
pub(crate) const STREAMS_PER_CONNECTION: usize = 64;

/// 64 scans × 256 KiB = 16 MiB, and one stream more: with every reader stopped there is still room.
const SCAN_CONNECTION_BYTES: u32 = (STREAMS_PER_CONNECTION as u32 + 1) * SCAN_STREAM_BYTES;

/// One unary answer's unread data: 1 MiB, so the largest answer (4 MiB) takes four round trips.
const UNARY_STREAM_BYTES: u32 = 1024 * 1024;

/// 16 answers of 1 MiB at once. More may be on their way: an answer is read as it comes, so none sits on the window.
const UNARY_CONNECTION_BYTES: u32 = 16 * UNARY_STREAM_BYTES;

/// The windows of one kind of connection, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Windows {
    pub(crate) stream: u32,
    pub(crate) connection: u32,
}

impl Windows {
    pub(crate) const UNARY: Self = Self { stream: UNARY_STREAM_BYTES, connection: UNARY_CONNECTION_BYTES };
    pub(crate) const SCANS: Self = Self { stream: SCAN_STREAM_BYTES, connection: SCAN_CONNECTION_BYTES };
}

const _: () = assert!(STREAMS_PER_CONNECTION as u32 * Windows::SCANS.stream < Windows::SCANS.connection);
