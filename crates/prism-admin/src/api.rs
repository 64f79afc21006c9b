//! The HTTP API: one file per path, named after it. `openapi` combines them.

pub mod audit;
pub mod backend;
pub mod backends;
pub mod data;
pub mod document;
pub mod held;
pub mod interfaces;
mod item;
pub mod namespace;
pub mod namespaces;
pub mod openapi;
pub mod probe;
pub mod promises;
pub mod request;
pub mod revisions;
pub mod session;
mod settings;
pub mod status;
pub mod traffic;
pub mod write;
