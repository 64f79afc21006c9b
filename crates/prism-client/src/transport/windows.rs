//! HTTP/2 flow control: how much unread data a connection holds.
//!
//! Unread data of one stream counts against its whole connection. Scans may have slow readers, so they never share a
//! connection with unary calls, and their windows together are smaller than their connection's.

/// One scan's unread data: 256 KiB, a quarter of a gigabyte per second at a round trip of 1 ms.
const SCAN_STREAM_BYTES: u32 = 256 * 1024;

/// The number of scans that one connection carries.
pub(crate) const STREAMS_PER_CONNECTION: usize = 64;

/// 64 scans × 256 KiB = 16 MiB, plus one stream: even if all readers have stopped, there is room.
const SCAN_CONNECTION_BYTES: u32 = (STREAMS_PER_CONNECTION as u32 + 1) * SCAN_STREAM_BYTES;

/// One unary response's unread data: 1 MiB, so the largest response (4 MiB) takes four round trips.
const UNARY_STREAM_BYTES: u32 = 1024 * 1024;

/// 16 responses of 1 MiB each. More may be in flight: a response is read as it arrives, so none occupies the window.
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
