//! The head of a frame, its types and its flags (RFC 9113, sections 4.1 and 6).

/// The bytes with which every client begins.
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Length, type, flags, stream.
pub(crate) const HEAD_BYTES: usize = 9;

/// The size of frames that every side accepts.
pub(crate) const DEFAULT_BYTES_MAX: usize = 16 * 1024;

/// The largest window.
pub(crate) const WINDOW_MAX: i64 = (1 << 31) - 1;

/// The highest number of a stream.
pub(crate) const STREAM_MAX: u32 = (1 << 31) - 1;

pub(crate) const DATA: u8 = 0x0;
pub(crate) const HEADERS: u8 = 0x1;
pub(crate) const PRIORITY: u8 = 0x2;
pub(crate) const RST_STREAM: u8 = 0x3;
pub(crate) const SETTINGS: u8 = 0x4;
pub(crate) const PUSH_PROMISE: u8 = 0x5;
pub(crate) const PING: u8 = 0x6;
pub(crate) const GOAWAY: u8 = 0x7;
pub(crate) const WINDOW_UPDATE: u8 = 0x8;
pub(crate) const CONTINUATION: u8 = 0x9;

pub(crate) const ACK: u8 = 0x1;
pub(crate) const END_STREAM: u8 = 0x1;
pub(crate) const END_HEADERS: u8 = 0x4;
pub(crate) const PADDED: u8 = 0x8;
pub(crate) const PRIORITIZED: u8 = 0x20;

/// The head of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The length of what follows.
    pub(crate) len: usize,
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
}

impl Head {
    pub(crate) fn new(kind: u8, flags: u8, stream: u32, len: usize) -> Self {
        Self { len, kind, flags, stream }
    }

    pub(crate) fn parse(bytes: [u8; HEAD_BYTES]) -> Self {
        let [a, b, c, kind, flags, s, t, u, v] = bytes;
        let len = u32::from_be_bytes([0, a, b, c]) as usize;
        // The first bit is reserved.
        Self { len, kind, flags, stream: u32::from_be_bytes([s, t, u, v]) & STREAM_MAX }
    }

    /// The bytes of the head. Frames are at most as long as the peer accepts, which is less than 2^24.
    pub(crate) fn bytes(self) -> [u8; HEAD_BYTES] {
        let [_, a, b, c] = u32::try_from(self.len).unwrap_or(u32::MAX).to_be_bytes();
        let [s, t, u, v] = self.stream.to_be_bytes();
        [a, b, c, self.kind, self.flags, s, t, u, v]
    }

    pub(crate) fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_reads_back() {
        let head = Head::new(HEADERS, END_HEADERS | END_STREAM, STREAM_MAX, 0x00ab_cdef);
        assert_eq!(head.bytes(), [0xab, 0xcd, 0xef, 1, 5, 0x7f, 0xff, 0xff, 0xff]);
        assert_eq!(Head::parse(head.bytes()), head);
        assert!(head.has(END_STREAM) && !head.has(PADDED));
        let mut reserved = head.bytes();
        reserved[5] |= 0x80;
        assert_eq!(Head::parse(reserved), head);
    }
}
