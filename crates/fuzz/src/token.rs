//! Tokens and what stands around them: `Authorization`, cookies, key sets.

use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Waker};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use fanfare_auth::{
    Algorithm, Answering, Ask, AskAnswer, AskRequest, Audience, Check, Credential, Gate, GateOptions, Grant,
    IssuerOptions, KeySource, Place, Refusal, Right, SafeUrl, SigningKey, Template, Templates, UnixSeconds,
};
use fanfare_protocol::ChannelName;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Map, Value, json};

const NOW: UnixSeconds = UnixSeconds(1_800_000_000);
const SECRET: &[u8] = b"a secret of thirty-two bytes, ok";

static GATE: LazyLock<Gate> = LazyLock::new(|| {
    let issuer = IssuerOptions {
        audience: Audience::Any,
        keys: vec![KeySource::Secret(SECRET.to_vec())],
        templates: Templates {
            subscribe: vec![Template::parse("user:{sub}").expect("a template")],
            ..Templates::default()
        },
        claim: Some("fanfare".into()),
        ..IssuerOptions::default()
    };
    let options = GateOptions { cookie: Some("session".into()), issuers: vec![issuer], ..GateOptions::default() };
    Gate::new(options).expect("a gate")
});

/// The first byte says what the others are.
pub(crate) fn run(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    match kind % 7 {
        0 => as_token(rest),
        1 => as_claims(rest),
        2 => as_header(rest),
        3 => as_request(rest),
        4 => as_key_set(rest),
        5 => as_published_key_set(rest),
        _ => as_signature(rest),
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

/// An issuer with this key, of whatever kind, and tokens for anybody.
fn gate(key: KeySource) -> Option<Gate> {
    let issuer = IssuerOptions { audience: Audience::Any, keys: vec![key], ..IssuerOptions::default() };
    Gate::new(GateOptions { issuers: vec![issuer], ..GateOptions::default() }).ok()
}

fn unsigned(algorithm: &str, signature: &[u8]) -> Credential {
    let header = URL_SAFE_NO_PAD.encode(json!({ "alg": algorithm }).to_string());
    let token = format!("{header}.{}.{}", URL_SAFE_NO_PAD.encode("{}"), URL_SAFE_NO_PAD.encode(signature));
    Credential::new(Place::Header, &token).expect("a token")
}

/// A key set in a file.
fn as_key_set(text: &[u8]) {
    let Some(gate) = gate(KeySource::KeySet(text.to_vec())) else { return };
    for algorithm in Algorithm::ALL {
        let check = gate.check(&unsigned(algorithm.as_str(), &[0; 3]), NOW);
        assert!(matches!(check, Check::Refused(Refusal::Invalid(_))));
    }
}

/// Answers what it holds, at once.
struct Published(AskAnswer);

impl Ask for Published {
    fn ask(&self, _: AskRequest) -> Answering {
        Box::pin(std::future::ready(Ok(self.0.clone())))
    }
}

/// `Cache-Control` in the first line, and a key set that is published with it. Nothing that was published can sign.
fn as_published_key_set(data: &[u8]) {
    static RUNTIME: LazyLock<tokio::runtime::Runtime> =
        LazyLock::new(|| tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime"));
    let (line, text) = data.split_at(data.iter().position(|byte| *byte == b'\n').unwrap_or(0));
    let Ok(value) = HeaderValue::from_bytes(line) else { return };
    let headers = HeaderMap::from_iter([(http::header::CACHE_CONTROL, value)]);
    let body = Bytes::copy_from_slice(text);
    let url = SafeUrl::parse("https://id.example/keys").expect("an address");
    let mut gate = gate(KeySource::Url(url)).expect("a gate");
    let follower = gate.take_key_followers().pop().expect("a follower");
    let published = Arc::new(Published(AskAnswer { status: StatusCode::OK, headers, body }));
    {
        let _guard = RUNTIME.enter();
        let mut run = pin!(follower.run(published, || NOW));
        assert!(run.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending(), "it follows for ever");
    }
    let status = gate.key_status().remove(0);
    assert!(status.looks == 1 && status.keys <= 64);
    assert!(status.keys > 0 || status.last_error.is_some(), "an empty set says why");
    for algorithm in Algorithm::ALL {
        let check = gate.check(&unsigned(algorithm.as_str(), &[0; 3]), NOW);
        assert!(matches!(check, Check::Refused(_)), "{check:?}");
    }
}

/// A signature of every public kind that nobody made.
fn as_signature(signature: &[u8]) {
    static GATES: LazyLock<[Gate; 3]> = LazyLock::new(|| {
        [
            include_str!("../../auth/tests/keys/rsa.public.pem"),
            include_str!("../../auth/tests/keys/p256.public.pem"),
            include_str!("../../auth/tests/keys/ed25519.public.pem"),
        ]
        .map(|text| gate(KeySource::Pem(text.to_owned())).expect("a key"))
    });
    if signature.len() > 2_048 {
        return;
    }
    for gate in &*GATES {
        for algorithm in Algorithm::ALL {
            let check = gate.check(&unsigned(algorithm.as_str(), signature), NOW);
            let Check::Refused(Refusal::Invalid(why)) = check else { panic!("{check:?}") };
            assert!(why == "its signature is wrong" || why == "its `alg` does not fit its issuer's key", "{why}");
        }
    }
}
