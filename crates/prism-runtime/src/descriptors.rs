//! File descriptors: the limit of open files, and how many of them connections may use.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// How many are reserved for connections to backends, files and the HTTP port, if there are enough.
const KEPT_MAX: u64 = 1024;

/// Raises the soft limit of open files to the hard one, and returns how many connections it has room for: all but 1,024
/// of the limit, or half of a small limit. `None`: there is no limit.
pub(crate) fn room_for_connections() -> Option<usize> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let limit = if current == maximum {
        current
    } else {
        match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
            Ok(()) => maximum,
            Err(error) => {
                tracing::warn!(%error, "cannot raise the limit of open files to the hard limit");
                current
            }
        }
    }?;
    Some(usize::try_from(limit - KEPT_MAX.min(limit / 2)).unwrap_or(usize::MAX))
}
