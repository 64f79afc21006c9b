//! Prism's backend on local disk: KeyValue and List that survive kill -9 and power loss, ordered scans, and data larger than
//! memory.
//!
//! [`DiskStore`] implements [`prism_plugin::KeyValue`], [`prism_plugin::List`] and [`prism_plugin::Usage`]. One thread
//! writes: it gathers the writes that wait, commits them as one batch, syncs once, and answers all. Reads see what is
//! committed: from the cache at once, from the engine on a thread where waiting for the disk holds up nobody.
//!
//! | module | owns |
//! |---|---|
//! | [`engine`], [`lsm`] | what the store needs of an engine; the engine, and the checks before it is opened |
//! | `layout` | keys and records as they are on disk |
//! | `folder` | a store's folder: whose it is, whether it is whole |
//! | `clock`, `cache`, `state`, `figures` | wall-clock time; records in memory; whether writes are accepted; counters |
//! | `shared` | what all of them share |
//! | `txn`, `expiry` | what the writes of a batch see and change; freeing what has expired |
//! | `committer`, `home` | the one thread that writes; the runtimes in which its answers are waited for |
//! | `store` | the handle: opening, and how calls reach the committer and the engine |
//! | `keyvalue`, `scan`, `list`, `transfer`, `usage` | the traits |
//! | `answers`, `retries` | the answers to calls under idempotency keys, and how they are recalled |
//! | `waiters`, `leases` | who waits for values of a list; when leases end |
//! | `lists` | what a write does to lists |
//! | `waiting` | a call that waits, as its caller has it |
//! | `verify`, `check` | reading everything; looking at a store that no process has open |
//! | `fault` | the errors that callers get |
//! | [`driver`] | stores within another process |
//! | [`config`], [`app`], `metrics` | options and flags, wiring and metrics of the plugin |

mod answers;
pub mod app;
mod cache;
mod check;
mod clock;
mod committer;
pub mod config;
pub mod driver;
#[doc(hidden)]
pub mod engine;
mod expiry;
mod fault;
mod figures;
mod folder;
mod home;
mod keyvalue;
mod layout;
mod leases;
mod list;
mod lists;
#[doc(hidden)]
pub mod lsm;
mod metrics;
mod retries;
mod scan;
mod shared;
mod state;
mod store;
mod transfer;
mod txn;
mod usage;
mod verify;
mod waiters;
mod waiting;

pub use check::{check, stats};
pub use driver::DiskStoreDriver;
pub use state::State;
pub use store::DiskStore;
pub use verify::Report;
