//! The configuration file: what it may hold, and the only code that writes it.

pub mod check;
pub mod edit;
pub mod entry;
pub mod policy;
pub mod store;
