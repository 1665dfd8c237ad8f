//! The archive: Redis Streams, read from the same primary as the feed.

mod denied_keys;
mod epoch_key;
mod epoch_name;
mod functions;
mod lives;
mod now;
pub(crate) mod reply;
mod sizes;
mod streams;
mod tips;
mod turns;

use std::pin::pin;
use std::sync::Arc;

use fanfare_log::{Archive, ArchiveError, Newest, NewestRead, ReadRequest, Snapshot, Tip};
use fanfare_protocol::limits::{ENTRIES_ASKED_UNKNOWN_MAX, REVOCATION_BYTES_MAX};
use fanfare_protocol::{EntryId, LogName, Position};
use tokio::time::Instant;

use crate::error::Error;
use crate::status::Status;
use reply::RawEntry;
use sizes::{Ask, Sizes};
pub(crate) use streams::Streams;
use streams::{End, Heads, Observation};
use tips::{TipBytes, TipsRequest};
use turns::Turns;

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
    turns: Turns,
    max_event_bytes: usize,
    tip_bytes: TipBytes,
}

impl RedisArchive {
    pub(crate) fn new(streams: Streams, status: Status, max_event_bytes: usize) -> Self {
        Self(Arc::new(Inner {
            streams,
            status,
            sizes: Sizes::default(),
            turns: Turns::default(),
            max_event_bytes,
            tip_bytes: TipBytes::default(),
        }))
    }
}

impl Inner {
    async fn read(&self, request: ReadRequest) -> Result<Snapshot, ArchiveError> {
        let (start, at) = match request.after {
            Position::At(id) => (id.to_string(), Some(id)),
            Position::Absent { .. } => ("-".to_owned(), None),
        };
        let place = at.unwrap_or(EntryId::ZERO);
        let ask = self.sizes.ask_from(&request.log, place, (request.max_entries, request.max_bytes), Instant::now());
        let seen = self.in_turn(&request.log, ask, pin!(self.observe(&request, &start, ask))).await;
        let seen = seen.map_err(|error| self.learn_lost_page(&request.log, place, ask, error))?;
        self.sizes.note_arrived(&request.log, place);
        let bytes = seen.entries.iter().map(RawEntry::bytes).sum();
        self.status.count_read(bytes);
        self.learn(&request.log, at, &seen);
        Ok(Snapshot {
            tip: seen.tip,
            first: seen.first,
            untouched: seen.untouched,
            complete: seen.complete,
            entries: seen
                .entries
                .iter()
                .map(|entry| {
                    let (decoded, foreign) = entry.decode(self.max_event_bytes(&request.log));
                    self.status.count_foreign(foreign);
                    decoded
                })
                .collect(),
        })
    }

    /// Largest data that is read of an entry, in bytes: of the gateway's own logs whatever is configured for channels.
    fn max_event_bytes(&self, log: &LogName) -> usize {
        if log.is_system() { self.max_event_bytes.max(REVOCATION_BYTES_MAX) } else { self.max_event_bytes }
    }

    /// Learns what a read of entries from `at` on tells about sizes.
    fn learn(&self, log: &LogName, at: Option<EntryId>, seen: &Observation) {
        let new = seen.entries.iter().filter(|entry| at != Some(entry.id)).map(RawEntry::size);
        let largest = new.clone().max().unwrap_or(0).max(seen.next_bytes);
        self.sizes.learn(log, (new.count(), largest, !seen.complete), Instant::now());
        self.learn_stream(log, seen);
    }

    /// Learns what any read tells of the whole stream and its ends.
    fn learn_stream(&self, log: &LogName, seen: &Observation) {
        self.sizes.learn_ends(log, seen.ends.0, seen.ends.1);
        if let Some(bytes) = seen.whole {
            self.sizes.learn_whole(log, bytes, Instant::now());
        }
    }

    /// Runs a read, in its turn if the answer may be large. Callers pin it: a future that is handed on by value is held twice.
    async fn in_turn<T>(&self, log: &LogName, ask: Ask, read: impl Future<Output = T>) -> T {
        if self.sizes.expects_much(log, ask) { self.turns.hold(read).await } else { read.await }
    }

