//! HTTP/2 to the gateway: a few connections, opened when first needed and reopened when lost.
//!
//! | file | owns |
//! |---|---|
//! | `windows` | the flow-control windows and their arithmetic |
//! | `dial` | from an address to an HTTP/2 connection |
//! | `slot` | one slot for a connection: connecting, backoff, replacing |
//! | `pool` | which slot carries the next call, and how many calls are in flight |
//! | `lease` | one call's use of a connection, as the service that the generated clients need |

mod dial;
mod lease;
mod pool;
mod slot;
mod windows;

pub(crate) use dial::Target;
pub(crate) use lease::{InParts, Lease};
pub(crate) use pool::Pool;
pub(crate) use slot::NoConnection;
pub(crate) use windows::{STREAMS_PER_CONNECTION, Windows};
