//! The replies of `XINFO STREAM`, `XRANGE` and `TIME`, parsed raw: the client library's helpers leave out what the
//! continuity proofs need.

use bytes::Bytes;
use fanfare_log::FirstEntry;
use fanfare_protocol::{Decoded, EntryId, Foreign, decode_fields};
use redis::Value;

use crate::error::Error;
use crate::value::{array, bytes, entry_id, number, pairs, text};

/// An entry as Redis tells it.
#[derive(Debug)]
pub(crate) struct RawEntry {
    pub(crate) id: EntryId,
    pub(crate) fields: Vec<(Bytes, Bytes)>,
    /// Size of the data that a function left out, since it is over the limit.
    withheld: Option<usize>,
}

impl RawEntry {
    fn parse(value: Value) -> Option<Self> {
        let mut parts = array(value)?.into_iter();
        let id = entry_id(parts.next()?)?;
        // The entries of a deleted-from consumer group's history have no fields; those of XRANGE always do.
        let fields = pairs(parts.next()?)?;
        let fields =
            fields.into_iter().map(|(name, value)| Some((bytes(name)?, bytes(value)?))).collect::<Option<_>>()?;
        let withheld = match parts.next() {
            Some(size) => Some(usize::try_from(number(size)?).ok()?),
            None => None,
        };
        Some(Self { id, fields, withheld })
    }

    /// Sum of the sizes of names and values.
    pub(super) fn bytes(&self) -> usize {
        self.fields.iter().map(|(name, value)| name.len() + value.len()).sum()
    }

    /// The same, as it is in the stream.
    pub(super) fn size(&self) -> usize {
        self.bytes() + self.withheld.unwrap_or(0)
    }

    /// What it says. Data over `max_event_bytes` is not delivered, whether it is here or was left out.
    pub(super) fn decode(&self, max_event_bytes: usize) -> (Decoded, Foreign) {
        // The entry at the position itself: a function tells its id and nothing else.
        if self.fields.is_empty() {
            return (Decoded::TooLarge { id: self.id, prev: None, bytes: 0 }, Foreign::default());
        }
        let (decoded, foreign) = decode_fields(self.id, &self.fields, max_event_bytes);
        match self.withheld {
            Some(bytes) => (Decoded::TooLarge { id: self.id, prev: decoded.prev(), bytes }, foreign),
            None => (decoded, foreign),
        }
    }

    /// The predecessor that a publishing function recorded: only the last field counts.
    pub(super) fn prev(&self) -> Option<EntryId> {
        let (_, value) = self.fields.last().filter(|(name, _)| name == "prev")?;
        std::str::from_utf8(value).ok()?.parse().ok()
    }
}

/// The parts of `XINFO STREAM` (<https://redis.io/docs/latest/commands/xinfo-stream/>) that proofs rest on.
#[derive(Debug)]
pub(crate) struct StreamInfo {
    pub(super) last_generated: EntryId,
    pub(super) first: Option<FirstEntry>,
    /// Nothing was ever removed; needs `entries-added` (Redis 7).
    pub(super) untouched: bool,
    /// The number of entries; `None` where a function told the rest, which leaves it out.
    pub(super) length: Option<usize>,
    /// Size of the oldest entry, in bytes.
    pub(super) oldest_bytes: usize,
    /// Size of the newest entry, in bytes.
    pub(super) newest_bytes: usize,
}

