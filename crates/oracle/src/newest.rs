//! Whether a client that asks for the newest entries (`last=N`) gets as many as there are.

use crate::entry_id::EntryId;
use crate::history::History;
use crate::place::Place;

/// An entry at or before the beginning of a client that asked for the newest `wanted` entries and gets fewer, although the
/// stream had that entry all the time from when it asked until it got the first. `None` if the client gets all that there were.
pub(crate) fn withheld(history: &History, begins: Place, wanted: u64, asked_ms: u64, now_ms: u64) -> Option<EntryId> {
    let incarnation = history.incarnation(begins.incarnation)?;
    let given = incarnation.entries.iter().filter(|entry| entry.id > begins.id && entry.id.ms <= now_ms).count() as u64;
    // A publish without an answer may have been among them.
    if given + history.doubts() as u64 >= wanted {
        return None;
    }
    let kept = incarnation.entries.iter().rev().find(|entry| entry.id <= begins.id && !entry.retracted)?;
    incarnation.had_since(kept.id, asked_ms, now_ms).then_some(kept.id)
}
