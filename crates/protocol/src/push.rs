//! Messages of the Pub/Sub channel, push format version 1.
//!
//! ```text
//! 0x1E "ff1 " id SP prev SP <decimal byte length of the event name> LF <event name> <data>
//! ```
//!
//! `prev` is `0-0` when the entry created the key. A message that does not start with the marker
//! is an ephemeral text; an empty one is a doorbell.

use crate::entry_id::decimal;
use crate::{Entry, EntryId, Event, EventName};
use bytes::Bytes;

/// What opens a push. `0x1E` alone would collide with RFC 7464 JSON text sequences.
const MARKER: &[u8] = b"\x1eff1 ";

/// The longest head after the marker: two ids, two spaces, a three-digit length, a line break.
const HEAD_MAX: usize = 2 * EntryId::TEXT_MAX + 2 + 3 + 1;

/// A message of the Pub/Sub channel, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Push {
    /// A stream entry that names its predecessor (`prev` is never `None`).
    Entry(Entry),
    /// Something was appended: the archive knows what. Also an entry whose data is over the
    /// limit, so that the archive decides what becomes of it.
    Doorbell,
    /// An event that is not in the stream.
    Ephemeral(Event),
    /// Has the marker but is no version 1 push, or is an ephemeral text over the limit. To be
    /// counted and treated as a doorbell.
    Malformed,
}

impl Push {
    /// Understands a message. Never fails: whatever it is, it means one of four things.
    /// `max_event_bytes` bounds the data of what is delivered. The data shares `payload`.
    #[must_use]
    // Takes the payload itself: the parts share it, and the caller has no more use for it.
    #[allow(clippy::needless_pass_by_value)]
    pub fn parse(payload: Bytes, max_event_bytes: usize) -> Self {
        if payload.is_empty() {
            return Self::Doorbell;
        }
        if !payload.starts_with(MARKER) {
            if payload.len() > max_event_bytes {
                return Self::Malformed;
            }
            return Self::Ephemeral(Event { name: None, data: payload });
        }
        match parse_entry(&payload) {
            None => Self::Malformed,
            Some(entry) if entry.event.data.len() > max_event_bytes => Self::Doorbell,
            Some(entry) => Self::Entry(entry),
        }
    }
}

fn parse_entry(payload: &Bytes) -> Option<Entry> {
    let rest = &payload[MARKER.len()..];
    let head_end = memchr::memchr(b'\n', &rest[..rest.len().min(HEAD_MAX)])?;
    let mut head = rest[..head_end].split(|byte| *byte == b' ');
    let id = EntryId::from_ascii(head.next()?)?;
    let prev = EntryId::from_ascii(head.next()?)?;
    let name_len = usize::try_from(decimal(head.next()?)?).ok()?;
    // Redis gives growing ids, so anything else is forged.
    if head.next().is_some() || prev >= id {
        return None;
    }
    let name_start = MARKER.len() + head_end + 1;
    let name_end = name_start.checked_add(name_len)?;
    let name = match payload.get(name_start..name_end)? {
        b"" => None,
        name => Some(EventName::parse(std::str::from_utf8(name).ok()?).ok()?),
    };
    Some(Entry { id, prev: Some(prev), event: Event { name, data: payload.slice(name_end..) } })
}

/// The push of an entry. One that does not name its predecessor cannot prove its place, so its
/// push is a doorbell (empty).
#[must_use]
pub fn encode_push(entry: &Entry) -> Vec<u8> {
    let Some(prev) = entry.prev else {
        return Vec::new();
    };
    let name = entry.event.name.as_ref().map_or("", EventName::as_str);
    let mut out = Vec::with_capacity(MARKER.len() + HEAD_MAX + name.len() + entry.event.data.len());
    out.extend_from_slice(MARKER);
    entry.id.write_to(|piece| out.extend_from_slice(piece));
    out.push(b' ');
    prev.write_to(|piece| out.extend_from_slice(piece));
    out.push(b' ');
    out.extend_from_slice(itoa::Buffer::new().format(name.len()).as_bytes());
    out.push(b'\n');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(&entry.event.data);
    out
}
