//! What becomes of good and bad tokens.
#![allow(clippy::unwrap_used)]

mod support;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fanfare_auth::{
    Algorithm, Audience, Gate, GateError, GateOptions, IssuerError, IssuerOptions, KeySource, RESERVED_ISSUERS,
    Refusal, Right, SigningKey, Templates, UnixSeconds,
};
use fanfare_protocol::{ChannelName, Pattern};
use serde_json::{Value, json};
use support::{
    AUDIENCE, ISSUER, NOW, SECRET, check, check_at, claims, gate, invalid, issuer, key_file, options, secret,
    templates, token,
};

fn channel(name: &str) -> ChannelName {
    ChannelName::parse(name).unwrap()
}

/// A token of any header, with a right signature of HS256 unless the header says otherwise.
fn with_header(header: &Value) -> String {
    let good = token(json!({}));
    let claims = good.split('.').nth(1).unwrap();
    format!("{}.{claims}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), good.split('.').nth(2).unwrap())
}

#[test]
fn a_good_token_gives_what_its_issuer_may_give() {
    let grant = check(&gate(), &token(json!({}))).unwrap();
    assert_eq!(grant.subject.as_deref(), Some("7"));
    assert_eq!(grant.token_id.as_deref(), Some("t1"));
    assert_eq!((grant.issued_at, grant.expires_at), (Some(UnixSeconds(NOW.0 - 10)), Some(UnixSeconds(NOW.0 + 3_600))));
    assert!(grant.rights.allow(Right::Subscribe, &channel("user:7")));
    assert!(grant.rights.allow(Right::History, &channel("user:7")), "who follows can read the past");
    assert!(!grant.rights.allow(Right::Publish, &channel("user:7")));
    assert!(!grant.rights.allow(Right::Subscribe, &channel("user:8")));
}

#[test]
fn the_claim_takes_the_place_of_what_the_issuer_gives() {
    let claim = json!({ "fanfare": { "subscribe": ["room:{room}:*", "news"], "publish": ["room:{room}:typing"], "history": [] }, "room": 3 });
    let grant = check(&gate(), &token(claim)).unwrap();
    assert!(
        grant.rights.allow(Right::Subscribe, &channel("room:3:a"))
            && grant.rights.allow(Right::Subscribe, &channel("news"))
    );
    assert!(grant.rights.allow(Right::Publish, &channel("room:3:typing")));
    assert!(!grant.rights.allow(Right::Subscribe, &channel("user:7")));
    assert!(!grant.rights.allow(Right::History, &channel("news")));
    let nothing = check(&gate(), &token(json!({ "fanfare": {} }))).unwrap();
    assert!(!nothing.rights.allow(Right::Subscribe, &channel("user:7")));
}

// Fails when whoever may follow a channel, or publish to it, may let others follow it.
#[test]
fn tickets_are_made_only_where_the_claim_or_the_issuer_says_so() {
    let claim = json!({ "fanfare": { "subscribe": ["*"], "publish": ["*"], "tickets": ["room:{room}:*"] }, "room": 3 });
    let grant = check(&gate(), &token(claim)).unwrap();
    assert!(grant.rights.allow(Right::Tickets, &channel("room:3:a")));
    assert!(!grant.rights.allow(Right::Tickets, &channel("room:4:a")));
    assert!(!check(&gate(), &token(json!({}))).unwrap().rights.allow(Right::Tickets, &channel("user:7")));
    let shapeless = check(&gate(), &token(json!({ "fanfare": { "tickets": "room:*" } })));
    assert!(matches!(shapeless, Err(Refusal::Invalid(_))), "{shapeless:?}");
    let templates = Templates { tickets: templates(&["user:{sub}"]).subscribe, ..Templates::default() };
    let one = IssuerOptions { templates, claim: None, ..issuer(vec![KeySource::Secret(SECRET.into())]) };
    let gate = Gate::new(GateOptions { issuers: vec![one], ..GateOptions::default() }).unwrap();
    let rights = check(&gate, &token(json!({ "fanfare": { "subscribe": ["*"] } }))).unwrap().rights;
    assert!(rights.allow(Right::Tickets, &channel("user:7")) && !rights.allow(Right::Subscribe, &channel("user:7")));
}

#[test]
fn the_claim_may_have_another_name() {
    let name = || "https://app.example/live".to_owned();
    let one = || issuer(vec![KeySource::Secret(SECRET.into())]);
    let of = |claim, one| Gate::new(GateOptions { claim, issuers: vec![one], ..GateOptions::default() }).unwrap();
    let usual = of(name(), IssuerOptions { claim: None, templates: Templates::default(), ..one() });
    let own = of("another".into(), IssuerOptions { claim: Some(name()), ..one() });
    for gate in [usual, own] {
        let grant = check(&gate, &token(json!({ "https://app.example/live": { "subscribe": ["a"] } }))).unwrap();
        assert!(grant.rights.allow(Right::Subscribe, &channel("a")));
    }
}

#[test]
fn an_issuer_with_patterns_of_its_own_is_believed_no_others_unless_it_names_the_claim() {
    let one = IssuerOptions { claim: None, ..issuer(vec![KeySource::Secret(SECRET.into())]) };
    let gate = Gate::new(GateOptions { issuers: vec![one], ..GateOptions::default() }).unwrap();
    for claim in [json!({ "subscribe": ["*"], "publish": ["*"] }), json!("anything")] {
        let grant = check(&gate, &token(json!({ "fanfare": claim }))).unwrap();
        assert!(grant.rights.allow(Right::Subscribe, &channel("user:7")));
        assert!(!grant.rights.allow(Right::Subscribe, &channel("user:8")));
        assert!(!grant.rights.allow(Right::Publish, &channel("user:7")));
    }
}

#[test]
fn no_token_of_an_issuer_gives_more_than_the_issuer_may() {
    let within = Some(vec![Pattern::parse("partner:*").unwrap(), Pattern::parse("user:7").unwrap()]);
    let one = IssuerOptions { within, ..issuer(vec![KeySource::Secret(SECRET.into())]) };
    let public = vec![Pattern::parse("news").unwrap()];
    let gate = Gate::new(GateOptions { public, issuers: vec![one], ..GateOptions::default() }).unwrap();
    let everything = json!({ "fanfare": { "subscribe": ["*"], "publish": ["*"], "tickets": ["*"] } });
    let grant = check(&gate, &token(everything)).unwrap();
    for right in Right::ALL {
        assert!(grant.rights.allow(right, &channel("partner:a")));
        assert!(!grant.rights.allow(right, &channel("user:8")));
    }
    assert!(grant.rights.allow(Right::Subscribe, &channel("news")), "what everybody may is not the token's");
    assert!(!grant.rights.allow(Right::Publish, &channel("news")));
    assert!(!grant.rights.allow(Right::Tickets, &channel("news")));
    let (seven, eight) = (token(json!({})), token(json!({ "sub": "8" })));
    assert!(check(&gate, &seven).unwrap().rights.allow(Right::Subscribe, &channel("user:7")));
    assert!(!check(&gate, &eight).unwrap().rights.allow(Right::Subscribe, &channel("user:8")), "templates too");
}

#[test]
fn a_grant_says_who_gave_it_since_others_may_have_the_same_subjects() {
    let secret = KeySource::Secret(b"another secret of thirty-two byte".to_vec());
    let other = IssuerOptions { issuer: Some("https://other.example".into()), ..issuer(vec![secret]) };
    let one = issuer(vec![KeySource::Secret(SECRET.into())]);
    let gate = Gate::new(GateOptions { issuers: vec![one, other], ..GateOptions::default() }).unwrap();
    let key = SigningKey::secret(b"another secret of thirty-two byte").unwrap();
    let foreign = key.sign(Algorithm::Hs256, None, &claims(json!({ "iss": "https://other.example" }))).unwrap();
    let (mine, theirs) = (check(&gate, &token(json!({}))).unwrap(), check(&gate, &foreign).unwrap());
    assert_eq!(mine.subject, theirs.subject);
    assert_eq!((mine.issuer.as_deref(), theirs.issuer.as_deref()), (Some(ISSUER), Some("https://other.example")));
}

#[test]
fn a_claim_of_another_shape_is_refused_and_gives_nothing() {
    for claim in [
        json!(1),
        json!("a"),
        json!(["a"]),
        json!({"subscribe": "a"}),
        json!({"subscribe": [1]}),
        json!({"publish": {}}),
    ] {
        assert!(invalid(&gate(), &token(json!({ "fanfare": claim }))).contains("no object of lists"), "{claim}");
    }
    let malformed = json!({ "fanfare": { "subscribe": ["{sub"] } });
    assert!(invalid(&gate(), &token(malformed)).contains("malformed"));
    let many: Vec<String> = (0..65).map(|number| number.to_string()).collect();
    assert!(invalid(&gate(), &token(json!({ "fanfare": { "history": many } }))).contains("more than 64"));
}

#[test]
fn what_is_public_needs_no_token_and_is_in_every_grant() {
    let public = vec![Pattern::parse("news:*").unwrap()];
    let gate = Gate::new(GateOptions { public, ..options(vec![KeySource::Secret(SECRET.into())]) }).unwrap();
    let (news, user) = (channel("news:a"), channel("user:7"));
    let one = std::slice::from_ref(&news);
    assert!(gate.is_public(Right::Subscribe, one) && gate.is_public(Right::History, one));
    assert!(!gate.is_public(Right::Publish, one), "reading is public, writing is not");
    assert!(!gate.is_public(Right::Tickets, one), "nobody needs a ticket there");
    assert!(!gate.is_public(Right::Subscribe, &[news.clone(), user.clone()]));
    assert!(!gate.is_public(Right::Subscribe, &[]), "who asks for nothing asks for nothing public");
    let grant = check(&gate, &token(json!({}))).unwrap();
    assert_eq!(grant.first_refused(Right::Subscribe, [&news, &user]), None);
    assert_eq!(grant.permit(Right::Subscribe, &[news.clone(), user]), Ok(()));
    let refusal = Refusal::Forbidden { right: Right::Publish, channel: news.clone() };
    assert_eq!(grant.permit(Right::Publish, &[news]), Err(refusal));
    assert!(grant.permit(Right::Subscribe, &[]).is_err(), "no for nothing");
}

#[test]
fn every_algorithm_is_taken_with_its_own_key() {
    let of = |private: &str, public: &str, algorithms: &[Algorithm]| {
        let key = SigningKey::pem(&key_file(private)).unwrap();
        let gate = Gate::new(options(vec![KeySource::Pem(key_file(public))])).unwrap();
        for algorithm in algorithms {
            let token = key.sign(*algorithm, Some("any"), &claims(json!({}))).unwrap();
            assert!(check(&gate, &token).is_ok(), "{algorithm}");
        }
    };
    let rsa =
        [Algorithm::Rs256, Algorithm::Rs384, Algorithm::Rs512, Algorithm::Ps256, Algorithm::Ps384, Algorithm::Ps512];
    of("rsa.private.pem", "rsa.public.pem", &rsa);
    of("rsa.pkcs1.private.pem", "rsa.pkcs1.public.pem", &rsa);
    of("p256.private.pem", "p256.public.pem", &[Algorithm::Es256]);
    of("p384.private.pem", "p384.public.pem", &[Algorithm::Es384]);
    of("ed25519.private.pem", "ed25519.public.pem", &[Algorithm::EdDsa]);
    for algorithm in [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512] {
        let token = secret().sign(algorithm, None, &claims(json!({}))).unwrap();
        assert!(check(&gate(), &token).is_ok(), "{algorithm}");
    }
}

#[test]
fn a_key_is_good_for_the_algorithms_of_its_kind_only() {
    // The public key as the secret of HS256: the oldest trick.
    let gate = Gate::new(options(vec![KeySource::Pem(key_file("rsa.public.pem"))])).unwrap();
    let forged = SigningKey::secret(key_file("rsa.public.pem").as_bytes()).unwrap();
    let forged = forged.sign(Algorithm::Hs256, None, &claims(json!({}))).unwrap();
    assert_eq!(invalid(&gate, &forged), "its `alg` does not fit its issuer's key");
    let curve = SigningKey::pem(&key_file("p384.private.pem")).unwrap();
    let gate = Gate::new(options(vec![KeySource::Pem(key_file("p256.public.pem"))])).unwrap();
    let other = curve.sign(Algorithm::Es384, None, &claims(json!({}))).unwrap();
    assert_eq!(invalid(&gate, &other), "its `alg` does not fit its issuer's key");
    let rsa = SigningKey::pem(&key_file("rsa.private.pem")).unwrap();
    let other = rsa.sign(Algorithm::Rs256, None, &claims(json!({}))).unwrap();
    assert_eq!(invalid(&gate, &other), "its `alg` does not fit its issuer's key");
}

#[test]
fn no_token_asks_for_no_signature() {
    for algorithm in ["none", "None", "NONE", "nOnE", "", "HS257", "RS1"] {
        let unsigned = with_header(&json!({ "alg": algorithm, "typ": "JWT" }));
        let (signed, _) = unsigned.rsplit_once('.').unwrap();
        for token in [&unsigned, &format!("{signed}."), &signed.to_owned()] {
            assert!(matches!(check(&gate(), token), Err(Refusal::Invalid(_))), "{token}");
        }
    }
    assert!(invalid(&gate(), &with_header(&json!({ "typ": "JWT" }))).contains("`alg`"));
    assert!(invalid(&gate(), &with_header(&json!({ "alg": 1 }))).contains("`alg`"));
}

#[test]
fn a_header_that_must_be_understood_is_refused() {
    for crit in [json!(["b64"]), json!(["exp"]), json!([]), json!(null), json!("b64")] {
        assert!(
            invalid(&gate(), &with_header(&json!({ "alg": "HS256", "crit": crit, "b64": false }))).contains("crit"),
            "{crit}"
        );
    }
}

#[test]
fn keys_in_the_header_of_a_token_are_nobodys() {
    let k = URL_SAFE_NO_PAD.encode("an attacker's own secret of 32 b");
    let own = SigningKey::secret(b"an attacker's own secret of 32 b").unwrap();
    let forged = own.sign(Algorithm::Hs256, None, &claims(json!({}))).unwrap();
    let rest = forged.split_once('.').unwrap().1;
    let header = json!({ "alg": "HS256", "jwk": { "kty": "oct", "k": k }, "jku": "https://evil.example/keys", "x5u": "https://evil.example" });
    let forged = format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string()));
    assert_eq!(invalid(&gate(), &forged), "its signature is wrong");
}

