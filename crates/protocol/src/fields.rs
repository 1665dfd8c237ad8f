//! The fields of a stream entry.

use crate::{Entry, EntryId, Event, EventName};
use bytes::Bytes;
use serde::Serializer;
use serde::ser::SerializeMap;
use std::collections::HashSet;

/// A stream entry, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// To be delivered.
    Entry(Entry),
    /// Over the limit: a `$gap` `too_large` takes its place.
    TooLarge {
        /// The entry's id.
        id: EntryId,
        /// As in [`Entry::prev`].
        prev: Option<EntryId>,
        /// Size of the data, in bytes.
        bytes: usize,
    },
}

impl Decoded {
    /// The entry's id.
    #[must_use]
    pub const fn id(&self) -> EntryId {
        match self {
            Self::Entry(entry) => entry.id,
            Self::TooLarge { id, .. } => *id,
        }
    }

    /// The predecessor that the entry names, as in [`Entry::prev`].
    #[must_use]
    pub const fn prev(&self) -> Option<EntryId> {
        match self {
            Self::Entry(entry) => entry.prev,
            Self::TooLarge { prev, .. } => *prev,
        }
    }
}

/// What shows that an entry comes from a producer that does not know this gateway. To be counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Foreign {
    /// The `event` field was no valid event name and was dropped.
    pub invalid_event_name: bool,
    /// There was no `data` field: the data is a JSON object of all fields.
    pub no_data: bool,
}

/// Understands the fields of an entry:
///
/// - the first `data` is the data; without one, a JSON object of all fields (as text; of fields
///   with the same name the first counts);
/// - the first `event` is the event's name; an empty one is none, an invalid one is dropped;
/// - `prev` counts only as the last field and only if it is an id: publishing functions write it
///   last, and a copied or forged one in another place proves nothing.
///
/// Data over `max_event_bytes` is not delivered.
#[must_use]
pub fn decode_fields(id: EntryId, fields: &[(Bytes, Bytes)], max_event_bytes: usize) -> (Decoded, Foreign) {
    let prev = fields.last().filter(|(field, _)| field == "prev").and_then(|(_, value)| EntryId::from_ascii(value));
    let fields = &fields[..fields.len() - usize::from(prev.is_some())];

    let mut foreign = Foreign::default();
    let name = first(fields, "event").and_then(|name| {
        let parsed = event_name(name);
        foreign.invalid_event_name = parsed.is_none() && !name.is_empty();
        parsed
    });
    let data = match first(fields, "data") {
        Some(data) => bounded(data, max_event_bytes),
        None => {
            foreign.no_data = true;
            json_object(fields, max_event_bytes)
        }
    };
    let decoded = match data {
        Err(bytes) => Decoded::TooLarge { id, prev, bytes },
        Ok(data) => Decoded::Entry(Entry { id, prev, event: Event { name, data } }),
    };
    (decoded, foreign)
}

fn first<'a>(fields: &'a [(Bytes, Bytes)], wanted: &str) -> Option<&'a Bytes> {
    fields.iter().find(|(field, _)| field == wanted).map(|(_, value)| value)
}

fn event_name(name: &[u8]) -> Option<EventName> {
    EventName::parse(std::str::from_utf8(name).ok()?).ok()
}

/// The data, or its size if that is over the limit.
fn bounded(data: &Bytes, max: usize) -> Result<Bytes, usize> {
    if data.len() > max { Err(data.len()) } else { Ok(data.clone()) }
}

/// The fields as a JSON object, or its size if that is over the limit. The raw size is looked at
/// first, so the work is bounded by the limit and not by the producer.
fn json_object(fields: &[(Bytes, Bytes)], max: usize) -> Result<Bytes, usize> {
    let raw: usize = fields.iter().map(|(field, value)| field.len() + value.len()).sum();
    if raw > max {
        return Err(raw);
    }
    let mut out = Vec::new();
    write_object(fields, &mut out).expect("a map of texts always has a JSON form");
    bounded(&Bytes::from(out), max)
}

fn write_object(fields: &[(Bytes, Bytes)], out: &mut Vec<u8>) -> serde_json::Result<()> {
    let mut serializer = serde_json::Serializer::new(out);
    let mut object = serializer.serialize_map(None)?;
    let mut seen = HashSet::new();
    for (field, value) in fields {
        let field = String::from_utf8_lossy(field);
        if seen.insert(field.clone()) {
            object.serialize_entry(&field, &String::from_utf8_lossy(value))?;
        }
    }
    object.end()
}
