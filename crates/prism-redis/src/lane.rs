//! Which connection a command travels on.

/// Which of a worker's connections to a server a command travels on: answers come in the order of the commands, so a
/// large value holds up those behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    /// Commands whose arguments and answers are small, as far as is known.
    Small,
    /// Large values, and scans.
    Bulk,
}

/// The size from which a value is large: as much as the others wait for without noticing.
pub(crate) const LARGE_BYTES: usize = 64 * 1024;

impl Lane {
    /// The lane for a value that is sent.
    pub(crate) fn of(value_bytes: usize) -> Self {
        if value_bytes < LARGE_BYTES { Self::Small } else { Self::Bulk }
    }
}