#[test]
fn a_token_that_was_changed_is_refused() {
    let good = token(json!({}));
    let parts: Vec<&str> = good.split('.').collect();
    let richer = URL_SAFE_NO_PAD.encode(Value::Object(claims(json!({ "sub": "8" }))).to_string());
    assert_eq!(invalid(&gate(), &format!("{}.{richer}.{}", parts[0], parts[2])), "its signature is wrong");
    assert_eq!(invalid(&gate(), &format!("{}.{}.", parts[0], parts[1])), "its signature is wrong");
    assert_eq!(invalid(&gate(), &format!("{good}=")), "its parts are not base64url");
    // The last character holds bits that are not part of the signature: another spelling of them is another token.
    let last = good.chars().last().unwrap();
    let spelled = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let at = spelled.find(last).unwrap();
    let other = spelled.as_bytes()[at ^ 1] as char;
    assert!(matches!(check(&gate(), &format!("{}{other}", &good[..good.len() - 1])), Err(Refusal::Invalid(_))));
}

#[test]
fn what_is_no_token_is_refused() {
    for text in ["", ".", "..", "...", "a.b", "a.b.c", "a.b.c.d", "e30.e30.e30.e30.e30", "!.!.!", "bnVsbA.bnVsbA.AA"] {
        assert!(matches!(check(&gate(), text), Err(Refusal::Invalid(_))), "{text}");
    }
    let deep = URL_SAFE_NO_PAD.encode("[".repeat(4_000));
    assert!(matches!(check(&gate(), &format!("{deep}.{deep}")), Err(Refusal::Invalid(_))));
    let long = token(json!({ "padding": "a".repeat(8_192) }));
    assert_eq!(check(&gate(), &long), Err(Refusal::Invalid("it is too long")));
}

