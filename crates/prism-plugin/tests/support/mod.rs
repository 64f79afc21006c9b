//! What the conformance tests run against: a correct backend, and broken variants of it.

pub(crate) mod flaws;
pub(crate) mod memory;
pub(crate) mod server;
pub(crate) mod wire;
