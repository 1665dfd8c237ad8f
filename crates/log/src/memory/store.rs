//! The data of the in-process store: streams, dedup keys, the epoch. Pure: the time is handed in.

use std::collections::{HashMap, VecDeque};

use fanfare_protocol::{Entry, EntryId, Epoch, Event, LogName, Position, limits};

use super::stream::{Range, Stream};
use crate::archive::{Newest, NewestRead, ReadRequest, Snapshot, Tip};
use crate::min_life::MinLife;
use crate::min_lives::{BrokenBy, Ending, MinLives};
use crate::publish::{PublishError, PublishRequest, Published};

/// Maximum bytes of one stream, whatever its MAXLEN: everything is in memory here.
const STREAM_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Streams without requests are checked for expiry this often.
const SWEEP_MS: u64 = 1_000;
/// Maximum number of streams.
const STREAMS_MAX: usize = 100_000;

/// Everything that a dump of the store would hold.
#[derive(Debug, Clone)]
pub(super) struct Store {
    streams: HashMap<LogName, Stream>,
    dedup: HashMap<(LogName, String), EntryId>,
    dedup_order: VecDeque<(u64, (LogName, String))>,
    epoch: Epoch,
    swept_ms: u64,
}

impl Store {
    pub(super) fn new(epoch: Epoch) -> Self {
        Self { streams: HashMap::new(), dedup: HashMap::new(), dedup_order: VecDeque::new(), epoch, swept_ms: 0 }
    }

    /// Removes a channel's stream if it has expired, and once in a while everything that has. Call it before every
    /// operation.
    pub(super) fn expire(&mut self, channel: &LogName, now_ms: u64) {
        if self.streams.get(channel).is_some_and(|stream| stream.is_expired(now_ms)) {
            self.streams.remove(channel);
        }
        if now_ms.abs_diff(self.swept_ms) >= SWEEP_MS {
            self.swept_ms = now_ms;
            self.streams.retain(|_, stream| !stream.is_expired(now_ms));
        }
        while let Some((until, _)) = self.dedup_order.front()
            && *until <= now_ms
            && let Some((_, key)) = self.dedup_order.pop_front()
        {
            self.dedup.remove(&key);
        }
    }

    /// What the publishing function does: dedup, `XADD` with `prev`, trim, expiry. Returns the entry to push, or the answer
    /// to a repeated dedup key.
    pub(super) fn publish(
        &mut self,
        request: &PublishRequest,
        now_ms: u64,
    ) -> Result<Result<Entry, Published>, PublishError> {
        let max_len = request.max_len.unwrap_or(limits::STREAM_MAXLEN_DEFAULT);
        if max_len == 0 {
            return Err(PublishError::Rejected("MAXLEN must be at least 1".into()));
        }
        let log = &LogName::from(&request.channel);
        let dedup = request.dedup.clone().map(|key| (log.clone(), key));
        if let Some((_, key)) = &dedup
            && (key.is_empty() || key.len() > limits::DEDUP_KEY_BYTES_MAX)
        {
            return Err(PublishError::Rejected(format!("a dedup key has 1 to {} bytes", limits::DEDUP_KEY_BYTES_MAX)));
        }
        if let Some(&id) = dedup.as_ref().and_then(|key| self.dedup.get(key)) {
            return Ok(Err(Published { id, duplicate: true }));
        }
        if self.streams.len() >= STREAMS_MAX && !self.streams.contains_key(log) {
            return Err(PublishError::Denied(format!("this store holds at most {STREAMS_MAX} streams")));
        }
        let prev = self.streams.get(log).map_or(EntryId::ZERO, Stream::last);
        let entry = self.append(log, Some(prev), request.event.clone(), now_ms);
        if let Some(stream) = self.streams.get_mut(log) {
            stream.trim(usize::try_from(max_len).unwrap_or(usize::MAX), STREAM_BYTES_MAX);
            // A TTL only ever extends, so what lives for ever goes on doing so; without one the key is persistent again.
            let is_permanent = prev != EntryId::ZERO && stream.expires_at.is_none();
            stream.expires_at = request.ttl.filter(|ttl| !is_permanent || ttl.ends_permanence).map(|ttl| {
                let ttl = u64::try_from(ttl.lasts.max(limits::STREAM_TTL_MIN).as_millis()).unwrap_or(u64::MAX);
                let until = now_ms.saturating_add(ttl);
                stream.expires_at.map_or(until, |at| at.max(until))
            });
        }
        if let Some(key) = dedup {
            let until = now_ms + u64::try_from(limits::DEDUP_WINDOW_DEFAULT.as_millis()).unwrap_or(u64::MAX);
            self.dedup.insert(key.clone(), entry.id);
            self.dedup_order.push_back((until, key));
        }
        Ok(Ok(entry))
    }