#[test]
fn a_token_of_somebody_else_or_for_somebody_else_is_refused() {
    assert!(invalid(&gate(), &token(json!({ "iss": "https://other.example" }))).contains("`iss`"));
    assert!(invalid(&gate(), &token(json!({ "iss": null }))).contains("`iss`"));
    assert!(invalid(&gate(), &token(json!({ "iss": 7 }))).contains("`iss`"));
    for audience in
        [json!(null), json!("other"), json!(["other", "another"]), json!([]), json!(7), json!({ "fanfare": 1 })]
    {
        assert!(invalid(&gate(), &token(json!({ "aud": audience }))).contains("`aud`"), "{audience}");
    }
    assert!(check(&gate(), &token(json!({ "aud": ["other", AUDIENCE] }))).is_ok());
}

#[test]
fn an_issuer_is_believed_with_its_own_keys_only() {
    let secret = KeySource::Secret(b"another secret of thirty-two byte".to_vec());
    let other = IssuerOptions { issuer: Some("https://other.example".into()), ..issuer(vec![secret]) };
    let one = issuer(vec![KeySource::Secret(SECRET.into())]);
    let gate = Gate::new(GateOptions { issuers: vec![one, other], ..GateOptions::default() }).unwrap();
    assert!(check(&gate, &token(json!({}))).is_ok());
    assert_eq!(invalid(&gate, &token(json!({ "iss": "https://other.example" }))), "its signature is wrong");
}

