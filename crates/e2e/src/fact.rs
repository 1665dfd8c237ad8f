//! Entries as Redis acknowledged them, their ids, and places between them.

/// An entry id, comparable.
pub(crate) type Id = (u64, u64);

/// Reads `ms-seq`.
pub(crate) fn parse_id(id: &str) -> Option<Id> {
    let (ms, seq) = id.split_once('-')?;
    Some((ms.parse().ok()?, seq.parse().ok()?))
}

/// One entry of a stream, as Redis acknowledged it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// `ms-seq`.
    pub id: String,
    /// What clients' events are recognised by, unique within the channel: the data, or a part of it.
    pub data: String,
    /// It is no longer in the stream (trimmed): a client may miss it, told by a `$gap`.
    pub gone: bool,
    /// Retracted by its publisher (`XDEL`): a client may miss it without a word.
    pub retracted: bool,
    /// Over the limit: a client sees a `$gap` `too_large` in its place.
    pub too_large: bool,
    /// Written by a producer that does not name the entry's predecessor.
    pub bare: bool,
    pub(crate) key: Id,
}

impl Fact {
    /// An entry that a client is expected to see. Panics if `id` is none.
    pub(crate) fn new(id: &str, data: &str) -> Self {
        let key = parse_id(id).unwrap_or_else(|| panic!("Redis gave the id {id:?}"));
        let (id, data) = (id.to_owned(), data.to_owned());
        Self { id, data, gone: false, retracted: false, too_large: false, bare: false, key }
    }
}

/// A place of a reader: right behind this id in that life, whether or not there is an entry with this id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) life: usize,
    pub(crate) id: Id,
}
