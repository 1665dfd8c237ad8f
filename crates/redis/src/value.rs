//! Reading replies, in the shapes of RESP2 and RESP3 alike.

use bytes::Bytes;
use fanfare_protocol::EntryId;
use redis::Value;

/// The items of an array; `None` for anything else.
pub(crate) fn array(value: Value) -> Option<Vec<Value>> {
    match value {
        Value::Array(items) | Value::Set(items) => Some(items),
        _ => None,
    }
}

/// A string's bytes, without copying them.
pub(crate) fn bytes(value: Value) -> Option<Bytes> {
    match value {
        Value::BulkString(bytes) => Some(Bytes::from(bytes)),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(Bytes::from(text)),
        Value::Okay => Some(Bytes::from_static(b"OK")),
        _ => None,
    }
}

/// A string that must be UTF-8.
pub(crate) fn text(value: Value) -> Option<String> {
    String::from_utf8(bytes(value)?.into()).ok()
}

/// A number, as an integer or in decimal.
pub(crate) fn number(value: Value) -> Option<u64> {
    match value {
        Value::Int(number) => u64::try_from(number).ok(),
        value => text(value)?.parse().ok(),
    }
}

/// The id of an entry.
pub(crate) fn entry_id(value: Value) -> Option<EntryId> {
    text(value)?.parse().ok()
}

/// A map (RESP3), or a flat array of names and values (RESP2).
pub(crate) fn pairs(value: Value) -> Option<Vec<(Value, Value)>> {
    match value {
        Value::Map(pairs) => Some(pairs),
        Value::Array(items) if items.len() % 2 == 0 => {
            let mut items = items.into_iter();
            Some(std::iter::from_fn(|| Some((items.next()?, items.next()?))).collect())
        }
        _ => None,
    }
}

/// The value of a field of an `INFO` reply (<https://redis.io/docs/latest/commands/info/>).
pub(crate) fn info_field<'a>(info: &'a str, field: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).map(str::trim)
}
