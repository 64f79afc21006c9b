//! What it costs to check a credential that a call presents: a token among 10,000, and a JSON web token that was seen before.
//!
//!     cargo run --profile dist -p prism-auth --example check_cost

use std::hint::black_box;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use prism_auth::jwt::JwtSettings;
use prism_auth::{AuthSettings, Authenticator, tokens};
use ring::signature::{Ed25519KeyPair, KeyPair as _};

const ROUNDS: u32 = 1_000_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::temp_dir().join(format!("check-cost-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let (token_file, jwks_file) = (folder.join("tokens"), folder.join("jwks.json"));
    let token = tokens::issue(&token_file, "orders", None)?;
    let more: String = (0..10_000).map(|number| format!("other sha256:{number:064x}\n")).collect();
    std::fs::write(&token_file, std::fs::read_to_string(&token_file)? + &more)?;
    let key = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).map_err(|_| "the seed is not a key")?;
    let x = URL_SAFE_NO_PAD.encode(key.public_key());
    std::fs::write(
        &jwks_file,
        format!(r#"{{"keys": [{{"kty": "OKP", "crv": "Ed25519", "kid": "k", "x": "{x}"}}]}}"#),
    )?;
    // As long as one of an identity provider.
    let more = "x".repeat(600);
    let claims = format!(r#"{{"iss":"i","aud":"a","sub":"orders","exp":9999999999,"more":"{more}"}}"#);
    let message = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(r#"{"alg":"EdDSA","kid":"k"}"#),
        URL_SAFE_NO_PAD.encode(claims)
    );
    let jwt = format!("{message}.{}", URL_SAFE_NO_PAD.encode(key.sign(message.as_bytes())));

    let (issuer, audience, claim) = ("i".to_owned(), "a".to_owned(), "sub".to_owned());
    let settings = AuthSettings {
        token_file: Some(token_file),
        jwt: Some(JwtSettings { jwks_file, issuer, audience, claim }),
        ..AuthSettings::default()
    };
    let authenticator = Authenticator::open(settings)?;
    for (name, credential) in [("token", token), ("JWT seen before", jwt)] {
        let value = HeaderValue::try_from(format!("Bearer {credential}"))?;
        let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
        authenticator.identify(&headers, None).map_err(|error| error.to_string())?;
        let begun = Instant::now();
        for _ in 0..ROUNDS {
            let _ = black_box(authenticator.identify(black_box(&headers), None));
        }
        println!("{name}, {} bytes: {:?}", credential.len(), begun.elapsed() / ROUNDS);
    }
    std::fs::remove_dir_all(folder)?;
    Ok(())
}