#[test]
fn an_issuer_without_a_name_needs_none_in_its_tokens() {
    let nameless =
        IssuerOptions { issuer: None, audience: Audience::Any, ..issuer(vec![KeySource::Secret(SECRET.into())]) };
    let gate = Gate::new(GateOptions { issuers: vec![nameless], ..GateOptions::default() }).unwrap();
    assert!(check(&gate, &token(json!({ "iss": null, "aud": null }))).is_ok());
    assert!(check(&gate, &token(json!({ "iss": "anybody", "aud": "anything" }))).is_ok());
}

#[test]
fn times_count_with_the_leeway() {
    let gate = gate();
    for (claims, good) in [
        (json!({ "nbf": NOW.0 + 5 }), true),
        (json!({ "nbf": NOW.0 + 6 }), false),
        (json!({ "iat": NOW.0 + 5 }), true),
        (json!({ "iat": NOW.0 + 6 }), false),
        (json!({ "exp": NOW.0 - 4 }), true),
        (json!({ "exp": NOW.0 as f64 + 0.5, "iat": NOW.0 as f64 - 10.25 }), true),
        (json!({ "exp": null }), false),
        (json!({ "exp": (NOW.0 + 60).to_string() }), false),
        (json!({ "exp": -1, "iat": null }), false),
        (json!({ "iat": "now" }), false),
    ] {
        assert_eq!(check(&gate, &token(claims.clone())).is_ok(), good, "{claims}");
    }
    assert!(
        check(&gate, &token(json!({ "exp": NOW.0 - 4 }))).unwrap().has_expired(NOW),
        "good for what is done at once"
    );
}

