//! The archive: the part of a channel's log that is not in memory, behind a trait.

use std::future::Future;

use fanfare_protocol::{Decoded, EntryId, Epoch, LogName, Position};

use crate::min_life::MinLife;

/// Where a stream ends, and when that was true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tip {
    /// The stream's `last-generated-id`, or `Absent` when there is no stream.
    pub position: Position,
    /// The store's clock when this was read, in milliseconds since the Unix epoch (Redis `TIME`).
    pub now_ms: u64,
    /// The store's incarnation (see [`Epoch`]).
    pub epoch: Epoch,
    /// Whether the store may evict keys under memory pressure, in which case absence proves nothing.
    pub evicts: bool,
    /// How long streams of this log live at least after their last entry.
    pub min_life: MinLife,
}

/// The oldest entry that a stream still holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirstEntry {
    /// Its id.
    pub id: EntryId,
    /// The predecessor that its publisher recorded, if any.
    pub prev: Option<EntryId>,
}

/// What one atomic read saw: the raw material of every continuity proof (see [`crate::proof`]).
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Where the stream ended.
    pub tip: Tip,
    /// The oldest entry held, if any.
    pub first: Option<FirstEntry>,
    /// Nothing was ever removed from this incarnation of the stream (Redis 7: `entries-added` equals `length`).
    /// `false` when unknown.
    pub untouched: bool,
    /// Entries after the requested position, ascending. For an `Absent` position: from the beginning. The entry at the very
    /// position comes first while it exists: it proves that nothing is missing after it. It may be left out where it is not
    /// needed for that: where the next entry names it as its predecessor, and at the stream's end.
    pub entries: Vec<Decoded>,
    /// The range reached the end of the stream.
    pub complete: bool,
}

impl Snapshot {
    /// Bytes of data in its entries.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let size = |entry: &Decoded| match entry {
            Decoded::Entry(entry) => entry.event.data.len(),
            Decoded::TooLarge { .. } => 0,
        };
        self.entries.iter().map(size).sum()
    }
}

/// A request for one page.
#[derive(Debug, Clone)]
pub struct ReadRequest {
    /// Which log.
    pub log: LogName,
    /// After what; see [`Snapshot::entries`] for the entry at this very position.
    pub after: Position,
    /// At most so many entries, the one at `after` not counted.
    pub max_entries: usize,
    /// Most bytes of all entries together, but for the last one; a target where the store cannot stop by size. Whatever the
    /// sizes, at least one entry after `after` is part of the answer if there is one.
    pub max_bytes: usize,
}

/// Where a cursor that asked for the newest `count` entries starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Newest {
    /// The stream holds nothing: start at its tip.
    Nothing(Position),
    /// Right after this exact position.
    After(Position),
    /// At this entry, whose predecessor is not recorded.
    From(EntryId),
}

impl Newest {
    /// Decides from the ids of the newest `count + 1` entries, given **ascending** as `(id, prev)`.
    #[must_use]
    pub fn decide(count: usize, entries: &[(EntryId, Option<EntryId>)], tip: Tip) -> Self {
        let Some(&(first, prev)) = entries.first() else { return Self::Nothing(tip.position) };
        if count == 0 {
            return Self::Nothing(tip.position);
        }
        if entries.len() > count {
            return Self::After(Position::At(entries[entries.len() - 1 - count].0));
        }
        match prev {
            Some(EntryId::ZERO) if !tip.evicts => Self::After(Position::Absent { at_ms: first.ms, epoch: tip.epoch }),
            Some(prev) if prev != EntryId::ZERO => Self::After(Position::At(prev)),
            _ => Self::From(first),
        }
    }
}

/// An answer to [`Archive::newest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewestRead {
    /// Where the newest entries begin.
    pub newest: Newest,
    /// Bytes that were read to find that out.
    pub bytes: usize,
}

/// Why the archive could not answer. Every variant is retried by the ingest; none loses a reader's place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveError {
    /// No connection, or it broke.
    #[error("the archive is unavailable: {0}")]
    Unavailable(String),
    /// No answer within the deadline.
    #[error("the archive did not answer in time")]
    Timeout,
    /// The same, or an answer that broke off, although no more than one entry was asked for: there is nothing smaller to ask for.
    #[error("the archive did not deliver a single entry: {0}")]
    SingleEntry(String),
    /// The store refuses (ACL).
    #[error("the archive refuses: {0}")]
    Denied(String),
    /// The channel's key holds something else than a stream.
    #[error("the channel's key holds another type than a stream")]
    WrongType,
    /// The answer did not have the documented shape.
    #[error("the archive's answer is malformed: {0}")]
    Corrupt(String),
}

/// Reads of the cold part of every log. One implementation speaks to Redis, one is in-process.
pub trait Archive: Clone + Send + Sync + 'static {
    /// Where each of these streams ends now, in the same order. One pipelined round trip.
    ///
    /// # Errors
    /// The outer error concerns all of them, an inner one a single channel.
    fn tips(
        &self,
        logs: Vec<LogName>,
    ) -> impl Future<Output = Result<Vec<Result<Tip, ArchiveError>>, ArchiveError>> + Send;

    /// One page, read atomically together with what proves its continuity.
    ///
    /// # Errors
    /// See [`ArchiveError`]. A page that does not arrive is asked for again: the implementation sees to it that it is smaller then, down
    /// to one entry.
    fn read(&self, request: ReadRequest) -> impl Future<Output = Result<Snapshot, ArchiveError>> + Send;

    /// Where a cursor for the newest `count` entries starts.
    ///
    /// # Errors
    /// See [`ArchiveError`].
    fn newest(&self, log: LogName, count: usize) -> impl Future<Output = Result<NewestRead, ArchiveError>> + Send;
}
