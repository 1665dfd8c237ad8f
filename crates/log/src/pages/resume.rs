//! Where a reader goes on that was told of a gap.

use fanfare_protocol::{EntryId, Position};

use crate::archive::Snapshot;
use crate::proof::{self, id_of, prev_of};

/// A position right before what a snapshot shows after `position`, for a reader that was told of a gap.
#[must_use]
pub fn resume_before(snapshot: &Snapshot, position: Position) -> Position {
    resume_exactly(snapshot, position).0
}

/// The same, and whether the position is exact: one that the store had.
pub(crate) fn resume_exactly(snapshot: &Snapshot, position: Position) -> (Position, bool) {
    let next = snapshot.entries.iter().find(|entry| !matches!(position, Position::At(id) if id_of(entry) <= id));
    match next {
        Some(entry) => {
            let created = Position::Absent { at_ms: id_of(entry).ms, epoch: snapshot.tip.epoch };
            (before(id_of(entry), prev_of(entry), created), prev_of(entry).is_some())
        }
        None => (snapshot.tip.position, true),
    }
}

/// The position before an entry: exact when its publisher recorded the predecessor.
pub(super) fn before(id: EntryId, prev: Option<EntryId>, created: Position) -> Position {
    match prev {
        Some(EntryId::ZERO) => created,
        Some(prev) => Position::At(prev),
        None => Position::At(proof::predecessor(id)),
    }
}
