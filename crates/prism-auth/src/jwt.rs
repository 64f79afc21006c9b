//! JSON web tokens: RS256, ES256 and EdDSA, by the keys of a JSON Web Key Set.
//!
//! | module | owns |
//! |---|---|
//! | `settings` | which tokens are accepted |
//! | `keys` | the keys of a file, each with its one algorithm |
//! | `cache` | tokens that were accepted before |
//! | `verify` | signatures, by ring |

mod cache;
mod keys;
mod settings;
mod verify;

use std::time::SystemTime;

use prism_proto::Error;

use crate::accepted::Accepted;
use crate::error::FileError;
use crate::file::Content;
use crate::watched::Watched;
use keys::Keys;

pub use settings::{CLAIM_DEFAULT, JwtSettings};

/// Accepts tokens by the keys of a file that is read again when it changes. What was accepted by other keys is
/// forgotten with them.
#[derive(Debug)]
pub(crate) struct Jwt(pub(crate) Watched<Keys>);

impl Jwt {
    pub(crate) fn open(settings: &JwtSettings) -> Result<Self, FileError> {
        verify::install();
        let of = settings.clone();
        let parse = move |path: &std::path::Path, text: &str| Keys::parse(path, text, &of);
        Watched::open(&settings.jwks_file, Content::Public, Box::new(parse)).map(Self)
    }

    /// Whether a credential has the form of a JSON web token: three parts. No token of a token file has a period.
    pub(crate) fn has_form(token: &str) -> bool {
        token.bytes().filter(|byte| *byte == b'.').count() == 2
    }

    /// The caller that a token names.
    ///
    /// # Errors
    /// The token is not accepted.
    pub(crate) fn identity(&self, token: &str, now: SystemTime) -> Result<Accepted, Error> {
        self.0.load().identity(token, now)
    }
}
