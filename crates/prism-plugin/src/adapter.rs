//! The gRPC side of the patterns: checks requests, calls the backend's trait, and turns its results into responses. One
//! file per proto package.

mod answer;
pub(crate) mod capabilities;
pub(crate) mod keyvalue;
pub(crate) mod list;
pub(crate) mod transfer;
pub(crate) mod usage;
