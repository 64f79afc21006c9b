//! The keys of a JSON Web Key Set (RFC 7517), each with its one algorithm.

use std::path::Path;
use std::time::{Duration, SystemTime};

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use prism_grpc::identity::{Identity, Source};
use prism_proto::Error;
use rustc_hash::FxHashMap;
use serde_json::{Map, Value};

use super::cache::Cache;
use super::settings::JwtSettings;
use crate::accepted::Accepted;
use crate::error::{FileError, refused};

/// How far the clocks of the issuer and this server may be apart.
const LEEWAY: Duration = Duration::from_secs(60);

/// The smallest modulus of an RSA key, which is what ring accepts.
const RSA_BYTES_MIN: usize = 2048 / 8;

/// The keys of one file, by their `kid`, and the tokens that were accepted by them.
pub(crate) struct Keys {
    by_id: FxHashMap<String, Key>,
    claim: String,
    cache: Cache,
}

struct Key {
    key: DecodingKey,
    /// Accepts the key's algorithm and no other.
    validation: Validation,
}

impl Keys {
    pub(super) fn parse(path: &Path, text: &str, settings: &JwtSettings) -> Result<Self, FileError> {
        let wrong = |line, why: String| FileError::new(path, line, why);
        let set: JwkSet = serde_json::from_str(text).map_err(|error| {
            // The parser's own message may have what the file contains.
            let why = "is not a JSON Web Key Set; expected {\"keys\": [...]}".to_owned();
            wrong(Some(error.line()), why)
        })?;
        let mut by_id = FxHashMap::default();
        for (index, jwk) in set.keys.iter().enumerate() {
            let wrong = |why: &str| wrong(None, format!("keys[{index}]: {why}"));
            let Some(algorithm) = algorithm(jwk) else {
                tracing::warn!(file = %path.display(), index, "a key is not for RS256, ES256 or EdDSA signatures; ignored");
                continue;
            };
            let id = jwk.common.key_id.clone().filter(|id| !id.is_empty());
            let id =
                id.ok_or_else(|| wrong("it has no kid; expected one, by which tokens name their key"))?;
            let key = key(jwk, algorithm).ok_or_else(|| {
                wrong("it is not a valid public key of its kind; RSA keys have 2048 to 8192 bits")
            })?;
            let key = Key { key, validation: validation(algorithm, settings) };
            if by_id.insert(id, key).is_some() {
                return Err(wrong("its kid is that of another key; expected a unique one"));
            }
        }
        if by_id.is_empty() {
            let why = "there is no key that could accept a token; expected one for RS256, ES256 or EdDSA";
            return Err(wrong(None, why.to_owned()));
        }
        Ok(Self { by_id, claim: settings.claim.clone(), cache: Cache::default() })
    }

    pub(super) fn identity(&self, token: &str, now: SystemTime) -> Result<Accepted, Error> {
        if let Some((identity, expires)) = self.cache.get(token, now) {
            return Ok(Accepted { identity, expires: Some(expires) });
        }
        let (identity, expires) = self.accept(token)?;
        // Between the two, the token may have expired.
        if expires <= now {
            return Err(expired());
        }
        self.cache.insert(token, &identity, expires, now);
        Ok(Accepted { identity, expires: Some(expires) })
    }

    /// Verifies a token that was not seen before.
    fn accept(&self, token: &str) -> Result<(Identity, SystemTime), Error> {
        // Nothing of a header is believed except which key is to be tried.
        let header = decode_header(token)
            .map_err(|_| refused("the token is not a JSON web token that this server reads"))?;
        let known = header.kid.as_ref().and_then(|id| self.by_id.get(id));
        let Key { key, validation } =
            known.ok_or_else(|| refused("the token names no key (kid) of this server's JSON Web Key Set"))?;
        let claims =
            decode::<Map<String, Value>>(token, key, validation).map_err(|error| why_not(&error))?.claims;
        let exp = claims.get("exp").and_then(seconds).and_then(|exp| exp.checked_add(LEEWAY));
        let expires = exp.and_then(|exp| SystemTime::UNIX_EPOCH.checked_add(exp));
        let expires = expires.ok_or_else(|| refused("the token's claim exp is not a time"))?;
        let name = claims.get(&self.claim).and_then(Value::as_str);
        let identity = name.and_then(|name| Identity::new(Source::Jwt, name));
        let identity = identity.ok_or_else(|| {
            refused("the token's claim with the caller's name is missing, or is not 1 to 256 visible ASCII characters")
        })?;
        Ok((identity, expires))
    }
}

/// The only algorithm that a key is used with; `None` for a key that is not used.
fn algorithm(jwk: &Jwk) -> Option<Algorithm> {
    if !matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature)) {
        return None;
    }
    let (algorithm, named) = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(of) if of.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(of) if of.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        _ => return None,
    };
    jwk.common.key_algorithm.is_none_or(|of_key| of_key == named).then_some(algorithm)
}

/// The key; `None` if it has the wrong size.
fn key(jwk: &Jwk, algorithm: Algorithm) -> Option<DecodingKey> {
    use jsonwebtoken::DecodingKeyKind::{RsaModulusExponent, SecretOrDer};
    let key = DecodingKey::from_jwk(jwk).ok()?;
    let is_whole = match (algorithm, key.kind()) {
        (Algorithm::RS256, RsaModulusExponent { n, e }) => {
            (RSA_BYTES_MIN..=4 * RSA_BYTES_MIN).contains(&n.len()) && !e.is_empty()
        }
        (Algorithm::ES256, SecretOrDer(point)) => point.len() == 65,
        (Algorithm::EdDSA, SecretOrDer(point)) => point.len() == 32,
        _ => false,
    };
    is_whole.then_some(key)
}

/// Everything that a token must be, none of which is required by default.
fn validation(algorithm: Algorithm, settings: &JwtSettings) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.set_required_spec_claims(&["exp", "iss", "aud"]);
    validation.set_issuer(&[&settings.issuer]);
    validation.set_audience(&[&settings.audience]);
    validation.validate_nbf = true;
    validation.leeway = LEEWAY.as_secs();
    validation
}

fn seconds(value: &Value) -> Option<Duration> {
    value.as_u64().map(Duration::from_secs).or_else(|| Duration::try_from_secs_f64(value.as_f64()?).ok())
}

fn expired() -> Error {
    refused("the token has expired; ask for another")
}

fn why_not(error: &jsonwebtoken::errors::Error) -> Error {
    use jsonwebtoken::errors::ErrorKind;
    match error.kind() {
        ErrorKind::ExpiredSignature => expired(),
        ErrorKind::ImmatureSignature => refused("the token is not valid yet (nbf)"),
        ErrorKind::InvalidIssuer => refused("the token is of another issuer (iss)"),
        ErrorKind::InvalidAudience => refused("the token is for another audience (aud)"),
        ErrorKind::MissingRequiredClaim(_) => refused("the token lacks one of the claims exp, iss and aud"),
        ErrorKind::InvalidAlgorithm | ErrorKind::UnsupportedAlgorithm | ErrorKind::InvalidKeyFormat => {
            refused("the token's algorithm (alg) is not that of its key")
        }
        ErrorKind::InvalidSignature => refused("the token's signature is not valid"),
        _ => refused("the token is not a JSON web token that this server reads"),
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.by_id.keys()).finish()
    }
}