    /// `XADD` with an automatic id, which creates the key if need be.
    pub(super) fn append(&mut self, channel: &LogName, prev: Option<EntryId>, event: Event, now_ms: u64) -> Entry {
        let stream = self.streams.entry(channel.clone()).or_default();
        let entry = Entry { id: stream.next_id(now_ms), prev, event };
        stream.add(entry.clone());
        entry
    }

    /// `XTRIM` by time (`MINID`): drops entries that are older.
    pub(super) fn forget_before(&mut self, log: &LogName, ms: u64) {
        if let Some(stream) = self.streams.get_mut(log) {
            stream.forget_before(ms);
        }
    }

    #[cfg(feature = "testing")]
    pub(super) fn stream_mut(&mut self, channel: &LogName) -> Option<&mut Stream> {
        self.streams.get_mut(channel)
    }

    pub(super) fn stream(&self, channel: &LogName) -> Option<&Stream> {
        self.streams.get(channel)
    }

    #[cfg(feature = "testing")]
    pub(super) fn delete(&mut self, channel: &LogName) -> bool {
        self.streams.remove(channel).is_some()
    }

    pub(super) fn tip(&self, channel: &LogName, evicts: bool, now_ms: u64) -> Tip {
        let position = match self.streams.get(channel) {
            Some(stream) => Position::At(stream.last()),
            None => Position::Absent { at_ms: now_ms, epoch: self.epoch },
        };
        Tip { position, now_ms, epoch: self.epoch, evicts, min_life: MinLife::LEAST }
    }

    /// The same with what is promised of the stream's life, after a look at how long it has to live.
    pub(super) fn with_min_life(&self, tip: Tip, channel: &LogName, min_lives: &MinLives) -> Tip {
        if let (Position::At(last), Some(Some(end_ms))) =
            (tip.position, self.streams.get(channel).map(|stream| stream.expires_at))
        {
            let ending = Ending { last_ms: last.ms, end_ms, seen_ms: tip.now_ms, by: BrokenBy::Expiry };
            min_lives.note(channel, ending);
        }
        Tip { min_life: min_lives.of(channel), ..tip }
    }

    pub(super) fn snapshot(&self, request: &ReadRequest, max_event: usize, evicts: bool, now_ms: u64) -> Snapshot {
        let tip = self.tip(&request.log, evicts, now_ms);
        let stream = self.streams.get(&request.log);
        let from = match request.after {
            Position::At(id) => id,
            Position::Absent { .. } => EntryId::ZERO,
        };
        let range = stream.map_or(Range { entries: Vec::new(), complete: true }, |stream| {
            stream.range(from, request.max_entries.max(1), request.max_bytes, max_event)
        });
        Snapshot {
            tip,
            first: stream.and_then(Stream::first),
            untouched: stream.is_some_and(Stream::untouched),
            entries: range.entries,
            complete: range.complete,
        }
    }

    pub(super) fn newest(&self, channel: &LogName, count: usize, evicts: bool, now_ms: u64) -> NewestRead {
        let entries = self.streams.get(channel).into_iter().flat_map(Stream::entries);
        let newest: Vec<_> = entries.rev().take(count.saturating_add(1)).collect();
        let bytes = newest.iter().map(|entry| entry.event.data.len()).sum();
        let ids: Vec<_> = newest.into_iter().rev().map(|entry| (entry.id, entry.prev)).collect();
        NewestRead { newest: Newest::decide(count, &ids, self.tip(channel, evicts, now_ms)), bytes }
    }
}
