//! The archive: Redis Streams, read from the same primary as the feed.

pub(crate) mod reply;
mod sizes;
mod streams;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fanfare_log::{Archive, ArchiveError, Newest, NewestRead, Random, ReadRequest, Snapshot, Tip};
use fanfare_protocol::limits::TIPS_PER_REQUEST_MAX;
use fanfare_protocol::{LogName, Position, decode_fields};

use crate::error::Error;
use crate::keys::Keys;
use crate::pool::Pool;
use crate::status::Status;
use sizes::Sizes;
use streams::{Ends, Observation, Range, Streams};

/// Target for the size of a reply that tells the ends of several streams, in bytes: `XINFO STREAM` brings the first and the last entry along.
const TIPS_BYTES: usize = 1024 * 1024;

/// What one stream is expected to add to it before anything was seen, in bytes.
const TIP_BYTES_FIRST: usize = 16 * 1024;

/// Bytes of a page of [`Archive::newest`], which needs only ids but is told whole entries.
const NEWEST_BYTES: usize = 1024 * 1024;

/// Reads Redis Streams. Cloning shares connections and knowledge.
#[derive(Debug, Clone)]
pub struct RedisArchive(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    streams: Streams,
    status: Status,
    sizes: Sizes,
    max_event_bytes: usize,
    /// Mean size of one stream's part in the last reply to [`Archive::tips`], in bytes.
    tip_bytes: AtomicUsize,
}

impl RedisArchive {
    pub(crate) fn new(pool: Pool, keys: Keys, status: Status, max_event_bytes: usize, random: Random) -> Self {
        Self(Arc::new(Inner {
            streams: Streams { pool, keys, status: status.clone(), random },
            status,
            sizes: Sizes::default(),
            max_event_bytes,
            tip_bytes: AtomicUsize::new(TIP_BYTES_FIRST),
        }))
    }
}

impl Inner {
    async fn tips(&self, channels: &[LogName]) -> Result<Vec<Result<Tip, ArchiveError>>, Error> {
        let mut tips = Vec::with_capacity(channels.len());
        let mut rest = channels;
        while !rest.is_empty() {
            let fit = TIPS_BYTES / self.tip_bytes.load(Ordering::Relaxed).max(1);
            let (batch, later) = rest.split_at(fit.clamp(1, TIPS_PER_REQUEST_MAX).min(rest.len()));
            match self.ends(batch).await {
                Ok(ends) => {
                    let bytes: usize = ends.bytes;
                    // 128 stands for what a stream without entries adds, and keeps the batch bounded.
                    self.tip_bytes.store(128 + bytes / batch.len(), Ordering::Relaxed);
                    tips.extend(ends.tips.into_iter().map(|tip| tip.map_err(ArchiveError::from)));
                }
                // One forbidden key fails the whole transaction: ask for each alone.
                Err(Error::Denied(_)) if batch.len() > 1 => {
                    for channel in batch {
                        tips.push(self.tip(channel).await);
                    }
                }
                Err(Error::Denied(text)) => tips.push(Err(ArchiveError::Denied(text))),
                Err(error) => return Err(error),
            }
            rest = later;
        }
        Ok(tips)
    }

    async fn tip(&self, channel: &LogName) -> Result<Tip, ArchiveError> {
        let ends = self.ends(std::slice::from_ref(channel)).await?;
        ends.tips.into_iter().next().unwrap_or(Err(Error::Shape("EXEC"))).map_err(ArchiveError::from)
    }

    /// Where streams end; what their newest entries tell about sizes is learnt.
    async fn ends(&self, channels: &[LogName]) -> Result<Ends, Error> {
        let ends = self.streams.ends(channels).await?;
        for (channel, bytes) in channels.iter().zip(&ends.newest_bytes) {
            if let Some(bytes) = bytes {
                self.sizes.learn_newest(channel, *bytes);
            }
        }
        Ok(ends)
    }

    async fn read(&self, request: ReadRequest) -> Result<Snapshot, Error> {
        let log = &request.log;
        let count = self.sizes.count(log, request.max_entries, request.max_bytes);
        // The entry at the position itself comes on top: it is the proof, not the answer.
        let (start, count) = match request.after {
            Position::At(id) => (id.to_string(), count + 1),
            Position::Absent { .. } => ("-".to_owned(), count),
        };
        let seen = self.streams.observe(log, Range::From { start: &start, count }).await?;
        self.learn(log, &seen);
        let reached_tip = match (seen.tip.position, seen.entries.last()) {
            (Position::At(tip), Some(last)) => last.id >= tip,
            _ => true,
        };
        Ok(Snapshot {
            tip: seen.tip,
            first: seen.first,
            untouched: seen.untouched,
            complete: seen.entries.len() < count || reached_tip,
            entries: seen
                .entries
                .into_iter()
                .map(|entry| {
                    let (decoded, foreign) = decode_fields(entry.id, &entry.fields, self.max_event_bytes);
                    self.status.count_foreign(foreign);
                    decoded
                })
                .collect(),
        })
    }

    /// Walks back from the end in pages of bounded size until it has seen one entry more than was asked for.
    async fn newest(&self, log: &LogName, count: usize) -> Result<NewestRead, Error> {
        let (mut newest_first, mut bytes) = (Vec::new(), 0);
        let mut before = "+".to_owned();
        loop {
            let missing = (count + 1).saturating_sub(newest_first.len());
            let page = self.sizes.count(log, missing, NEWEST_BYTES);
            let seen = self.streams.observe(log, Range::Before { end: &before, count: page }).await?;
            self.learn(log, &seen);
            let full = seen.entries.len() == page;
            bytes += seen.entries.iter().map(reply::RawEntry::bytes).sum::<usize>();
            newest_first.extend(seen.entries.iter().map(|entry| (entry.id, entry.prev())));
            match newest_first.last() {
                Some((oldest, _)) if full && newest_first.len() <= count => before = format!("({oldest}"),
                _ => {
                    newest_first.reverse();
                    return Ok(NewestRead { newest: Newest::decide(count, &newest_first, seen.tip), bytes });
                }
            }
        }
    }

    fn learn(&self, channel: &LogName, seen: &Observation) {
        let bytes = seen.entries.iter().map(reply::RawEntry::bytes).sum();
        self.sizes.learn(channel, seen.entries.len(), bytes);
        self.status.count_read(bytes);
    }
}

impl Archive for RedisArchive {
    async fn tips(&self, logs: Vec<LogName>) -> Result<Vec<Result<Tip, ArchiveError>>, ArchiveError> {
        Ok(self.0.tips(&logs).await?)
    }

    async fn read(&self, request: ReadRequest) -> Result<Snapshot, ArchiveError> {
        Ok(self.0.read(request).await?)
    }

    async fn newest(&self, log: LogName, count: usize) -> Result<NewestRead, ArchiveError> {
        Ok(self.0.newest(&log, count).await?)
    }
}
