//! The HTTP API: one file per path, named after it. `openapi` combines them.

pub mod audit;
pub mod backends;
pub mod data;
pub mod document;
pub mod namespace;
pub mod namespaces;
pub mod openapi;
pub mod request;
pub mod revisions;
pub mod session;
pub mod status;
pub mod traffic;
pub mod write;
