//! Prism's contract in Rust: the types generated from `proto/`, their descriptors, and the few facts that every
//! part of Prism must agree on: limits ([`limits`]), reasons of errors ([`error`]) and what is known of a
//! method ([`methods`]).
//!
//! There is no behaviour here; the rules are enforced by `prism-plugin` and `prism-proxy`.

pub mod codec;
pub mod error;
pub mod limits;
pub mod methods;

pub use error::{Applied, Error, ErrorReason};

/// The gRPC interfaces, one module a proto package. `prism-codegen` generates them.
#[expect(
    missing_docs,
    clippy::allow_attributes_without_reason,
    reason = "generated; the protos hold the documentation"
)]
pub mod interfaces {
    /// What a plugin promises: `prism.interfaces.capabilities`.
    pub mod capabilities {
        include!("generated/prism.interfaces.capabilities.rs");
    }
    /// Values by key: `prism.interfaces.keyvalue`.
    pub mod keyvalue {
        include!("generated/prism.interfaces.keyvalue.rs");
    }
    /// Ordered lists: `prism.interfaces.list`.
    pub mod list {
        include!("generated/prism.interfaces.list.rs");
    }
    /// What a backend holds: `prism.interfaces.usage`.
    pub mod usage {
        include!("generated/prism.interfaces.usage.rs");
    }
}

/// The encoded `google.protobuf.FileDescriptorSet` of every proto of this crate, for reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("generated/descriptors.binpb");

/// The response header of a scan that identifies the data it reads: its value changes when the data is lost.
pub const EPOCH_HEADER: &str = "prism-epoch";

/// The package prefix of the interfaces that the proxy forwards.
pub const INTERFACES_PREFIX: &str = "prism.interfaces.";

/// Whether an interface, by its full name, tells of the backend itself and not of anybody's data. Every namespace may be
/// asked these, and they are no traffic of it.
#[must_use]
pub fn tells_of_the_backend(interface: &str) -> bool {
    interface
        .strip_prefix(INTERFACES_PREFIX)
        .is_some_and(|rest| rest.starts_with("capabilities.") || rest.starts_with("usage."))
}
