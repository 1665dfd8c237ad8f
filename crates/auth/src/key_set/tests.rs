use serde_json::json;

use super::*;

const P256_X: &str = "YveA7_5vvDNzNmaESo1-z2fcoQ5cZ1Q1Z1QyZ1Q1Z1Q";

fn parse_json(set: &Value, publicity: Publicity) -> Result<usize, KeySetError> {
    parse(set.to_string().as_bytes(), publicity).map(|set| set.keys.len())
}

fn secret(bytes: &[u8]) -> Value {
    json!({ "kty": "oct", "k": URL_SAFE_NO_PAD.encode(bytes) })
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
        assert_eq!(parse_json(&json!({ "keys": [other] }), Publicity::Private), Ok(0), "{other}");
    }
    let with_one =
        others.iter().cloned().chain([ed25519(json!({ "use": "sig", "key_ops": ["verify"], "alg": "EdDSA" }))]);
    assert_eq!(parse_json(&json!({ "keys": with_one.collect::<Vec<_>>() }), Publicity::Private), Ok(1));
}

#[test]
fn a_secret_that_was_published_is_none() {
    let set = json!({ "keys": [{ "kty": "oct", "k": URL_SAFE_NO_PAD.encode([7; 64]) }] });
    assert_eq!(parse_json(&set, Publicity::Private), Ok(1));
    assert_eq!(parse_json(&set, Publicity::Published), Ok(0));
}

#[test]
fn what_is_no_set_is_refused() {
    for text in ["", "[]", "{}", "null", "{\"keys\":{}}", "{\"keys\":[", "<html>"] {
        assert_eq!(parse(text.as_bytes(), Publicity::Published).unwrap_err(), KeySetError::NotASet, "{text}");
    }
    assert_eq!(parse_json(&json!({ "keys": [] }), Publicity::Published), Ok(0), "that is what its issuer says");
    let many = vec![ed25519(json!({})); ISSUER_KEYS_MAX + 1];
    assert_eq!(parse_json(&json!({ "keys": many }), Publicity::Published), Err(KeySetError::TooManyKeys(65)));
    let huge = vec![b' '; KEY_FILE_BYTES_MAX + 1];
    assert_eq!(parse(&huge, Publicity::Published).unwrap_err(), KeySetError::TooLarge(huge.len()));
}

#[test]
fn a_key_is_for_the_algorithm_that_it_names() {
    let of =
        |key: Value| parse(json!({ "keys": [key] }).to_string().as_bytes(), Publicity::Private).unwrap().keys.remove(0);
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

#[test]
fn a_secret_in_a_file_is_as_long_as_any_other_and_no_text_of_a_key() {
    for good in [&[7; 32][..], &[7; 4_096], b"a-----BEGIN PUBLIC KEY-----abcdefgh", &[&b"{"[..], &[200; 31]].concat()] {
        assert_eq!(parse_json(&json!({ "keys": [secret(good)] }), Publicity::Private), Ok(1), "{} bytes", good.len());
    }
    let known =
        ["-----BEGIN PUBLIC KEY-----\nMFkw", " {\"kty\":\"RSA\"}", "ssh-ed25519 AAAA"].map(|text| format!("{text:40}"));
    for bad in [&[7; 31][..], &[7; 1], &[], &[7; 4_097]].into_iter().chain(known.iter().map(String::as_bytes)) {
        let read = parse_json(&json!({ "keys": [secret(bad), ed25519(json!({}))] }), Publicity::Private);
        assert_eq!(read, Ok(1), "{} bytes", bad.len());
    }
}

#[test]
fn a_private_key_that_was_published_is_anybodys() {
    for member in ["d", "p", "k"] {
        let keys = json!({ "keys": [ed25519(json!({ member: "AA" })), ed25519(json!({}))] });
        assert_eq!(parse_json(&keys, Publicity::Published), Ok(1), "{member}");
    }
}

#[test]
fn keys_that_can_never_verify_are_passed_over() {
    let rsa =
        |n: &[u8], e: &[u8]| json!({ "kty": "RSA", "n": URL_SAFE_NO_PAD.encode(n), "e": URL_SAFE_NO_PAD.encode(e) });
    let modulus = |bytes: usize, first: u8, last: u8| {
        let mut n = vec![255; bytes];
        (n[0], n[bytes - 1]) = (first, last);
        n
    };
    let p256 = |x: [u8; 32], y: [u8; 32]| json!({ "kty": "EC", "crv": "P-256", "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y) });
    let bad = [
        rsa(&modulus(256, 1, 255), &[1, 0, 1]),
        rsa(&modulus(256, 0, 255), &[1, 0, 1]),
        rsa(&modulus(1_025, 1, 255), &[1, 0, 1]),
        rsa(&modulus(256, 255, 254), &[1, 0, 1]),
        rsa(&modulus(256, 255, 255), &[1]),
        rsa(&modulus(256, 255, 255), &[1, 0, 0]),
        rsa(&modulus(256, 255, 255), &[0, 0]),
        rsa(&[0; 256], &[1, 0, 1]),
        p256([1; 32], [1; 32]),
        p256([255; 32], [255; 32]),
    ];
    for bad in bad {
        let keys = json!({ "keys": [bad, ed25519(json!({}))] });
        assert_eq!(parse_json(&keys, Publicity::Private), Ok(1), "{keys}");
    }
    for good in [
        rsa(&modulus(256, 128, 255), &[3]),
        rsa(&[&[0, 0][..], &modulus(256, 255, 255)].concat(), &[0, 1, 0, 1]),
        rsa(&modulus(1_024, 255, 255), &[1, 0, 1]),
    ] {
        assert_eq!(parse_json(&json!({ "keys": [good] }), Publicity::Private), Ok(1), "{good}");
    }
}
