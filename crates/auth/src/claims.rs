//! What a token says (RFC 7519, section 4).

use serde_json::{Map, Value};

use crate::name_text::is_name;
use crate::refusal::Refusal;
use crate::unix_seconds::UnixSeconds;

/// The claim that names whom a token is for (section 4.1.2). Of what client certificates prove it is the only one, and the only name that
/// may stand in their templates.
pub const SUBJECT_CLAIM: &str = "sub";

/// The claims of a token. They are believed once its signature was checked. They cannot be printed: what an issuer says of its users is not
/// for logs.
pub(crate) struct Claims(Map<String, Value>);

/// A claim that a node understands, or why it is malformed.
type Claim<T> = Result<Option<T>, Refusal>;

impl Claims {
    pub(crate) fn parse(json: &[u8]) -> Result<Self, Refusal> {
        serde_json::from_slice(json).map(Self).map_err(|_| Refusal::Invalid("its claims are not a JSON object"))
    }

    pub(crate) fn of(claims: Map<String, Value>) -> Self {
        Self(claims)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// A claim as the text that is put into a pattern: a text that is not empty, or a whole number of at most 64 bits. Others lose
    /// digits when they are read, and two users would be one.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        match self.0.get(name)? {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            Value::Number(number) if number.is_u64() || number.is_i64() => Some(number.to_string()),
            _ => None,
        }
    }

    pub(crate) fn issuer(&self) -> Claim<&str> {
        match self.0.get("iss") {
            None => Ok(None),
            Some(issuer) => issuer.as_str().map(Some).ok_or(Refusal::Invalid("its `iss` is not a text")),
        }
    }

    /// Whether the token is for one of these. One that is for nobody is for none of them.
    pub(crate) fn is_for_one_of(&self, audiences: &[String]) -> bool {
        let is_one = |named: &Value| named.as_str().is_some_and(|name| audiences.iter().any(|one| one == name));
        match self.0.get("aud") {
            Some(Value::Array(all)) => all.iter().any(is_one),
            Some(one) => is_one(one),
            None => false,
        }
    }

    /// Whose it is. Some issuers write a number.
    pub(crate) fn subject(&self) -> Claim<Box<str>> {
        self.name(
            SUBJECT_CLAIM,
            "its `sub` is no text of 1 to 255 bytes without control characters, and no whole number",
        )
    }

    pub(crate) fn token_id(&self) -> Claim<Box<str>> {
        self.name("jti", "its `jti` is no text of 1 to 255 bytes without control characters, and no whole number")
    }

    /// What is kept beside a session and written to logs. An empty one is refused: it would be nobody's, and nobody is revoked.
    fn name(&self, name: &str, refusal: &'static str) -> Claim<Box<str>> {
        if !self.0.contains_key(name) {
            return Ok(None);
        }
        self.text(name).filter(|text| is_name(text)).map(|text| Some(text.into())).ok_or(Refusal::Invalid(refusal))
    }

    pub(crate) fn issued_at(&self) -> Claim<UnixSeconds> {
        self.time("iat", "its `iat` is not a number of seconds")
    }

    pub(crate) fn not_before(&self) -> Claim<UnixSeconds> {
        self.time("nbf", "its `nbf` is not a number of seconds")
    }

    pub(crate) fn expires_at(&self) -> Claim<UnixSeconds> {
        self.time("exp", "its `exp` is not a number of seconds")
    }

    /// `NumericDate` may have a fraction, which is cut off, and may be negative: long ago.
    fn time(&self, name: &str, refusal: &'static str) -> Claim<UnixSeconds> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        let whole = value.as_u64().or_else(|| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "such casts stop at both ends")]
            value.as_f64().map(|seconds| seconds as u64)
        });
        whole.map(|seconds| Some(UnixSeconds(seconds))).ok_or(Refusal::Invalid(refusal))
    }
}
