//! Who is calling, and what they may do.
//!
//! | module | owns |
//! |---|---|
//! | [`jwt`] | JSON web tokens |
//! | [`name`] | the names of callers, as a configuration writes them |
//! | [`rights`] | what a caller may do in a namespace |

pub mod jwt;
pub mod name;
pub mod rights;

pub use prism_grpc::identity::{Identity, Source};
pub use rights::{Access, Right, Rights};
