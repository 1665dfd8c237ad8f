//! Tokens and what stands around them: `Authorization`, cookies, key sets.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fanfare_auth::{
    Algorithm, Audience, Check, Credential, Gate, GateOptions, Grant, IssuerOptions, KeySource, Place, Refusal, Right,
    SigningKey, Template, Templates, UnixSeconds,
};
use fanfare_protocol::ChannelName;
use http::{HeaderMap, HeaderValue};
use serde_json::{Map, Value, json};

const NOW: UnixSeconds = UnixSeconds(1_800_000_000);
const SECRET: &[u8] = b"a secret of thirty-two bytes, ok";

static GATE: LazyLock<Gate> = LazyLock::new(|| {
    let issuer = IssuerOptions {
        issuer: None,
        audience: Audience::Any,
        algorithms: Vec::new(),
        keys: vec![KeySource::Secret(SECRET.to_vec())],
        templates: Templates {
            subscribe: vec![Template::parse("user:{sub}").expect("a template")],
            ..Templates::default()
        },
    };
    let options = GateOptions { cookie: Some("session".into()), issuers: vec![issuer], ..GateOptions::default() };
    Gate::new(options).expect("a gate")
});

/// The first byte says what the others are.
pub(crate) fn run(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    match kind % 5 {
        0 => as_token(rest),
        1 => as_claims(rest),
        2 => as_header(rest),
        3 => as_request(rest),
        _ => as_key_set(rest),
    }
}

/// Whoever does not have the secret has no token.
fn as_token(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    let Ok(credential) = Credential::new(Place::Header, text) else { return };
    assert_eq!(format!("{credential:?}"), "Credential { place: Header, .. }", "a log shows it");
    match GATE.check(&credential, NOW) {
        Check::Refused(Refusal::Invalid(_)) => {}
        other => panic!("{other:?}"),
    }
}

/// Claims that an issuer signed: what they give is within bounds, and `sub` opens its own channel only.
fn as_claims(json: &[u8]) {
    let Ok(Value::Object(claims)) = serde_json::from_slice(json) else { return };
    let Ok(grant) = check_signed(&claims) else { return };
    for right in Right::ALL {
        assert!(grant.rights.patterns(right).len() <= 64);
    }
    // A day, and five seconds by which the issuer's clock may be ahead.
    assert!(grant.expires_at.is_some_and(|end| end.since(NOW).as_secs() <= 24 * 3_600 + 5));
    if claims.contains_key("fanfare") {
        return;
    }
    let stranger = ChannelName::parse("user:another user").expect("a name");
    let is_the_stranger = claims.get("sub").and_then(Value::as_str) == Some("another user");
    assert_eq!(grant.rights.allow(Right::Subscribe, &stranger), is_the_stranger);
}

fn check_signed(claims: &Map<String, Value>) -> Result<Grant, Refusal> {
    let key = SigningKey::secret(SECRET).expect("a secret");
    let token = key.sign(Algorithm::Hs256, None, claims).expect("signed");
    match GATE.check(&Credential::new(Place::Header, &token)?, NOW) {
        Check::Granted(grant) => Ok(grant),
        Check::Refused(refusal) => Err(refusal),
        Check::KeysWanted(_) => panic!("nobody publishes keys"),
    }
}

/// A header of any kind before good claims: without its signature it is worth nothing.
fn as_header(header: &[u8]) {
    let claims = json!({ "exp": NOW.0 + 60, "sub": "7" });
    let token = format!("{}.{}.", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims.to_string()));
    as_token(token.as_bytes());
    as_token(format!("{token}{}", URL_SAFE_NO_PAD.encode([0; 32])).as_bytes());
}

/// The lines of a request's `Authorization` and `Cookie` headers, and its query parameter.
fn as_request(lines: &[u8]) {
    let mut lines = lines.split(|byte| *byte == b'\n');
    let query = lines.next().and_then(|line| std::str::from_utf8(line).ok());
    let mut headers = HeaderMap::new();
    for line in lines {
        let name = if line.first() == Some(&b'B') { "authorization" } else { "cookie" };
        let Ok(value) = HeaderValue::from_bytes(line) else { return };
        headers.append(name, value);
    }
    let found = GATE.credential(&headers, query);
    if headers.get_all("authorization").iter().count() > 1 {
        assert!(found.is_err(), "two headers");
    }
}

/// A key set in a file.
fn as_key_set(text: &[u8]) {
    let issuer = IssuerOptions {
        issuer: None,
        audience: Audience::Any,
        algorithms: Vec::new(),
        keys: vec![KeySource::KeySet(text.to_vec())],
        templates: Templates::default(),
    };
    let Ok(gate) = Gate::new(GateOptions { issuers: vec![issuer], ..GateOptions::default() }) else { return };
    let header = URL_SAFE_NO_PAD.encode(json!({ "alg": "RS256" }).to_string());
    let unsigned = format!("{header}.{}.AAAA", URL_SAFE_NO_PAD.encode("{}"));
    let credential = Credential::new(Place::Header, &unsigned).expect("a token");
    assert!(matches!(gate.check(&credential, NOW), Check::Refused(Refusal::Invalid(_))));
}
