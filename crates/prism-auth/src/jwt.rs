//! JSON web tokens: RS256, ES256 and EdDSA, by the keys of a JSON Web Key Set.
//!
//! | module | owns |
//! |---|---|
//! | `keys` | the keys of a file, each with its one algorithm |
//! | `cache` | tokens that were accepted before |
//! | `verify` | signatures, by ring |

mod cache;
mod keys;
mod verify;

use std::path::PathBuf;
use std::time::SystemTime;

use prism_grpc::identity::Identity;
use prism_proto::Error;

use crate::error::FileError;
use crate::watched::Watched;
use keys::Keys;

/// The claim that has the caller's name, unless the settings say otherwise.
pub const CLAIM_DEFAULT: &str = "sub";

/// Which tokens are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwtSettings {
    /// The file with the issuer's public keys, a JSON Web Key Set.
    pub jwks_file: PathBuf,
    /// What the claim `iss` must be.
    pub issuer: String,
    /// What the claim `aud` must be or contain.
    pub audience: String,
    /// The claim that has the caller's name.
    pub claim: String,
}

/// Accepts tokens by the keys of a file that is read again when it changes. What was accepted by other keys is
/// forgotten with them.
#[derive(Debug)]
pub(crate) struct Jwt(pub(crate) Watched<Keys>);

impl Jwt {
    pub(crate) fn open(settings: &JwtSettings) -> Result<Self, FileError> {
        verify::install();
        let of = settings.clone();
        let parse = move |path: &std::path::Path, text: &str| Keys::parse(path, text, &of);
        Watched::open(&settings.jwks_file, Box::new(parse)).map(Self)
    }

    /// Whether a credential has the form of a JSON web token: three parts. No token of a token file has a period.
    pub(crate) fn has_form(token: &str) -> bool {
        token.bytes().filter(|byte| *byte == b'.').count() == 2
    }

    /// The caller that a token names.
    ///
    /// # Errors
    /// The token is not accepted.
    pub(crate) fn identity(&self, token: &str, now: SystemTime) -> Result<Identity, Error> {
        self.0.load().identity(token, now)
    }
}
