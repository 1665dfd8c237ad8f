//! The archive: Redis Streams, read from the same primary as the feed.

mod functions;
pub(crate) mod reply;
mod sizes;
mod streams;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fanfare_log::{Archive, ArchiveError, Newest, NewestRead, Random, ReadRequest, Snapshot, Tip};
use fanfare_protocol::limits::{FUNCTION_BYTES_COPIED_MAX, TIPS_PER_REQUEST_MAX};
use fanfare_protocol::{LogName, Position};
use tokio::time::Instant;

use crate::error::Error;
use crate::keys::Keys;
use crate::pool::Pool;
use crate::status::Status;
use reply::RawEntry;
use sizes::{Ask, Sizes};
use streams::{End, Heads, Observation, Streams};

/// Target for the size of a reply that tells the ends of several streams, in bytes: `XINFO STREAM` brings the first and the last entry along.
const TIPS_BYTES: usize = 1024 * 1024;

/// What one stream is expected to add to it before anything was seen, in bytes.
const TIP_BYTES_FIRST: usize = 16 * 1024;

/// Bytes of a page of [`Archive::newest`]: of the reply, or of what a function looks at, which tells only ids.
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
    /// Mean size of one stream's part in the last transaction of [`Archive::tips`], in bytes.
    tip_bytes: AtomicUsize,
}

impl RedisArchive {
    pub(crate) fn new(pool: Pool, keys: Keys, status: Status, max_event_bytes: usize, random: Random) -> Self {
        Self(Arc::new(Inner {
            streams: Streams::new(pool, keys, status.clone(), random),
            status,
            sizes: Sizes::default(),
            max_event_bytes,
            tip_bytes: AtomicUsize::new(TIP_BYTES_FIRST),
        }))
    }
}

impl Inner {
    /// Streams whose ends are large entries go by a function that leaves those out; all others by one transaction.
    async fn tips(&self, channels: Vec<LogName>) -> Result<Vec<Result<Tip, ArchiveError>>, Error> {
        let is_large = |channel: &LogName| self.sizes.large_ends(channel);
        if channels.iter().all(|channel| is_large(channel).is_none()) {
            return self.plain_tips(&channels).await;
        }
        let (mut large, mut plain) = (Vec::new(), Vec::new());
        let order: Vec<bool> = channels
            .into_iter()
            .map(|channel| {
                let bytes = is_large(&channel);
                match bytes {
                    Some(bytes) => large.push((channel, bytes)),
                    None => plain.push(channel),
                }
                bytes.is_some()
            })
            .collect();
        let mut plain = self.plain_tips(&plain).await?.into_iter();
        let mut large = self.large_tips(&large).await?.into_iter();
        let missing = || Err(ArchiveError::from(Error::Shape("EXEC")));
        let next = |is_large| if is_large { large.next() } else { plain.next() };
        Ok(order.into_iter().map(next).map(|tip| tip.unwrap_or_else(missing)).collect())
    }

    async fn plain_tips(&self, channels: &[LogName]) -> Result<Vec<Result<Tip, ArchiveError>>, Error> {
        let mut tips = Vec::with_capacity(channels.len());
        let mut rest = channels;
        while !rest.is_empty() {
            let fit = TIPS_BYTES / self.tip_bytes.load(Ordering::Relaxed).max(1);
            let (batch, later) = rest.split_at(fit.clamp(1, TIPS_PER_REQUEST_MAX).min(rest.len()));
            let (batch_tips, bytes) = self.transaction_tips(batch).await?;
            if let Some(bytes) = bytes {
                // 128 stands for what a stream without entries adds, and keeps the batch bounded.
                self.tip_bytes.store(128 + bytes / batch.len(), Ordering::Relaxed);
            }
            tips.extend(batch_tips);
            rest = later;
        }
        Ok(tips)
    }

