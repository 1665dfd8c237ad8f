//! The data of one Redis: streams and strings, and what becomes of them, for the record.

use std::collections::BTreeMap;

use bytes::Bytes;
use fanfare_oracle::{Entry, IncarnationEnd};
use fanfare_protocol::EntryId;

use super::hashes::Hashes;
use crate::PREFIX;
use crate::payload;
use crate::stored_record::StoredRecord;

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

/// What the judge calls an id.
fn judged(id: EntryId) -> fanfare_oracle::EntryId {
    fanfare_oracle::EntryId { ms: id.ms, seq: id.seq }
}

impl Stream {
    /// Tells the record what is the oldest entry now.
    pub(crate) fn show(&self, key: &str, record: &StoredRecord) {
        record.look(channel(key), self.entries.first().map(|(id, _)| judged(*id)));
    }

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
    pub(crate) hashes: Hashes,
    /// `SET`s so far of what is watched, which neither tickets nor lives of nodes ever are: what `WATCH` compares.
    pub(crate) sets: u64,
    pub(crate) library: bool,
}

/// The channel of a stream's key.
pub(crate) fn channel(key: &str) -> &str {
    key.strip_prefix(PREFIX).unwrap_or(key)
}

/// The key of a channel's stream, or of a log of the gateway's own.
pub(crate) fn key_of(channel: &str) -> String {
    if channel.starts_with('$') { channel.to_owned() } else { format!("{PREFIX}{channel}") }
}

impl Data {
    /// Appends an entry, and to the record.
    pub(crate) fn add(&mut self, key: &str, fields: Fields, now: u64, limit: usize, record: &StoredRecord) -> EntryId {
        let stream = self.streams.entry(key.to_owned()).or_default();
        let fresh = EntryId { ms: now, seq: 0 };
        let mut id = if fresh > stream.last { fresh } else { EntryId { ms: stream.last.ms, seq: stream.last.seq + 1 } };
        // Whatever the clock says, no id is given a second time: the one condition that the guarantee makes.
        while record.knows(channel(key), judged(id)) {
            id.seq += 1;
        }
        let field = |wanted: &str| fields.iter().find(|(name, _)| name == wanted).map(|(_, value)| value);
        let data = field("data").expect("every entry has data");
        let (too_large, bare) = (data.len() > limit, field("prev").is_none());
        let data = String::from_utf8_lossy(data);
        let name = payload::name_of(&data).expect("what publishers made").to_owned();
        let entry = Entry { too_large, bare, ..Entry::new(judged(id), name) };
        record.append(channel(key), entry, now);
        stream.last = id;
        stream.added += 1;
        stream.entries.push((id, fields));
        id
    }

    /// Keeps the newest entries.
    pub(crate) fn trim(&mut self, key: &str, keep: usize, record: &StoredRecord) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        stream.show(key, record);
        stream.entries.drain(..stream.entries.len().saturating_sub(keep));
        stream.show(key, record);
    }

    /// The publisher takes one entry back.
    pub(crate) fn retract(&mut self, key: &str, index: usize, record: &StoredRecord) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        if index < stream.entries.len() {
            let (id, _) = stream.entries.remove(index);
            record.retract(channel(key), judged(id));
        }
    }

    /// The stream ends, if there is one.
    pub(crate) fn remove(&mut self, key: &str, end: IncarnationEnd, record: &StoredRecord) {
        let Some(stream) = self.streams.remove(key) else { return };
        stream.show(key, record);
        record.end(channel(key), end);
    }

    /// What has expired goes.
    pub(crate) fn expire(&mut self, now: u64, record: &StoredRecord) {
        let over = |expires: &Option<u64>| expires.is_some_and(|at| at <= now);
        let keys: Vec<_> =
            self.streams.iter().filter(|(_, stream)| over(&stream.expires)).map(|(key, _)| key.clone()).collect();
        keys.iter().for_each(|key| self.remove(key, IncarnationEnd::Expired, record));
        self.strings.retain(|_, (_, expires)| !over(expires));
        self.hashes.expire(now);
    }
}