impl StreamInfo {
    fn parse(value: Value) -> Option<Self> {
        let (mut last_generated, mut first, mut newest, mut length, mut added) = (None, None, None, None, None);
        for (name, value) in pairs(value)? {
            match &*bytes(name)? {
                b"last-generated-id" => last_generated = Some(entry_id(value)?),
                b"length" => length = Some(number(value)?),
                b"entries-added" => added = Some(number(value)?),
                b"first-entry" if value != Value::Nil => first = Some(RawEntry::parse(value)?),
                b"last-entry" if value != Value::Nil => newest = Some(RawEntry::parse(value)?),
                _ => {}
            }
        }
        Some(Self {
            last_generated: last_generated?,
            untouched: added.is_some() && added == length,
            length: length.and_then(|length| usize::try_from(length).ok()),
            oldest_bytes: first.as_ref().map_or(0, RawEntry::bytes),
            newest_bytes: newest.as_ref().map_or(0, RawEntry::bytes),
            first: first.map(|entry| FirstEntry { id: entry.id, prev: entry.prev() }),
        })
    }

    /// What a function tells of a stream in place of `XINFO STREAM`: the last generated id, whether nothing was ever removed,
    /// the oldest entry's id and the predecessor that it names, and the sizes of the oldest and the newest entry.
    fn parse_summary(value: Value) -> Option<Self> {
        let mut parts = array(value)?.into_iter();
        let last_generated = entry_id(parts.next()?)?;
        let untouched = number(parts.next()?)? == 1;
        let (id, prev) = (parts.next()?, parts.next()?);
        let first = match id {
            Value::Nil => None,
            id => Some(FirstEntry { id: entry_id(id)?, prev: text(prev).and_then(|prev| prev.parse().ok()) }),
        };
        let mut size = || usize::try_from(number(parts.next()?)?).ok();
        Some(Self { last_generated, first, untouched, length: None, oldest_bytes: size()?, newest_bytes: size()? })
    }
}

/// The reply to `XINFO STREAM`; `None` when there is no such key.
pub(crate) fn stream_info(value: Value) -> Result<Option<StreamInfo>, Error> {
    match value {
        Value::ServerError(error) if error.details().is_some_and(|details| details.contains("no such key")) => Ok(None),
        Value::ServerError(error) => Err(Error::from(&error)),
        value => StreamInfo::parse(value).map(Some).ok_or(Error::Shape("XINFO STREAM")),
    }
}

/// What a function tells of a stream; `None` when there is no such key.
pub(super) fn summary(value: Value) -> Result<Option<StreamInfo>, Error> {
    match value {
        Value::Nil => Ok(None),
        Value::ServerError(error) => Err(Error::from(&error)),
        value => StreamInfo::parse_summary(value).map(Some).ok_or(Error::Shape("a function's summary")),
    }
}

/// The id of an entry, the predecessor that it names, and its size in bytes, as `sse_newest` tells them.
pub(super) fn heads(value: Value) -> Result<Vec<(EntryId, Option<EntryId>, usize)>, Error> {
    let parse = |value| {
        let mut parts = array(value)?.into_iter();
        let (id, prev) = (entry_id(parts.next()?)?, parts.next()?);
        Some((id, text(prev).and_then(|prev| prev.parse().ok()), usize::try_from(number(parts.next()?)?).ok()?))
    };
    array(value).and_then(|items| items.into_iter().map(parse).collect()).ok_or(Error::Shape("sse_newest"))
}

/// The reply to `XRANGE` or `XREVRANGE`.
pub(crate) fn entries(value: Value) -> Result<Vec<RawEntry>, Error> {
    match value {
        Value::ServerError(error) => Err(Error::from(&error)),
        value => array(value)
            .and_then(|items| items.into_iter().map(RawEntry::parse).collect())
            .ok_or(Error::Shape("XRANGE")),
    }
}

/// The reply to `TIME`, in milliseconds since the Unix epoch.
pub(crate) fn time_ms(value: Value) -> Result<u64, Error> {
    let parse = |value| {
        let mut parts = array(value)?.into_iter();
        let (seconds, micros) = (number(parts.next()?)?, number(parts.next()?)?);
        seconds.checked_mul(1000)?.checked_add(micros / 1000)
    };
    match value {
        Value::ServerError(error) => Err(Error::from(&error)),
        value => parse(value).ok_or(Error::Shape("TIME")),
    }
}
