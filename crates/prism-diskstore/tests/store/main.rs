//! The store's behavior through its traits, its process and its folder.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod binary;
mod conformance;
mod folder;
mod leftovers;
mod lists;
mod reserve;
mod restart;
mod retries;
mod support;
