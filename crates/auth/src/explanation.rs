//! What a token says, for people. Nothing of it is checked.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::claims::Claims;
use crate::refusal::Refusal;
use crate::token;
use crate::unix_seconds::UnixSeconds;

/// A token, taken apart.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// How it says that it is signed.
    pub header: Map<String, Value>,
    /// What it says.
    pub claims: Map<String, Value>,
    /// `iat`.
    pub issued_at: Option<UnixSeconds>,
    /// `nbf`.
    pub not_before: Option<UnixSeconds>,
    /// `exp`.
    pub expires_at: Option<UnixSeconds>,
}

impl Explanation {
    /// Takes a token apart.
    ///
    /// # Errors
    /// It is none.
    pub fn of(text: &str) -> Result<Self, Refusal> {
        let [header, claims, _] = token::parts(text)?;
        let json = |part: &str, wrong| -> Result<Map<String, Value>, Refusal> {
            let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| Refusal::Invalid("its parts are not base64url"))?;
            serde_json::from_slice(&bytes).map_err(|_| Refusal::Invalid(wrong))
        };
        let header = json(header, "its header is not a JSON object")?;
        let claims = json(claims, "its claims are not a JSON object")?;
        let read = Claims::of(claims.clone());
        Ok(Self {
            header,
            claims,
            issued_at: read.issued_at()?,
            not_before: read.not_before()?,
            expires_at: read.expires_at()?,
        })
    }
}
