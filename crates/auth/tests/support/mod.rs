//! Issuers, tokens and somebody to ask, for all the tests.
#![allow(dead_code, reason = "no test uses all of it")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use fanfare_auth::{
    Algorithm, Answering, Ask, AskAnswer, AskError, AskRequest, Audience, Check, Credential, Gate, GateOptions, Grant,
    IssuerOptions, KeySource, Place, Refusal, SigningKey, Template, Templates, UnixSeconds,
};
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};

pub(crate) const NOW: UnixSeconds = UnixSeconds(1_800_000_000);
pub(crate) const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
pub(crate) const ISSUER: &str = "https://id.example";
pub(crate) const AUDIENCE: &str = "fanfare";

pub(crate) fn key_file(name: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(crate) fn secret() -> SigningKey {
    SigningKey::secret(SECRET).unwrap()
}

pub(crate) fn templates(subscribe: &[&str]) -> Templates {
    let subscribe = subscribe.iter().map(|text| Template::parse(text).unwrap()).collect();
    Templates { subscribe, ..Templates::default() }
}

pub(crate) fn issuer(keys: Vec<KeySource>) -> IssuerOptions {
    IssuerOptions {
        issuer: Some(ISSUER.into()),
        audience: Audience::OneOf(vec![AUDIENCE.into()]),
        keys,
        templates: templates(&["user:{sub}"]),
        claim: Some("fanfare".into()),
        ..IssuerOptions::default()
    }
}

pub(crate) fn options(keys: Vec<KeySource>) -> GateOptions {
    GateOptions { issuers: vec![issuer(keys)], ..GateOptions::default() }
}

pub(crate) fn gate() -> Gate {
    Gate::new(options(vec![KeySource::Secret(SECRET.into())])).unwrap()
}

/// What a good token says, and what a test adds (`null` takes away).
pub(crate) fn claims(more: Value) -> Map<String, Value> {
    let mut claims = serde_json::json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "7", "jti": "t1", "iat": NOW.0 - 10, "exp": NOW.0 + 3_600,
    });
    let Value::Object(more) = more else { panic!("{more} is no object") };
    for (name, value) in more {
        claims[name] = value;
    }
    let Value::Object(claims) = claims else { panic!("{claims} is no object") };
    claims.into_iter().filter(|(_, value)| !value.is_null()).collect()
}

pub(crate) fn token(more: Value) -> String {
    secret().sign(Algorithm::Hs256, None, &claims(more)).unwrap()
}

pub(crate) fn credential(token: &str) -> Credential {
    Credential::new(Place::Header, token).unwrap()
}

pub(crate) fn check(gate: &Gate, token: &str) -> Result<Grant, Refusal> {
    check_at(gate, token, NOW)
}

pub(crate) fn check_at(gate: &Gate, token: &str, now: UnixSeconds) -> Result<Grant, Refusal> {
    let credential = Credential::new(Place::Header, token)?;
    match gate.check(&credential, now) {
        Check::Granted(grant) => Ok(grant),
        Check::Refused(refusal) => Err(refusal),
        Check::KeysWanted(_) => panic!("keys are wanted"),
    }
}

/// Why a token is worth nothing.
pub(crate) fn invalid(gate: &Gate, token: &str) -> &'static str {
    match check(gate, token) {
        Err(Refusal::Invalid(text)) => text,
        other => panic!("{other:?}"),
    }
}

/// Answers what it is told to, in order; after the last it repeats that.
#[derive(Debug, Default)]
pub(crate) struct Publisher {
    answers: Mutex<VecDeque<Result<AskAnswer, AskError>>>,
    asked: Mutex<Vec<AskRequest>>,
}

impl Publisher {
    pub(crate) fn new(answers: impl IntoIterator<Item = Result<AskAnswer, AskError>>) -> Arc<Self> {
        Arc::new(Self { answers: Mutex::new(answers.into_iter().collect()), asked: Mutex::default() })
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    pub(crate) fn requests(&self) -> Vec<AskRequest> {
        self.asked.lock().unwrap().clone()
    }
}

impl Ask for Publisher {
    fn ask(&self, request: AskRequest) -> Answering {
        self.asked.lock().unwrap().push(request);
        let mut answers = self.answers.lock().unwrap();
        let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        Box::pin(std::future::ready(answer.unwrap_or(Err(AskError::Failed("nobody is there".into())))))
    }
}

pub(crate) fn answer(body: &str) -> Result<AskAnswer, AskError> {
    Ok(AskAnswer { status: StatusCode::OK, headers: HeaderMap::new(), body: Bytes::copy_from_slice(body.as_bytes()) })
}
