//! What a backend promises beyond the interface itself.

use prism_proto::interfaces::capabilities::GetCapabilitiesResponse;

/// Promises that callers may rely on, served as `prism.interfaces.capabilities` and checked by the conformance
/// suite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Scans return keys in ascending byte order, and `start_after` works.
    pub ordered: bool,
    /// A key whose Set was acknowledged before a scan began, and that is not deleted until the scan ends, appears
    /// in it exactly once.
    pub scan_exactly_once: bool,
    /// Count is exact while nothing changes.
    pub exact_count: bool,
    /// Calls on one key, and calls on one list, take effect one at a time, each between its start and its
    /// acknowledgement.
    pub linearizable: bool,
    /// Not a promise but a warning: all data is in memory, and lost when the backend ends.
    pub in_memory: bool,
    /// Scans return resume tokens, and can be continued with them.
    pub resumable: bool,
}

impl From<Capabilities> for GetCapabilitiesResponse {
    fn from(promised: Capabilities) -> Self {
        Self {
            ordered: promised.ordered,
            scan_exactly_once: promised.scan_exactly_once,
            exact_count: promised.exact_count,
            linearizable: promised.linearizable,
            in_memory: promised.in_memory,
            resumable: promised.resumable,
        }
    }
}