#[test]
fn a_genuine_token_that_expired_a_short_while_ago_is_told_so() {
    let gate = gate();
    let ended = token(json!({ "exp": NOW.0 }));
    assert!(check_at(&gate, &ended, UnixSeconds(NOW.0 + 4)).is_ok());
    assert_eq!(check_at(&gate, &ended, UnixSeconds(NOW.0 + 5)), Err(Refusal::Expired));
    assert_eq!(check_at(&gate, &ended, UnixSeconds(NOW.0 + 299)), Err(Refusal::Expired));
    assert_eq!(check_at(&gate, &ended, UnixSeconds(NOW.0 + 300)), Err(Refusal::Invalid("it expired (`exp`)")));
    let (signed, _) = ended.rsplit_once('.').unwrap();
    let forged = format!("{signed}.{}", URL_SAFE_NO_PAD.encode([0; 32]));
    assert_eq!(check_at(&gate, &forged, UnixSeconds(NOW.0 + 5)), Err(Refusal::Invalid("its signature is wrong")));
}

#[test]
fn a_token_that_lives_too_long_is_refused() {
    let day = 24 * 3_600;
    assert!(check(&gate(), &token(json!({ "iat": NOW.0 - 1, "exp": NOW.0 - 1 + day }))).is_ok());
    assert!(invalid(&gate(), &token(json!({ "iat": NOW.0 - 1, "exp": NOW.0 + day }))).contains("max_token_lifetime"));
    assert!(check(&gate(), &token(json!({ "iat": null, "exp": NOW.0 + day }))).is_ok());
    assert!(invalid(&gate(), &token(json!({ "iat": null, "exp": NOW.0 + day + 1 }))).contains("max_token_lifetime"));
    assert!(invalid(&gate(), &token(json!({ "exp": u64::MAX }))).contains("max_token_lifetime"));
    assert!(invalid(&gate(), &token(json!({ "exp": 1e300 }))).contains("max_token_lifetime"));
}

