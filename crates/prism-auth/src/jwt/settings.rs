//! Which tokens are accepted.

use std::path::PathBuf;

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
