//! The gRPC side of the patterns: requests are checked and become calls of a backend's trait, its answers become
//! responses. One file a proto package.

pub(crate) mod capabilities;
pub(crate) mod keyvalue;
pub(crate) mod list;
pub(crate) mod usage;
