//! The configuration file: what it may contain, and the only code that writes it.

pub mod check;
pub mod diff;
pub mod edit;
pub mod entry;
pub mod policy;
pub mod reach;
pub mod snapshot;
pub mod store;
pub mod yaml;
