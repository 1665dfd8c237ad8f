//! The words for what a gap was worth. Which of them fits is decided in `told_gap`.

/// Why a gap was announced, as the history tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ruling {
    /// Entries that were skipped had been trimmed.
    EntriesTrimmed,
    /// The stream was deleted, flushed or came back without its end: what the client had read, or would have read next.
    StreamReplaced,
    /// The stream had expired before the client had read it to its end.
    ExpiredUnread,
    /// The entry is over the size limit.
    EntryTooLarge,
    /// The client was further behind than the operator allows (`delivery.max_behind`).
    TooFarBehind,
    /// The node could not read what it skipped, as it says; the stream had it.
    EntriesUnavailable,
    /// The client was away from before everything that the harness remembers.
    OlderThanRecord,
    /// The client had connected without its place.
    PlaceUnknown,
    /// The client had been given no place yet, so that nothing had been promised.
    NothingPromised,
    /// False: the client's own entry is no longer in the stream and the next one names another predecessor or none.
    FalseUnprovable,
    /// False: the client waited for the first entry of a stream.
    FalseFirstEntry,
    /// False: the same, for less time than the operator has promised every stream of the channel to live, so that it could be proven.
    FalseWithinMinLife,
    /// False: the stream had expired, and the client had read it to its end.
    FalseExpiredRead,
    /// False: the stream lost something lately, but nothing that concerns this client.
    FalseOthersLost,
    /// False: more was skipped than the stream had lost.
    FalseTooWide,
    /// False: skipped as further behind than the operator allows, which it was not.
    FalseNotBehind,
    /// False, and nothing in the history explains it.
    FalseUnexplained,
}

impl Ruling {
    /// Every ruling, the justified ones first.
    pub const ALL: [Self; 17] = [
        Self::EntriesTrimmed,
        Self::StreamReplaced,
        Self::ExpiredUnread,
        Self::EntryTooLarge,
        Self::TooFarBehind,
        Self::EntriesUnavailable,
        Self::OlderThanRecord,
        Self::PlaceUnknown,
        Self::NothingPromised,
        Self::FalseUnprovable,
        Self::FalseFirstEntry,
        Self::FalseWithinMinLife,
        Self::FalseExpiredRead,
        Self::FalseOthersLost,
        Self::FalseTooWide,
        Self::FalseNotBehind,
        Self::FalseUnexplained,
    ];

    /// Whether something was withheld, so that the gap had to be told.
    pub fn is_justified(self) -> bool {
        self < Self::FalseUnprovable
    }

    /// The reason, in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::EntriesTrimmed => "entries had been trimmed before the client came to them",
            Self::StreamReplaced => "the stream was deleted, flushed or lost its end",
            Self::ExpiredUnread => "the stream had expired before the client had read it to its end",
            Self::EntryTooLarge => "an entry over the size limit",
            Self::TooFarBehind => "further behind than the operator allows",
            Self::EntriesUnavailable => "the node could not read what it skipped",
            Self::OlderThanRecord => "away since before all that the harness remembers",
            Self::PlaceUnknown => "the client had connected without its place",
            Self::NothingPromised => "the client had been given no place yet",
            Self::FalseUnprovable => "false: the client's own entry is gone and its successor does not name it",
            Self::FalseFirstEntry => "false: the client waited for the first entry of a stream",
            Self::FalseWithinMinLife => {
                "false: the client waited for the first entry of a stream for less time than every stream is promised to live"
            }
            Self::FalseExpiredRead => "false: the stream had expired, and the client had read it to its end",
            Self::FalseOthersLost => "false: the stream lost something lately, but nothing that concerns this client",
            Self::FalseTooWide => "false: more was skipped than the stream had lost",
            Self::FalseNotBehind => "false: skipped as further behind than the operator allows, which it was not",
            Self::FalseUnexplained => "false, and nothing in the history explains it",
        }
    }
}