#[test]
fn a_subject_that_cannot_be_kept_is_refused() {
    let huge = serde_json::from_str::<Value>("18446744073709551617").unwrap();
    for subject in
        [json!("a\nb"), json!("a".repeat(256)), json!(["a"]), json!(true), json!(""), json!(1.5), json!(1e3), huge]
    {
        assert!(invalid(&gate(), &token(json!({ "sub": subject }))).contains("`sub`"));
        assert!(invalid(&gate(), &token(json!({ "jti": subject }))).contains("`jti`"));
    }
    assert_eq!(check(&gate(), &token(json!({ "sub": 12 }))).unwrap().subject.as_deref(), Some("12"));
    let nobody = check(&gate(), &token(json!({ "sub": null, "jti": null }))).unwrap();
    assert_eq!((nobody.subject, nobody.token_id), (None, None));
    assert!(nobody.rights.patterns(Right::Subscribe).is_empty(), "`user:{{sub}}` is nobody's");
}

#[test]
fn an_issuer_may_use_fewer_algorithms_than_its_keys_fit() {
    let narrow = IssuerOptions { algorithms: vec![Algorithm::Hs512], ..issuer(vec![KeySource::Secret(SECRET.into())]) };
    let gate = Gate::new(GateOptions { issuers: vec![narrow], ..GateOptions::default() }).unwrap();
    assert!(check(&gate, &secret().sign(Algorithm::Hs512, None, &claims(json!({}))).unwrap()).is_ok());
    assert!(invalid(&gate, &token(json!({}))).contains("`alg`"));
}

#[test]
fn secrets_are_as_long_as_their_hash() {
    let short = |bytes: usize| Gate::new(options(vec![KeySource::Secret(vec![7; bytes])]));
    assert_eq!(
        short(31).unwrap_err(),
        GateError::Issuer { issuer: Some(ISSUER.into()), error: IssuerError::Secret(31) }
    );
    let key = SigningKey::secret(&[7; 32]).unwrap();
    assert!(check(&short(32).unwrap(), &key.sign(Algorithm::Hs256, None, &claims(json!({}))).unwrap()).is_ok());
    assert!(key.sign(Algorithm::Hs384, None, &claims(json!({}))).is_err());
    let narrow = IssuerOptions { algorithms: vec![Algorithm::Hs384], ..issuer(vec![KeySource::Secret(vec![7; 32])]) };
    let error = Gate::new(GateOptions { issuers: vec![narrow], ..GateOptions::default() }).unwrap_err();
    assert_eq!(error.to_string(), "the issuer https://id.example: none of its keys can be used with HS384");
}

#[test]
fn options_that_mean_nothing_are_refused() {
    let one = || issuer(vec![KeySource::Secret(SECRET.into())]);
    let of = |issuers| GateOptions { issuers, ..GateOptions::default() };
    let nameless = IssuerOptions { issuer: None, ..one() };
    assert_eq!(Gate::new(of(vec![one(), one()])).unwrap_err(), GateError::Twice(ISSUER.into()));
    assert_eq!(Gate::new(of(vec![one(), nameless])).unwrap_err(), GateError::Nameless);
    assert_eq!(Gate::new(of((0..17).map(|_| one()).collect())).unwrap_err(), GateError::TooManyIssuers(17));
    let error = |options| match Gate::new(of(vec![options])).unwrap_err() {
        GateError::Issuer { error, .. } => error,
        other => panic!("{other}"),
    };
    assert_eq!(error(issuer(vec![])), IssuerError::NoKeys);
    assert_eq!(error(IssuerOptions { audience: Audience::OneOf(vec![]), ..one() }), IssuerError::Audiences(0));
    assert_eq!(error(IssuerOptions { issuer: Some(String::new()), ..one() }), IssuerError::Name(0));
    for name in RESERVED_ISSUERS {
        let issuer = Some(name.to_owned());
        assert_eq!(error(IssuerOptions { issuer, ..one() }), IssuerError::Reserved(name.to_owned()));
    }
    let many = Templates { publish: templates(&["a"; 65]).subscribe, ..Templates::default() };
    assert_eq!(error(IssuerOptions { templates: many, ..one() }), IssuerError::Templates(Right::Publish, 65));
    assert_eq!(error(IssuerOptions { claim: Some(String::new()), ..one() }), IssuerError::Claim(0));
    assert_eq!(error(IssuerOptions { within: Some(Vec::new()), ..one() }), IssuerError::Within(0));
    let (soon, late) = (std::time::Duration::from_secs(599), std::time::Duration::from_secs(30 * 86_400 + 1));
    assert_eq!(error(IssuerOptions { max_key_age: soon, ..one() }), IssuerError::KeyAge);
    assert_eq!(error(IssuerOptions { max_key_age: late, ..one() }), IssuerError::KeyAge);
    for wrong in [
        GateOptions { claim: String::new(), ..GateOptions::default() },
        GateOptions { cookie: Some("a b".into()), ..GateOptions::default() },
        GateOptions { leeway: std::time::Duration::from_secs(301), ..GateOptions::default() },
        GateOptions { max_token_lifetime: std::time::Duration::from_secs(1), ..GateOptions::default() },
    ] {
        assert!(Gate::new(wrong).is_err());
    }
    assert!(Gate::new(GateOptions::default()).is_ok(), "nobody may do anything");
}

