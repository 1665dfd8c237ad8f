//! Reading what the store holds of a ticket.

use serde_json::{Map, Value};

/// The store holds something else than a node of this version writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what the store holds of a ticket cannot be read")]
pub struct MalformedTicket;

pub(super) fn object(bytes: &[u8]) -> Result<Map<String, Value>, MalformedTicket> {
    serde_json::from_slice(bytes).map_err(|_| MalformedTicket)
}

pub(super) fn number(said: &Map<String, Value>, name: &str) -> Result<u64, MalformedTicket> {
    said.get(name).and_then(Value::as_u64).ok_or(MalformedTicket)
}

/// A text of a member that may be missing.
pub(super) fn text<'a>(
    said: &'a Map<String, Value>,
    name: &str,
    most: usize,
) -> Result<Option<&'a str>, MalformedTicket> {
    match said.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_str().filter(|text| text.len() <= most).map(Some).ok_or(MalformedTicket),
    }
}
