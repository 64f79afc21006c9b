//! What differs between the connections for unary calls and those for streams.

/// Which calls a link carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// One message each way: responses are read at once.
    Unary,
    /// Anything else: a slow client leaves its responses unread.
    Streaming,
}

impl Kind {
    /// Concurrent calls on one connection.
    pub(super) const fn streams_max(self) -> usize {
        match self {
            Self::Unary => 256,
            Self::Streaming => 32,
        }
    }

    /// Connections of one link.
    pub(super) const fn connections_max(self) -> usize {
        match self {
            Self::Unary => 8,
            Self::Streaming => 32,
        }
    }

    /// Concurrent calls on all connections of one link: 2,048 and 1,024.
    pub(super) const fn whole(self) -> usize {
        self.streams_max() * self.connections_max()
    }

    /// What the backend may send ahead on one stream: enough to keep a stream busy while the client reads.
    pub(super) const fn stream_window_bytes(self) -> u32 {
        match self {
            Self::Unary => 256 * 1024,
            Self::Streaming => 512 * 1024,
        }
    }

    /// What it may send ahead on the connection: the windows of all streams (64 MiB and 16 MiB), so that no stream
    /// waits for another's reader.
    pub(super) const fn connection_window_bytes(self) -> u32 {
        self.stream_window_bytes() * self.streams_max() as u32
    }
}
