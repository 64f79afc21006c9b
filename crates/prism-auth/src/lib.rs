//! Who is calling, and what they may do.
//!
//! | module | owns |
//! |---|---|
//! | [`error`] | why a file cannot be used, and why a caller is refused |
//! | [`mod@file`] | reading files of credentials, and who else may read them |
//! | `watched` | files that are read again when they change |
//! | [`name`] | the names of callers, as a configuration writes them |
//! | [`rights`] | what a caller may do in a namespace |
//! | `accepted` | whose a credential is, and until when |
//! | `bearer` | the credential in a call's headers |
//! | [`tokens`] | the file of tokens |
//! | [`jwt`] | JSON web tokens |
//! | [`own`] | the token that a server presents to another |
//! | [`authenticator`] | who makes a call |
//! | [`fresh`] | keeping files of credentials fresh |
//! | [`caller`] | the caller that a proxy names to a plugin |

mod accepted;
pub mod authenticator;
mod bearer;
pub mod caller;
pub mod error;
pub mod file;
pub mod fresh;
pub mod jwt;
pub mod name;
pub mod own;
pub mod rights;
pub mod tokens;
mod watched;

pub use authenticator::{AuthSettings, Authenticator};
pub use error::FileError;
pub use own::OwnToken;
pub use prism_grpc::identity::{Identity, Source};
pub use rights::{Access, Right, Rights};
