//! JSON web tokens: what is accepted, and every attack that is known.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::path::PathBuf;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use prism_auth::jwt::JwtSettings;
use prism_auth::{AuthSettings, Authenticator};
use ring::hmac;
use serde_json::{Value, json};
use support::{Key, claims, encoded, now, write, write_keys};

fn settings(jwks_file: PathBuf) -> JwtSettings {
    let (issuer, audience) = ("https://issuer".to_owned(), "prism".to_owned());
    JwtSettings { jwks_file, issuer, audience, claim: "sub".to_owned() }
}

fn open(settings: JwtSettings) -> Result<Authenticator, String> {
    let settings = AuthSettings { jwt: Some(settings), ..AuthSettings::default() };
    Authenticator::open(settings).map_err(|error| error.to_string())
}

fn identify(authenticator: &Authenticator, token: &str) -> Result<String, String> {
    let value = HeaderValue::try_from(format!("Bearer {token}")).unwrap();
    let identity = authenticator.identify(&HeaderMap::from_iter([(AUTHORIZATION, value)]), None);
    let error = |error: prism_proto::Error| {
        assert_eq!(error.reason, prism_proto::ErrorReason::TokenInvalid);
        error.to_string()
    };
    identity.map(|identity| identity.unwrap().to_string()).map_err(error)
}

#[test]
fn a_token_of_each_algorithm_names_its_caller() {
    let folder = tempfile::tempdir().unwrap();
    let keys = [("r", Key::rsa()), ("c", Key::ec()), ("d", Key::ed())];
    let public: Vec<_> = keys.iter().map(|(id, key)| key.public(id)).collect();
    let authenticator = open(settings(write_keys(folder.path(), &public))).unwrap();
    for (id, key) in &keys {
        let token = key.token(id, "orders");
        // The second time it is one that was seen before.
        for _ in 0..2 {
            assert_eq!(identify(&authenticator, &token).as_deref(), Ok("jwt:orders"), "{id}");
        }
        let mut other = token.into_bytes();
        let middle = other.len() / 2;
        other[middle] = if other[middle] == b'A' { b'B' } else { b'A' };
        assert!(identify(&authenticator, std::str::from_utf8(&other).unwrap()).is_err(), "{id}");
    }
    for (id, _) in &keys {
        for (_, other) in keys.iter().filter(|(other, _)| other != id) {
            assert!(identify(&authenticator, &other.token(id, "orders")).is_err(), "{id}");
        }
    }
}

#[test]
fn a_token_that_was_not_signed_as_its_key_demands_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (rsa, ec) = (Key::rsa(), Key::ec());
    let authenticator =
        open(settings(write_keys(folder.path(), &[rsa.public("r"), ec.public("c")]))).unwrap();
    let unsigned =
        |header: Value| format!("{}.{}.", encoded(header.to_string()), encoded(claims("a").to_string()));
    for algorithm in ["none", "None", "nOnE", ""] {
        for id in ["r", "c"] {
            assert!(identify(&authenticator, &unsigned(json!({"alg": algorithm, "kid": id}))).is_err());
        }
        let signed = rsa.sign(&json!({"alg": algorithm, "kid": "r"}), &claims("a"));
        assert!(identify(&authenticator, &signed).is_err(), "{algorithm}");
    }

    // The public key as the secret of HMAC, in each form in which a verifier may have it.
    let Value::String(modulus) = rsa.public("r")["n"].clone() else { panic!("a modulus") };
    let raw = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, &modulus).unwrap();
    for secret in [modulus.as_bytes(), &raw, rsa.public("r").to_string().as_bytes(), b""] {
        for algorithm in ["HS256", "HS384", "HS512"] {
            let header = json!({"alg": algorithm, "kid": "r"});
            let message = format!("{}.{}", encoded(header.to_string()), encoded(claims("a").to_string()));
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
            let error = identify(&authenticator, &format!("{message}.{}", encoded(tag))).unwrap_err();
            assert_eq!(error, "the token's algorithm (alg) is not that of its key");
        }
    }

    // A key of the right kind under the wrong algorithm, an unknown key, none, and one that the token brings along.
    for header in [
        json!({"alg": "RS512", "kid": "r"}),
        json!({"alg": "PS256", "kid": "r"}),
        json!({"alg": "ES256", "kid": "r"}),
        json!({"alg": "RS256", "kid": "x"}),
        json!({"alg": "RS256", "kid": "../keys.json"}),
        json!({"alg": "RS256"}),
        json!({"alg": "RS256", "kid": 1}),
        json!({"alg": "RS256", "kid": "x", "jwk": rsa.public("x")}),
    ] {
        assert!(identify(&authenticator, &rsa.sign(&header, &claims("a"))).is_err(), "{header}");
    }
    // A signature of another token.
    let [one, two] = ["a", "b"].map(|name| rsa.token("r", name));
    let (claims_of_two, _) = two.rsplit_once('.').unwrap();
    let (_, signature_of_one) = one.rsplit_once('.').unwrap();
    assert!(identify(&authenticator, &format!("{claims_of_two}.{signature_of_one}")).is_err());
    // An ECDSA signature of zeros.
    let (message, _) = two.rsplit_once('.').unwrap();
    assert!(identify(&authenticator, &format!("{message}.{}", encoded([0; 64]))).is_err());
}