    /// The tips of streams of which the sizes of the ends are known, as many at once as one call may look at.
    async fn large_tips(&self, channels: &[(LogName, usize)]) -> Result<Vec<Result<Tip, ArchiveError>>, Error> {
        let mut tips = Vec::with_capacity(channels.len());
        let mut rest = channels;
        while !rest.is_empty() {
            let (batch, later) = rest.split_at(fitting(rest, FUNCTION_BYTES_COPIED_MAX));
            let names: Vec<LogName> = batch.iter().map(|(channel, _)| channel.clone()).collect();
            if let Some(ends) = self.streams.ends_without_entries(&names).await? {
                tips.extend(self.learn_ends(&names, ends));
            } else {
                let mut rest = batch;
                while !rest.is_empty() {
                    let (batch, later) = rest.split_at(fitting(rest, TIPS_BYTES));
                    let names: Vec<LogName> = batch.iter().map(|(channel, _)| channel.clone()).collect();
                    tips.extend(self.transaction_tips(&names).await?.0);
                    rest = later;
                }
            }
            rest = later;
        }
        Ok(tips)
    }

    /// The tips of streams by one transaction, and the size of the entries that came along, if it was one.
    async fn transaction_tips(
        &self,
        channels: &[LogName],
    ) -> Result<(Vec<Result<Tip, ArchiveError>>, Option<usize>), Error> {
        match self.streams.ends(channels).await {
            Ok(ends) => {
                let sizes = ends.iter().flatten().map(|end| end.sizes.0 + end.sizes.1);
                let bytes = sizes.sum();
                Ok((self.learn_ends(channels, ends), Some(bytes)))
            }
            // One forbidden key fails the whole transaction: ask for each alone.
            Err(Error::Denied(_)) if channels.len() > 1 => {
                let mut tips = Vec::with_capacity(channels.len());
                for channel in channels {
                    tips.push(self.tip(channel).await);
                }
                Ok((tips, None))
            }
            Err(Error::Denied(text)) => Ok((vec![Err(ArchiveError::Denied(text))], None)),
            Err(error) if error.is_full_memory() => {
                let ends = self.streams.ends_without_entries(channels).await?.ok_or(error)?;
                Ok((self.learn_ends(channels, ends), None))
            }
            Err(error) => Err(error),
        }
    }

    async fn tip(&self, channel: &LogName) -> Result<Tip, ArchiveError> {
        let channels = std::slice::from_ref(channel);
        let ends = self.streams.ends(channels).await?;
        self.learn_ends(channels, ends).pop().unwrap_or(Err(Error::Shape("EXEC").into()))
    }

    /// What streams' ends tell about sizes is learnt.
    fn learn_ends(&self, channels: &[LogName], ends: Vec<Result<End, Error>>) -> Vec<Result<Tip, ArchiveError>> {
        let learnt = |(channel, end): (&LogName, Result<End, Error>)| {
            let End { tip, sizes: (oldest, newest) } = end?;
            self.sizes.learn_ends(channel, oldest, newest);
            Ok(tip)
        };
        channels.iter().zip(ends).map(learnt).collect()
    }

    async fn read(&self, request: ReadRequest) -> Result<Snapshot, Error> {
        let (start, at) = match request.after {
            Position::At(id) => (id.to_string(), Some(id)),
            Position::Absent { .. } => ("-".to_owned(), None),
        };
        let seen = self.observe(&request, &start).await;
        let seen = seen.inspect_err(|error| self.learn_failure(&request.log, error))?;
        let bytes = seen.entries.iter().map(RawEntry::bytes).sum();
        self.status.count_read(bytes);
        let new = seen.entries.iter().filter(|entry| at != Some(entry.id)).map(RawEntry::size);
        let now = Instant::now();
        self.sizes.learn(&request.log, new.clone().count(), new.max().unwrap_or(0), now);
        self.sizes.learn_ends(&request.log, seen.ends.0, seen.ends.1);
        if let Some(bytes) = seen.whole {
            self.sizes.learn_whole(&request.log, bytes, now);
        }
        Ok(Snapshot {
            tip: seen.tip,
            first: seen.first,
            untouched: seen.untouched,
            complete: seen.complete,
            entries: seen
                .entries
                .iter()
                .map(|entry| {
                    let (decoded, foreign) = entry.decode(self.max_event_bytes);
                    self.status.count_foreign(foreign);
                    decoded
                })
                .collect(),
        })
    }

