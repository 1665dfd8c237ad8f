//! No text makes the gate panic, and only a key opens it.
#![allow(clippy::unwrap_used)]

mod support;

use fanfare_auth::{Algorithm, Refusal};
use proptest::prelude::*;
use serde_json::json;
use support::{SECRET, check, claims, gate, secret, token};

fn json_value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|value| json!(value)),
        any::<i64>().prop_map(|value| json!(value)),
        any::<f64>().prop_map(|value| json!(value)),
        ".{0,12}".prop_map(|value| json!(value)),
        "[a-z{}*:]{0,12}".prop_map(|value| json!(value)),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|values| json!(values)),
            prop::collection::btree_map("(subscribe|publish|history|[a-z]{1,3})", inner, 0..4)
                .prop_map(|map| json!(map)),
        ]
    })
}

proptest! {
    #[test]
    fn no_text_is_a_token(text in "[ -~]{0,80}") {
        prop_assert!(matches!(check(&gate(), &text), Err(Refusal::Invalid(_))));
    }

    #[test]
    fn whatever_an_issuer_signs_nothing_panics(name in "(iss|aud|sub|jti|iat|nbf|exp|fanfare)", value in json_value()) {
        let claims = claims(json!({ name: value }));
        let _ = check(&gate(), &secret().sign(Algorithm::Hs256, None, &claims).unwrap());
    }

    #[test]
    fn one_changed_byte_is_one_too_many(at in any::<prop::sample::Index>(), byte in "[A-Za-z0-9_.-]") {
        let mut bytes = token(json!({})).into_bytes();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != byte.as_bytes()[0]);
        bytes[at] = byte.as_bytes()[0];
        let changed = String::from_utf8(bytes).unwrap();
        prop_assert!(matches!(check(&gate(), &changed), Err(Refusal::Invalid(_))), "{}", changed);
    }

    #[test]
    fn another_secret_signs_nothing(other in prop::collection::vec(any::<u8>(), 32..80)) {
        prop_assume!(other != SECRET);
        let key = fanfare_auth::SigningKey::secret(&other).unwrap();
        let token = key.sign(Algorithm::Hs256, None, &claims(json!({}))).unwrap();
        prop_assert_eq!(check(&gate(), &token), Err(Refusal::Invalid("its signature is wrong")));
    }
}
