use serde_json::json;

use super::*;

const P256_X: &str = "YveA7_5vvDNzNmaESo1-z2fcoQ5cZ1Q1Z1QyZ1Q1Z1Q";

fn parse_json(set: &Value, publicity: Publicity) -> Result<usize, KeySetError> {
    parse(set.to_string().as_bytes(), publicity).map(|keys| keys.len())
}

fn ed25519(more: Value) -> Value {
    let mut key = json!({ "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode([7; 32]) });
    let Value::Object(more) = more else { panic!("{more} is no object") };
    for (name, value) in more {
        key[name] = value;
    }
    key
}

#[test]
fn keys_that_are_not_for_signatures_or_not_understood_are_passed_over() {
    let others = [
        ed25519(json!({ "use": "enc" })),
        ed25519(json!({ "use": 1 })),
        ed25519(json!({ "key_ops": ["sign"] })),
        ed25519(json!({ "alg": "ES512" })),
        ed25519(json!({ "kid": 7 })),
        ed25519(json!({ "x": URL_SAFE_NO_PAD.encode([7; 31]) })),
        ed25519(json!({ "x": "=" })),
        json!({ "kty": "OKP", "crv": "Ed448", "x": "AA" }),
        json!({ "kty": "EC", "crv": "P-256", "x": P256_X, "y": "AA" }),
        json!({ "kty": "EC", "crv": "P-521", "x": "AA", "y": "AA" }),
        json!({ "kty": "RSA", "n": URL_SAFE_NO_PAD.encode([255; 128]), "e": "AQAB" }),
        json!({ "kty": "RSA", "n": URL_SAFE_NO_PAD.encode([255; 256]), "e": URL_SAFE_NO_PAD.encode([255; 5]) }),
        json!({ "kty": "new" }),
        json!({}),
        json!("a"),
    ];
    for other in &others {
        assert_eq!(parse_json(&json!({ "keys": [other] }), Publicity::Private), Err(KeySetError::NoKeys), "{other}");
    }
    let with_one =
        others.iter().cloned().chain([ed25519(json!({ "use": "sig", "key_ops": ["verify"], "alg": "EdDSA" }))]);
    assert_eq!(parse_json(&json!({ "keys": with_one.collect::<Vec<_>>() }), Publicity::Private), Ok(1));
}

#[test]
fn a_secret_that_was_published_is_none() {
    let set = json!({ "keys": [{ "kty": "oct", "k": URL_SAFE_NO_PAD.encode([7; 64]) }] });
    assert_eq!(parse_json(&set, Publicity::Private), Ok(1));
    assert_eq!(parse_json(&set, Publicity::Published), Err(KeySetError::NoKeys));
}

#[test]
fn what_is_no_set_is_refused() {
    for text in ["", "[]", "{}", "null", "{\"keys\":{}}", "{\"keys\":[", "<html>"] {
        assert_eq!(parse(text.as_bytes(), Publicity::Published).unwrap_err(), KeySetError::NotASet, "{text}");
    }
    assert_eq!(parse_json(&json!({ "keys": [] }), Publicity::Published), Err(KeySetError::NoKeys));
    let many = vec![ed25519(json!({})); ISSUER_KEYS_MAX + 1];
    assert_eq!(parse_json(&json!({ "keys": many }), Publicity::Published), Err(KeySetError::TooManyKeys(65)));
    let huge = vec![b' '; KEY_FILE_BYTES_MAX + 1];
    assert_eq!(parse(&huge, Publicity::Published).unwrap_err(), KeySetError::TooLarge(huge.len()));
}

#[test]
fn a_key_is_for_the_algorithm_that_it_names() {
    let of = |key: Value| parse(json!({ "keys": [key] }).to_string().as_bytes(), Publicity::Private).unwrap().remove(0);
    let rsa = |more: Value| {
        let mut key = json!({ "kty": "RSA", "n": URL_SAFE_NO_PAD.encode([255; 256]), "e": "AQAB" });
        key["alg"] = more;
        key
    };
    let pinned = of(rsa(json!("RS256")));
    assert!(pinned.is_for(Algorithm::Rs256) && !pinned.is_for(Algorithm::Ps256) && !pinned.is_for(Algorithm::Hs256));
    assert!(of(ed25519(json!({ "alg": "Ed25519" }))).is_for(Algorithm::EdDsa));
    let mistaken = of(rsa(json!("HS256")));
    assert!(Algorithm::ALL.into_iter().all(|algorithm| !mistaken.is_for(algorithm)));
}