    async fn observe(&self, request: &ReadRequest, start: &str) -> Result<Observation, Error> {
        let log = &request.log;
        let by_function = async |bounds| self.streams.observe_bounded(log, start, bounds, self.max_event_bytes).await;
        let count = match self.sizes.ask(log, request.max_entries, request.max_bytes, Instant::now()) {
            Ask::Plain { count } => count,
            Ask::Bounded { entries, bytes, count } => match by_function((entries, bytes)).await? {
                Some(seen) => return Ok(seen),
                None => count,
            },
        };
        // The entry at the position itself comes on top: it is the proof, not the answer.
        let on_top = usize::from(matches!(request.after, Position::At(_)));
        match self.streams.observe(log, start, count + on_top).await {
            Err(error) if error.is_full_memory() => by_function((count, request.max_bytes)).await?.ok_or(error),
            other => other,
        }
    }

    /// Walks back from the end in pages of bounded size until it has seen one entry more than was asked for.
    async fn newest(&self, log: &LogName, count: usize) -> Result<NewestRead, Error> {
        let (mut newest_first, mut bytes) = (Vec::new(), 0);
        let mut before = "+".to_owned();
        loop {
            let missing = (count + 1).saturating_sub(newest_first.len());
            let seen = self.heads(log, &before, missing).await;
            let seen = seen.inspect_err(|error| self.learn_failure(log, error))?;
            let sizes = seen.entries.iter().map(|(_, _, bytes)| *bytes);
            self.sizes.learn(log, seen.entries.len(), sizes.clone().max().unwrap_or(0), Instant::now());
            bytes += sizes.sum::<usize>();
            newest_first.extend(seen.entries.iter().map(|(id, prev, _)| (*id, *prev)));
            match newest_first.last() {
                Some((oldest, _)) if !seen.complete && newest_first.len() <= count => before = format!("({oldest}"),
                _ => {
                    newest_first.reverse();
                    return Ok(NewestRead { newest: Newest::decide(count, &newest_first, seen.tip), bytes });
                }
            }
        }
    }

    async fn heads(&self, log: &LogName, before: &str, missing: usize) -> Result<Heads, Error> {
        let by_function = async |bounds| {
            let seen = self.streams.heads_bounded(log, before, bounds).await?;
            seen.iter().for_each(|_| self.status.count_read(0));
            Ok::<_, Error>(seen)
        };
        let count = match self.sizes.ask(log, missing, NEWEST_BYTES, Instant::now()) {
            Ask::Plain { count } => count,
            Ask::Bounded { entries, bytes, count } => match by_function((entries, bytes)).await? {
                Some(seen) => return Ok(seen),
                None => count,
            },
        };
        let seen = match self.streams.heads(log, before, count).await {
            Err(error) if error.is_full_memory() => return by_function((count, NEWEST_BYTES)).await?.ok_or(error),
            other => other?,
        };
        self.status.count_read(seen.entries.iter().map(|(_, _, bytes)| bytes).sum());
        Ok(seen)
    }

    /// Only an answer that did not arrive tells that it was too large, and only of this channel.
    fn learn_failure(&self, log: &LogName, error: &Error) {
        if error.may_be_size() {
            self.sizes.shrink(log);
        }
    }
}

/// How many of these, at least one, stay within so many bytes.
fn fitting(channels: &[(LogName, usize)], max_bytes: usize) -> usize {
    let mut bytes = 0;
    let fits = |(_, size): &&(LogName, usize)| {
        bytes += size;
        bytes <= max_bytes
    };
    channels.iter().take(TIPS_PER_REQUEST_MAX).take_while(fits).count().max(1)
}

impl Archive for RedisArchive {
    async fn tips(&self, logs: Vec<LogName>) -> Result<Vec<Result<Tip, ArchiveError>>, ArchiveError> {
        Ok(self.0.tips(logs).await?)
    }

    async fn read(&self, request: ReadRequest) -> Result<Snapshot, ArchiveError> {
        Ok(self.0.read(request).await?)
    }

    async fn newest(&self, log: LogName, count: usize) -> Result<NewestRead, ArchiveError> {
        Ok(self.0.newest(&log, count).await?)
    }
}
