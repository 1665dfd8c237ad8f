//! The archive: Redis Streams, read from the same primary as the feed.

mod functions;
pub(crate) mod reply;
mod sizes;
mod streams;
mod tips;

use std::sync::Arc;

use fanfare_log::{Archive, ArchiveError, Newest, NewestRead, ReadRequest, Snapshot, Tip};
use fanfare_protocol::{LogName, Position};
use tokio::time::Instant;

use crate::error::Error;
use crate::status::Status;
use reply::RawEntry;
use sizes::{Ask, Sizes};
pub(crate) use streams::Streams;
use streams::{Heads, Observation};
use tips::{TipBytes, TipsRequest};

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
    tip_bytes: TipBytes,
}

impl RedisArchive {
    pub(crate) fn new(streams: Streams, status: Status, max_event_bytes: usize) -> Self {
        Self(Arc::new(Inner {
            streams,
            status,
            sizes: Sizes::default(),
            max_event_bytes,
            tip_bytes: TipBytes::default(),
        }))
    }
}

impl Inner {
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

impl Archive for RedisArchive {
    async fn tips(&self, logs: Vec<LogName>) -> Result<Vec<Result<Tip, ArchiveError>>, ArchiveError> {
        let Inner { streams, sizes, tip_bytes, .. } = &*self.0;
        Ok(TipsRequest::new(streams, sizes, tip_bytes).ask(logs).await?)
    }

    async fn read(&self, request: ReadRequest) -> Result<Snapshot, ArchiveError> {
        Ok(self.0.read(request).await?)
    }

    async fn newest(&self, log: LogName, count: usize) -> Result<NewestRead, ArchiveError> {
        Ok(self.0.newest(&log, count).await?)
    }
}
