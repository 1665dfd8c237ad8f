//! Whether a client that asks for the newest entries (`last=N`) gets as many as there are.

use crate::fact::{Id, Place};
use crate::history::History;

/// An entry at or before the beginning of a client that asked for the newest `wanted` entries and gets fewer, although the
/// stream had that entry all the time from when it asked until it got the first. `None` if the client gets all that there were.
pub(crate) fn withheld(history: &History, begins: Place, wanted: u64, asked_ms: u64, now_ms: u64) -> Option<Id> {
    let life = history.life(begins.life)?;
    let given = life.facts.iter().filter(|fact| fact.key > begins.id && fact.key.0 <= now_ms).count() as u64;
    // A publish without an answer may have been among them.
    if given + history.doubts() as u64 >= wanted {
        return None;
    }
    let kept = life.facts.iter().rev().find(|fact| fact.key <= begins.id && !fact.retracted)?;
    life.had_since(kept.key, asked_ms, now_ms).then_some(kept.key)
}

/// The greatest id below another one.
pub(crate) fn predecessor(id: Id) -> Id {
    if id.1 > 0 { (id.0, id.1 - 1) } else { (id.0.saturating_sub(1), u64::MAX) }
}