    async fn observe(&self, request: &ReadRequest, start: &str, ask: Ask) -> Result<Observation, Error> {
        let log = &request.log;
        let by_function =
            async |bounds| self.streams.observe_bounded(log, start, bounds, self.max_event_bytes(log)).await;
        let count = match ask {
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

    /// Where the newest entries begin. Of a stream that holds no more than were asked for, the oldest entry tells that without a
    /// look at any other: `last=1000` of streams that are trimmed to 1,000 costs next to nothing.
    async fn newest(&self, log: &LogName, count: usize) -> Result<NewestRead, Error> {
        let mut looked_at = 0;
        if count > ENTRIES_ASKED_UNKNOWN_MAX {
            looked_at = self.look(log).await?;
            if let Some((held, newest)) = self.newest_of_all(log, count).await?
                && held <= count
            {
                return Ok(NewestRead { newest, bytes: looked_at });
            }
        }
        let read = self.walk_back(log, count).await?;
        Ok(NewestRead { bytes: looked_at + read.bytes, ..read })
    }

    /// How many entries a stream holds, and where a reader begins who gets them all. `None`: its ends are large, or Redis' memory is
    /// full, and only a function may look.
    async fn newest_of_all(&self, log: &LogName, count: usize) -> Result<Option<(usize, Newest)>, Error> {
        if self.sizes.large_ends(log).is_some() {
            return Ok(None);
        }
        let end = match self.streams.ends(std::slice::from_ref(log)).await {
            Ok(mut ends) => ends.pop().transpose()?,
            Err(error) if error.is_full_memory() => None,
            Err(error) if error.may_be_size() => {
                // Of its pages it tells nothing: they are another answer.
                self.sizes.suspect_ends(log);
                return Err(error);
            }
            Err(error) => return Err(error),
        };
        Ok(end.and_then(|End { tip, first, length, .. }| {
            let oldest = first.map(|first| (first.id, first.prev));
            Some((length?, Newest::decide(count, oldest.as_slice(), tip)))
        }))
    }

    /// Looks at a single entry of a stream whose size is not known, without its data: a function tells the size of the whole stream
    /// and of its ends with it, and nothing else is learnt from one entry. A small stream is read at a fraction of the cost from then
    /// on. Returns the bytes that came. An answer that does not arrive teaches nothing: this one is small whatever the stream holds.
    async fn look(&self, log: &LogName) -> Result<usize, Error> {
        if self.sizes.large_ends(log).is_some() || self.sizes.knows_whole(log, Instant::now()) {
            return Ok(0);
        }
        let Some(seen) = self.streams.observe_bounded(log, "-", (1, 1), 0).await? else { return Ok(0) };
        let bytes = seen.entries.iter().map(RawEntry::bytes).sum();
        self.status.count_read(bytes);
        self.learn_stream(log, &seen);
        Ok(bytes)
    }

    /// Walks back from the end in pages of bounded size until it has seen one entry more than was asked for.
    async fn walk_back(&self, log: &LogName, count: usize) -> Result<NewestRead, Error> {
        let (mut newest_first, mut bytes) = (Vec::new(), 0);
        let mut before = "+".to_owned();
        loop {
            let missing = (count + 1).saturating_sub(newest_first.len());
            let ask = self.sizes.ask(log, missing, NEWEST_BYTES, Instant::now());
            let seen = self.in_turn(log, ask, pin!(self.heads(log, &before, ask))).await;
            let seen = seen.inspect_err(|error| self.learn_failure(log, error))?;
            let sizes = seen.entries.iter().map(|(_, _, bytes)| *bytes);
            let largest = sizes.clone().max().unwrap_or(0).max(seen.next_bytes);
            self.sizes.learn(log, (seen.entries.len(), largest, !seen.complete), Instant::now());
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

    async fn heads(&self, log: &LogName, before: &str, ask: Ask) -> Result<Heads, Error> {
        let by_function = async |bounds| {
            let seen = self.streams.heads_bounded(log, before, bounds).await?;
            seen.iter().for_each(|_| self.status.count_read(0));
            Ok::<_, Error>(seen)
        };
        let count = match ask {
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

    /// The same of a page. Says whether it was of a single entry.
    fn learn_lost_page(&self, log: &LogName, start: EntryId, ask: Ask, error: Error) -> ArchiveError {
        if !error.may_be_size() {
            return error.into();
        }
        self.sizes.shrink_from(log, start, Instant::now());
        if ask.is_single() { ArchiveError::SingleEntry(error.to_string()) } else { error.into() }
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
        self.0.read(request).await
    }

    async fn newest(&self, log: LogName, count: usize) -> Result<NewestRead, ArchiveError> {
        Ok(self.0.newest(&log, count).await?)
    }
}
