//! `POST /channels/{channel}/events`: query, headers and body of an event published over HTTP.

use bytes::Bytes;
use fanfare_protocol::limits::{DEDUP_KEY_BYTES_MAX, EVENT_NAME_MAX};
use fanfare_protocol::{ChannelName, EventName};
use fanfare_server::fuzzing;

use crate::text;

/// Small, so that bodies on both sides of the limit are short.
const EVENT_BYTES: usize = 32;

/// An accepted event is within its bounds, and is what the body says.
pub(crate) fn run(data: &[u8]) {
    let Some((parts, body)) = text::request(data) else { return };
    let channel = ChannelName::parse("a").expect("a name");
    let request = match fuzzing::publish(&parts, channel.clone(), Bytes::copy_from_slice(body), EVENT_BYTES) {
        Ok(request) => request,
        Err(document) => return text::is_problem(&document),
    };
    assert_eq!((request.channel, request.max_len), (channel, None));
    assert!(request.event.data.len() <= EVENT_BYTES);
    assert!(request.dedup.as_ref().is_none_or(|key| (1..=DEDUP_KEY_BYTES_MAX).contains(&key.len()) || key.is_empty()));
    let name = request.event.name.as_ref().map(EventName::as_str);
    assert!(name.is_none_or(|name| name.len() <= EVENT_NAME_MAX && !name.starts_with('$') && !name.contains('\n')));

    // What a parameter holds, and be it no text, does not matter.
    let essence = parts.headers.get("content-type").map_or(&b""[..], |value| value.as_bytes());
    let essence = essence.split(|byte| *byte == b';').next().unwrap_or_default();
    if !essence.trim_ascii().eq_ignore_ascii_case(b"application/json") {
        assert!(request.event.data == body && request.ttl.is_none());
        return;
    }
    let json = match serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(body) {
        Ok(json) => json,
        // Half of a surrogate pair is JSON by its grammar, so it may stand in data that is published as it is written;
        // only as text it means nothing (RFC 8259, section 8.2).
        Err(_) if std::str::from_utf8(body).is_ok_and(|body| body.to_ascii_lowercase().contains("\\ud")) => return,
        Err(error) => panic!("it was JSON before: {error}"),
    };
    assert!(json.keys().all(|key| ["event", "data", "dedup", "ttl", "expires"].contains(&key.as_str())), "{json:?}");
    assert_eq!(request.ttl.is_some(), json.get("ttl").is_some_and(serde_json::Value::is_number));
    match &json["data"] {
        serde_json::Value::String(text) => assert_eq!(request.event.data, text.as_bytes()),
        // As it was written: numbers keep their digits, objects their order and spaces.
        other => {
            let again: serde_json::Value = serde_json::from_slice(&request.event.data).expect("JSON");
            assert_eq!(&again, other);
        }
    }
    // An empty one counts as absent.
    let given = |key: &str| json.get(key).and_then(serde_json::Value::as_str).filter(|text| !text.is_empty());
    if let Some(event) = given("event") {
        assert_eq!(name, Some(event));
    }
    if let Some(dedup) = given("dedup") {
        assert_eq!(request.dedup.as_deref(), Some(dedup));
    }
}
