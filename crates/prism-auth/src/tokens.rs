//! Bearer tokens: a file with the SHA-256 of each. The hash needs neither salt nor stretching, because a token is 256
//! random bits and cannot be guessed.
//!
//! ```text
//! # NAME sha256:HASH [expires=TIME]
//! orders sha256:6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b expires=2027-01-31T00:00:00Z
//! ```
//!
//! A name may have several tokens, so that they can be replaced one after the other.

mod issue;
mod lines;

pub use issue::{Listed, issue, list, revoke};
pub use lines::Tokens;
