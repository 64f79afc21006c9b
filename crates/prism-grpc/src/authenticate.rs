//! The seam to what identifies callers.

use std::fmt::Debug;

use prism_proto::Error;

use crate::context::Context;
use crate::identity::Identity;

/// Identifies the callers of a server.
pub trait Authenticate: Debug + Send + Sync {
    /// Who makes a call; `None` for a call that needs no credential and has none.
    ///
    /// # Errors
    /// The call's credential is missing or not accepted.
    fn identify(&self, context: &Context) -> Result<Option<Identity>, Error>;
}
