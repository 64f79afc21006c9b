//! HTTP/2 to the gateway: a few connections, opened when first needed and opened again when lost.
//!
//! | file | owns |
//! |---|---|
//! | `windows` | the flow-control numbers and their arithmetic |
//! | `dial` | from an address to an HTTP/2 connection |
//! | `slot` | one place for a connection: connecting, back-off, replacing |
//! | `pool` | which slot carries the next call, and how many calls at once |
//! | `lease` | one call's use of a connection, as the service that the generated clients want |

mod dial;
mod lease;
mod pool;
mod slot;
mod windows;

pub(crate) use dial::Target;
pub(crate) use lease::Lease;
pub(crate) use pool::Pool;
pub(crate) use slot::NoConnection;
pub(crate) use windows::{STREAMS_PER_CONNECTION, Windows};