#[test]
fn what_is_printed_of_a_gate_shows_no_secret() {
    let options = options(vec![KeySource::Secret(SECRET.into())]);
    let secret = std::str::from_utf8(SECRET).unwrap();
    let bytes = format!("{:?}", &SECRET[..4]);
    let bytes = bytes.trim_matches(['[', ']']);
    let printed = format!("{options:?} {:?} {:?}", gate(), support::secret());
    assert!(!printed.contains(secret) && !printed.contains(bytes), "{printed}");
}

#[test]
fn what_others_know_is_no_secret() {
    let ssh = format!("ssh-rsa {}", "A".repeat(64)).into_bytes();
    let set = format!("\n{{\"keys\":[{}]}}", " ".repeat(64)).into_bytes();
    for known in [key_file("rsa.public.pem").into_bytes(), key_file("ed25519.private.pem").into_bytes(), ssh, set] {
        assert!(Gate::new(options(vec![KeySource::Secret(known.clone())])).is_err(), "{}", known.escape_ascii());
    }
}

/// The key of the tests with zeros before its modulus, as some libraries write it.
#[test]
fn a_modulus_with_zeros_before_it_is_the_same() {
    let der = base64::engine::general_purpose::STANDARD
        .decode(key_file("rsa.pkcs1.public.pem").lines().filter(|line| !line.starts_with('-')).collect::<String>());
    let der = der.unwrap();
    // A sequence, a modulus of 257 bytes of which the first is 0, and 65537.
    let modulus = &der[8..][..257];
    let key = json!({ "kty": "RSA", "n": URL_SAFE_NO_PAD.encode(modulus), "e": "AAEAAQ" });
    let gate = Gate::new(options(vec![KeySource::KeySet(json!({ "keys": [key] }).to_string().into_bytes())])).unwrap();
    let token = SigningKey::pem(&key_file("rsa.private.pem")).unwrap();
    assert!(check(&gate, &token.sign(Algorithm::Rs256, None, &claims(json!({}))).unwrap()).is_ok());
}

#[test]
fn a_file_with_a_key_that_can_never_verify_is_refused() {
    let point = ["BBBB", "BBBB"].concat();
    let mut broken = key_file("p256.public.pem");
    let at = broken.find("-----END").unwrap() - 12;
    broken.replace_range(at..at + 8, &point);
    assert!(Gate::new(options(vec![KeySource::Pem(broken)])).is_err(), "a point beside its curve");
    // 1024 bits.
    let mut der = vec![0x30, 0x81, 0x89, 0x02, 0x81, 0x81, 0x00];
    der.extend([0xff; 128]);
    der.extend([0x02, 0x03, 0x01, 0x00, 0x01]);
    let text = base64::engine::general_purpose::STANDARD.encode(&der);
    let short = format!("-----BEGIN RSA PUBLIC KEY-----\n{text}\n-----END RSA PUBLIC KEY-----\n");
    assert!(Gate::new(options(vec![KeySource::Pem(short)])).is_err(), "1024 bits");
}

#[test]
fn secrets_are_not_looked_for_where_keys_are_published() {
    let url = || KeySource::Url(fanfare_auth::SafeUrl::parse("https://id.example/keys").unwrap());
    let gate = Gate::new(options(vec![url()])).unwrap();
    let named = secret().sign(Algorithm::Hs256, Some("new"), &claims(json!({}))).unwrap();
    assert!(invalid(&gate, &named).contains("`alg`"));
    let only = IssuerOptions { algorithms: vec![Algorithm::Hs256], ..issuer(vec![url()]) };
    assert!(Gate::new(GateOptions { issuers: vec![only], ..GateOptions::default() }).is_err());
    let both = vec![url(), KeySource::Secret(SECRET.into())];
    let both = Gate::new(options(both)).unwrap();
    assert!(check(&both, &named).is_ok());
}
