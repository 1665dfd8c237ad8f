//! A token, taken apart (RFC 7515, section 7.1).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fanfare_protocol::limits::TOKEN_BYTES_MAX;
use serde_json::{Map, Value};

use crate::algorithm::Algorithm;
use crate::claims::Claims;
use crate::refusal::Refusal;

/// A token that nobody has believed yet. It cannot be printed: with what is signed and the signature, whoever reads the log has it.
pub(crate) struct Token<'a> {
    /// How it says that it is signed.
    pub(crate) algorithm: Algorithm,
    /// Which key it says that it is signed with (`kid`).
    pub(crate) key_id: Option<String>,
    pub(crate) claims: Claims,
    /// What is signed.
    pub(crate) signed: &'a [u8],
    pub(crate) signature: Vec<u8>,
}

impl<'a> Token<'a> {
    /// Takes it apart. Everything that its head may ask of who reads it is ignored (`jku`, `jwk`, `x5u`: keys come from the
    /// configuration alone) or refused (`crit`).
    pub(crate) fn parse(text: &'a str) -> Result<Self, Refusal> {
        let [head, claims, signature] = parts(text)?;
        let decode =
            |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| Refusal::Invalid("its parts are not base64url"));
        let head: Map<String, Value> =
            serde_json::from_slice(&decode(head)?).map_err(|_| Refusal::Invalid("its header is not a JSON object"))?;
        if head.contains_key("crit") {
            return Err(Refusal::Invalid("its header has `crit`, of which nothing is understood here"));
        }
        let algorithm = head.get("alg").and_then(Value::as_str).and_then(Algorithm::parse);
        let key_id = match head.get("kid") {
            None => None,
            Some(Value::String(id)) => Some(id.clone()),
            Some(_) => return Err(Refusal::Invalid("its `kid` is not a text")),
        };
        Ok(Self {
            algorithm: algorithm.ok_or(Refusal::Invalid("its `alg` is none of the algorithms that are offered"))?,
            key_id,
            claims: Claims::parse(&decode(claims)?)?,
            signed: &text.as_bytes()[..text.len() - signature.len() - 1],
            signature: decode(signature)?,
        })
    }
}

/// Its header, claims and signature, as they are written.
pub(crate) fn parts(text: &str) -> Result<[&str; 3], Refusal> {
    if text.len() > TOKEN_BYTES_MAX {
        return Err(Refusal::Invalid("it is too long"));
    }
    let mut parts = text.split('.');
    match [parts.next(), parts.next(), parts.next(), parts.next()] {
        [Some(head), Some(claims), Some(signature), None] => Ok([head, claims, signature]),
        _ => Err(Refusal::Invalid("it is not of three parts with dots between them")),
    }
}
