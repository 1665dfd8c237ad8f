//! The data of one Redis: streams and strings, and what becomes of them, for the record.

use std::collections::BTreeMap;

use bytes::Bytes;
use fanfare_protocol::EntryId;

use crate::PREFIX;
use crate::truth::Truth;

/// Names and values.
pub(crate) type Fields = Vec<(Bytes, Bytes)>;

/// A Stream.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stream {
    pub(crate) entries: Vec<(EntryId, Fields)>,
    pub(crate) last: EntryId,
    /// `entries-added`.
    pub(crate) added: i64,
    /// Redis time at which the key is gone.
    pub(crate) expires: Option<u64>,
}

impl Stream {
    /// What tells it from any other state of the same key.
    pub(crate) fn identity(&self) -> (EntryId, Vec<EntryId>) {
        (self.last, self.entries.iter().map(|(id, _)| *id).collect())
    }

    /// The entries from `start` on, as `XRANGE` gives them.
    pub(crate) fn from(&self, start: EntryId) -> impl Iterator<Item = &(EntryId, Fields)> {
        let begin = self.entries.partition_point(|(id, _)| *id < start);
        self.entries[begin..].iter()
    }
}

/// Everything that a replica copies.
#[derive(Debug, Clone, Default)]
pub(crate) struct Data {
    pub(crate) streams: BTreeMap<String, Stream>,
    /// With the time at which each is gone.
    pub(crate) strings: BTreeMap<String, (Bytes, Option<u64>)>,
    /// `SET`s so far: what `WATCH` compares.
    pub(crate) sets: u64,
    pub(crate) library: bool,
}

/// The channel of a stream's key.
pub(crate) fn channel(key: &str) -> &str {
    key.strip_prefix(PREFIX).unwrap_or(key)
}

impl Data {
    /// Appends an entry, and to the record.
    pub(crate) fn add(&mut self, key: &str, fields: Fields, now: u64, limit: usize, truth: &Truth) -> EntryId {
        let stream = self.streams.entry(key.to_owned()).or_default();
        let fresh = EntryId { ms: now, seq: 0 };
        let mut id = if fresh > stream.last { fresh } else { EntryId { ms: stream.last.ms, seq: stream.last.seq + 1 } };
        // Whatever the clock says, no id is given a second time: the one condition that the guarantee makes.
        while truth.knows(channel(key), id) {
            id.seq += 1;
        }
        let data = fields.iter().find(|(name, _)| name == "data").map(|(_, value)| value);
        let seen = data.filter(|data| data.len() <= limit).map(|data| String::from_utf8_lossy(data));
        truth.append(channel(key), id, seen.map(std::borrow::Cow::into_owned), now);
        stream.last = id;
        stream.added += 1;
        stream.entries.push((id, fields));
        id
    }

    /// Keeps the newest entries.
    pub(crate) fn trim(&mut self, key: &str, keep: usize, truth: &Truth) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        let gone = stream.entries.len().saturating_sub(keep);
        for (id, _) in stream.entries.drain(..gone) {
            truth.lose(channel(key), id);
        }
    }

    /// The publisher takes one entry back.
    pub(crate) fn retract(&mut self, key: &str, index: usize, truth: &Truth) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        if index < stream.entries.len() {
            let (id, _) = stream.entries.remove(index);
            truth.retract(channel(key), id);
        }
    }

    /// `DEL`, expiry and eviction: all the same to who reads.
    pub(crate) fn remove(&mut self, key: &str, truth: &Truth) {
        self.trim(key, 0, truth);
        self.streams.remove(key);
    }

    /// What has expired goes.
    pub(crate) fn expire(&mut self, now: u64, truth: &Truth) {
        let over = |expires: &Option<u64>| expires.is_some_and(|at| at <= now);
        let keys: Vec<_> =
            self.streams.iter().filter(|(_, stream)| over(&stream.expires)).map(|(key, _)| key.clone()).collect();
        keys.iter().for_each(|key| self.remove(key, truth));
        self.strings.retain(|_, (_, expires)| !over(expires));
    }
}