#[test]
fn each_claim_is_required_and_checked() {
    let folder = tempfile::tempdir().unwrap();
    let key = Key::ed();
    let authenticator = open(settings(write_keys(folder.path(), &[key.public("d")]))).unwrap();
    let with = |change: &dyn Fn(&mut Value)| {
        let mut claims = claims("orders");
        change(&mut claims);
        identify(&authenticator, &key.sign(&json!({"alg": "EdDSA", "kid": "d"}), &claims))
    };
    let without = |name: &str| with(&|claims| drop(claims.as_object_mut().unwrap().remove(name)));
    let set = |name: &str, value: Value| with(&|claims| claims[name] = value.clone());
    assert!(set("aud", json!("prism")).is_ok() && set("nbf", json!(now())).is_ok());
    // The leeway for clocks that differ.
    assert!(set("exp", json!(now() - 30)).is_ok() && set("nbf", json!(now() + 30)).is_ok());
    for name in ["exp", "iss", "aud", "sub"] {
        assert!(without(name).is_err(), "{name}");
    }
    for (name, value, expected) in [
        ("exp", json!(now() - 120), "expired"),
        ("nbf", json!(now() + 120), "not valid yet"),
        ("iss", json!("https://other"), "another issuer"),
        ("aud", json!("other"), "another audience"),
        ("aud", json!([]), "aud"),
        ("exp", json!("tomorrow"), ""),
        ("exp", json!(-1), ""),
        ("exp", json!(u64::MAX), ""),
        ("exp", json!(1e300), ""),
        ("sub", json!(""), "1 to 256 visible ASCII"),
        ("sub", json!("a\nb"), "1 to 256 visible ASCII"),
        ("sub", json!("a b"), "1 to 256 visible ASCII"),
        ("sub", json!("a".repeat(257)), "1 to 256 visible ASCII"),
        ("sub", json!(["orders"]), ""),
    ] {
        let error = set(name, value.clone()).expect_err(&format!("{name}: {value}"));
        assert!(error.contains(expected), "{name}: {value}: {error}");
    }
}

#[test]
fn the_claim_with_the_name_is_a_setting() {
    let folder = tempfile::tempdir().unwrap();
    let key = Key::ed();
    let path = write_keys(folder.path(), &[key.public("d")]);
    let authenticator = open(JwtSettings { claim: "client_id".to_owned(), ..settings(path) }).unwrap();
    let mut claims = claims("somebody");
    claims["client_id"] = "orders".into();
    let token = key.sign(&json!({"alg": "EdDSA", "kid": "d"}), &claims);
    assert_eq!(identify(&authenticator, &token).as_deref(), Ok("jwt:orders"));
    assert!(identify(&authenticator, &key.token("d", "somebody")).is_err());
}

