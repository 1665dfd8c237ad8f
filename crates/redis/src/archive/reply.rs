//! The replies of `XINFO STREAM`, `XRANGE` and `TIME`, parsed raw: the client library's helpers leave out what the
//! continuity proofs need.

use bytes::Bytes;
use fanfare_log::FirstEntry;
use fanfare_protocol::EntryId;
use redis::Value;

use crate::error::Error;
use crate::value::{array, bytes, entry_id, number, pairs};

/// An entry as Redis tells it.
#[derive(Debug)]
pub(crate) struct RawEntry {
    pub(crate) id: EntryId,
    pub(crate) fields: Vec<(Bytes, Bytes)>,
}

impl RawEntry {
    fn parse(value: Value) -> Option<Self> {
        let mut parts = array(value)?.into_iter();
        let id = entry_id(parts.next()?)?;
        // The entries of a deleted-from consumer group's history have no fields; those of XRANGE always do.
        let fields = pairs(parts.next()?)?;
        let fields =
            fields.into_iter().map(|(name, value)| Some((bytes(name)?, bytes(value)?))).collect::<Option<_>>()?;
        Some(Self { id, fields })
    }

    /// Sum of the sizes of names and values.
    pub(super) fn bytes(&self) -> usize {
        self.fields.iter().map(|(name, value)| name.len() + value.len()).sum()
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
    /// Size of the newest entry, in bytes.
    pub(super) newest_bytes: Option<usize>,
    /// Size of the reply's entries, in bytes.
    pub(super) bytes: usize,
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
            bytes: first.as_ref().map_or(0, RawEntry::bytes) + newest.as_ref().map_or(0, RawEntry::bytes),
            newest_bytes: newest.as_ref().map(RawEntry::bytes),
            first: first.map(|entry| FirstEntry { id: entry.id, prev: entry.prev() }),
        })
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
