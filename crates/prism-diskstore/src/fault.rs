//! The errors that callers get: whether the write may have been applied, and what to do next.

use prism_plugin::{Applied, Error, ErrorReason};

use crate::engine::Fault;

/// The error of a call that read or checked something, or of a write that was not begun.
pub(crate) fn error(fault: &Fault) -> Error {
    match fault {
        Fault::Full => full(),
        Fault::Damaged(_) => Error::new(
            ErrorReason::Internal,
            format!("{fault}; stop the store and run `prism diskstore check`"),
        ),
        Fault::Busy | Fault::Stopped | Fault::Io(_) => refused(&fault.to_string()),
    }
}

/// The error of the writes of a batch that was not committed.
pub(crate) fn uncommitted(fault: &Fault) -> Error {
    match fault {
        Fault::Full | Fault::Busy | Fault::Stopped => error(fault),
        Fault::Io(_) | Fault::Damaged(_) => Error::unavailable(
            ErrorReason::BackendLost,
            Applied::Maybe,
            format!("{fault}; the write may be there after the store is opened again"),
        ),
    }
}

/// A write that was not begun, because of the state of the store.
pub(crate) fn refused(why: &str) -> Error {
    Error::unavailable(
        ErrorReason::BackendUnreachable,
        Applied::No,
        format!("{why}; nothing was applied, retry later"),
    )
}

pub(crate) fn full() -> Error {
    Error::new(ErrorReason::DiskFull, "the disk is full; nothing was applied: delete data or make room")
}

/// The disk has less room than the floor.
pub(crate) fn below_floor(free: u64, floor: u64) -> Error {
    Error::new(
        ErrorReason::DiskFull,
        format!("the disk has {free} bytes left, less than min_free ({floor}); delete data or make room"),
    )
    .with("limit", floor.to_string())
    .with("size", free.to_string())
}