#[test]
fn a_token_ends_when_its_key_leaves_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (Key::ed(), Key::ec());
    let authenticator = open(settings(write_keys(folder.path(), &[old.public("1")]))).unwrap();
    let (of_old, of_new) = (old.token("1", "a"), new.token("2", "b"));
    assert!(identify(&authenticator, &of_old).is_ok() && identify(&authenticator, &of_new).is_err());
    write_keys(folder.path(), &[old.public("1"), new.public("2")]);
    authenticator.refresh();
    assert!(identify(&authenticator, &of_old).is_ok() && identify(&authenticator, &of_new).is_ok());
    write_keys(folder.path(), &[new.public("2")]);
    authenticator.refresh();
    assert!(identify(&authenticator, &of_old).is_err() && identify(&authenticator, &of_new).is_ok());
    // A wrong file changes nothing.
    write(folder.path(), "{}");
    authenticator.refresh();
    assert!(!authenticator.is_applied() && identify(&authenticator, &of_new).is_ok());
    // The same kid, another key: what the old one signed is forgotten.
    write_keys(folder.path(), &[Key::ed().public("2")]);
    authenticator.refresh();
    assert!(authenticator.is_applied() && identify(&authenticator, &of_new).is_err());
}

#[test]
fn what_is_not_a_token_is_refused_before_it_is_decoded() {
    let folder = tempfile::tempdir().unwrap();
    let key = Key::ed();
    let authenticator = open(settings(write_keys(folder.path(), &[key.public("d")]))).unwrap();
    let mut large = claims("a");
    large["more"] = "x".repeat(1 << 20).into();
    let large = key.sign(&json!({"alg": "EdDSA", "kid": "d"}), &large);
    assert!(identify(&authenticator, &large).unwrap_err().contains("8192 bytes"));
    for wrong in ["..", "a.b.c", "a.b.c.d", "a", "e30.e30.", "e30.e30.e30", &".".repeat(8000)] {
        assert!(identify(&authenticator, wrong).is_err(), "{wrong:.20}");
    }
    // Nested as deeply as fits.
    let deep = format!("{}.{}.e30", encoded("[".repeat(3000)), encoded("[".repeat(3000)));
    assert!(identify(&authenticator, &deep).is_err());
}

#[test]
fn a_wrong_key_set_is_told_why() {
    let folder = tempfile::tempdir().unwrap();
    let opened = |text: &str| open(settings(write(folder.path(), text))).unwrap_err();
    let (ed, rsa) = (Key::ed(), Key::rsa());
    let keys = |keys: &[Value]| json!({"keys": keys}).to_string();
    let changed = |key: &Key, name: &str, value: Value| {
        let mut key = key.public("k");
        key[name] = value;
        keys(&[key])
    };
    let nameless = changed(&ed, "kid", json!(""));
    let small = changed(&rsa, "n", json!(encoded([0xff; 128])));
    let cut = changed(&ed, "x", json!(encoded([1; 31])));
    let encryption = changed(&rsa, "use", json!("enc"));
    let other_algorithm = changed(&rsa, "alg", json!("RS512"));
    let secret = keys(&[json!({"kty": "oct", "kid": "s", "k": encoded("secret"), "alg": "HS256"})]);
    for (text, expected) in [
        ("", "keys.json:1: is not a JSON Web Key Set"),
        ("-----BEGIN PUBLIC KEY-----", "is not a JSON Web Key Set; expected {\"keys\": [...]}"),
        ("{\"keys\": []}", "expected one for RS256, ES256 or EdDSA"),
        (&nameless, "keys[0]: it has no kid"),
        (&small, "keys[0]: it is not a valid public key of its kind; RSA keys have 2048 to"),
        (&cut, "keys[0]: it is not a valid public key"),
        (&encryption, "no key that could accept a token"),
        (&other_algorithm, "no key that could accept a token"),
        (&secret, "no key that could accept a token"),
        (&keys(&[ed.public("k"), rsa.public("k")]), "keys[1]: its kid is that of another key"),
    ] {
        let error = opened(text);
        assert!(error.contains(expected), "{text}: {error}");
    }
    let mixed = keys(&[ed.public("k"), json!({"kty": "oct", "kid": "s", "k": "c2VjcmV0", "alg": "HS256"})]);
    assert!(open(settings(write(folder.path(), &mixed))).is_ok());
}
