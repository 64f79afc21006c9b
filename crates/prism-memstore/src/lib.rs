//! Prism's in-memory backend: KeyValue and List, with expiry, ordered scans and a memory limit.
//!
//! [`MemStore`] implements the traits of `prism_plugin`; [`Expiry`] is the one task that
//! frees expired keys. Nothing is ever evicted, and nothing survives the process.
//!
//! | module | owns |
//! |---|---|
//! | `store` | the handle: what the halves share, and the totals for metrics |
//! | `keyvalue`, `list` | the traits, one half each, and a file for each interface |
//! | `namespaces` | which namespaces exist |
//! | `waiters`, `serving` | calls that wait for values; giving them some |
//! | `lists`, `items`, `value` | one namespace's lists; the values of one; one of these |
//! | `leases`, `queues` | which values are reserved; how they leave their list and return |
//! | `keys` | one namespace's keys: the map, and the index kept in step |
//! | `entry` | a key and its value in one allocation |
//! | `index` | the keys in byte order |
//! | `answers`, `retries` | the answers to calls that may be repeated; when they are kept |
//! | `timers`, `expiry` | when keys expire; the task that frees them, returns ended leases and forgets answers |
//! | `transfer` | copies of keys and lists |
//! | `memory` | memory accounting |
//! | `clock` | monotonic time |
//! | [`driver`] | stores within another process |
//! | [`config`], [`app`], `metrics` | flags, wiring and metrics of the plugin |

mod answers;
pub mod app;
mod clock;
pub mod config;
pub mod driver;
mod entry;
mod expiry;
mod index;
mod items;
mod keys;
mod keyvalue;
mod leases;
mod list;
mod lists;
mod memory;
mod metrics;
mod namespaces;
mod queues;
mod retries;
mod serving;
mod store;
mod timers;
mod transfer;
mod value;
mod waiters;

pub use driver::MemStoreDriver;
pub use expiry::Expiry;
pub use store::{MemStore, Totals};
