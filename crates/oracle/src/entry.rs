//! Entries as Redis acknowledged them.

use crate::entry_id::EntryId;
use crate::redis_clock::Moment;

/// One entry of a stream, and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub id: EntryId,
    /// What clients' events are recognised by, unique within the channel: the data, or a part of it.
    pub data: String,
    /// When it was stored. Where the clock of Redis never went back, its id tells.
    pub stored: Moment,
    /// It is known to have left the stream (trimmed), but not when: a client may miss it, told by a `$gap`.
    pub gone: bool,
    /// Retracted by its publisher (`XDEL`): a client may miss it without a word.
    pub retracted: bool,
    /// Over the limit: a client sees a `$gap` `too_large` in its place.
    pub too_large: bool,
    /// Written by a producer that does not name the entry's predecessor.
    pub bare: bool,
}

impl Entry {
    /// An entry that a client is expected to see.
    pub fn new(id: EntryId, data: impl Into<String>) -> Self {
        let stored = Moment { settings: 0, ms: id.ms };
        Self { id, data: data.into(), stored, gone: false, retracted: false, too_large: false, bare: false }
    }
}
