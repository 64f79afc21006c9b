//! What accepting a credential comes to.

use std::time::SystemTime;

use prism_grpc::identity::Identity;

/// A caller whose bearer credential was accepted, and until when.
pub(crate) struct Accepted {
    pub(crate) identity: Identity,
    pub(crate) expires: Option<SystemTime>,
}
