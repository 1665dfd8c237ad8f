//! Proving that a position continues in a stream, and where a reader goes on for whom it does not.
//!
//! One function decides for every archive page, hole repair, reconcile and resume. When in doubt it says gap: a false
//! gap is a nuisance that is counted, a missed one is the worst bug that this project can have.

use fanfare_protocol::{Decoded, EntryId, GapReason, Position};

use crate::absence;
use crate::archive::Snapshot;

/// Whether a reader at some position can go on with what a snapshot shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The entries after the position are exactly what follows it.
    Continues,
    /// Something between the position and what follows cannot be delivered.
    Gap(GapReason),
}

/// The id of a decoded entry.
#[must_use]
pub fn id_of(entry: &Decoded) -> EntryId {
    match entry {
        Decoded::Entry(entry) => entry.id,
        Decoded::TooLarge { id, .. } => *id,
    }
}

/// The predecessor recorded in a decoded entry.
#[must_use]
pub fn prev_of(entry: &Decoded) -> Option<EntryId> {
    match entry {
        Decoded::Entry(entry) => entry.prev,
        Decoded::TooLarge { prev, .. } => *prev,
    }
}

/// Decides whether `position` continues in the stream that `snapshot` shows.
#[must_use]
pub fn prove(position: Position, snapshot: &Snapshot) -> Verdict {
    prove_where(position, snapshot, snapshot.tip.evicts)
}

/// As [`prove`]; `evicts` is `false` if the caller knows that no stream came and went unnoticed, even on a store that evicts.
pub(crate) fn prove_where(position: Position, snapshot: &Snapshot, evicts: bool) -> Verdict {
    match position {
        Position::At(id) => prove_entry(id, snapshot),
        Position::Absent { at_ms, epoch } => {
            if evicts || snapshot.tip.epoch != epoch {
                return Verdict::Gap(GapReason::Reset);
            }
            let min_life = snapshot.tip.min_life;
            match (snapshot.tip.position, snapshot.first) {
                (Position::Absent { at_ms: now, .. }, _) if absence::still(at_ms, now, min_life) => Verdict::Continues,
                (Position::Absent { .. }, _) => Verdict::Gap(GapReason::Reset),
                (Position::At(_), Some(first)) if created_the_key(first.prev, snapshot) => {
                    let continues = absence::is_first_after(at_ms, first.id, min_life);
                    if continues { Verdict::Continues } else { Verdict::Gap(GapReason::Reset) }
                }
                (Position::At(last), first) => {
                    let oldest = first.map_or(last, |first| first.id);
                    let reason = if absence::is_before(at_ms, oldest) { GapReason::Reset } else { GapReason::Trimmed };
                    Verdict::Gap(reason)
                }
            }
        }
    }
}

/// Whether the stream's oldest entry is the one that created its key: its publisher says so, or records nothing while the
/// store knows that nothing was ever removed.
pub(crate) fn created_the_key(prev: Option<EntryId>, snapshot: &Snapshot) -> bool {
    prev == Some(EntryId::ZERO) || (prev.is_none() && snapshot.untouched)
}

fn prove_entry(id: EntryId, snapshot: &Snapshot) -> Verdict {
    let Position::At(last_generated) = snapshot.tip.position else {
        return Verdict::Gap(GapReason::Reset);
    };
    if id > last_generated {
        return Verdict::Gap(GapReason::Reset);
    }
    if id == last_generated {
        return Verdict::Continues;
    }
    // `0-0` as a predecessor says that the key was created, which proves nothing about an earlier key.
    if let Some(next) = snapshot.entries.first()
        && (id_of(next) == id || (prev_of(next) == Some(id) && id != EntryId::ZERO))
    {
        return Verdict::Continues;
    }
    match snapshot.first {
        Some(first) if first.id < id => Verdict::Gap(GapReason::UnknownPosition),
        // The oldest entry created this key, or nothing was ever removed from it: the position belongs to another one.
        Some(first) if first.prev == Some(EntryId::ZERO) || snapshot.untouched => Verdict::Gap(GapReason::Reset),
        _ => Verdict::Gap(GapReason::Trimmed),
    }
}

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
pub(crate) fn before(id: EntryId, prev: Option<EntryId>, created: Position) -> Position {
    match prev {
        Some(EntryId::ZERO) => created,
        Some(prev) => Position::At(prev),
        None => Position::At(predecessor(id)),
    }
}

/// The greatest id below another one; no stream needs to hold it.
#[must_use]
pub fn predecessor(id: EntryId) -> EntryId {
    if id.seq > 0 {
        EntryId { ms: id.ms, seq: id.seq - 1 }
    } else {
        EntryId { ms: id.ms.saturating_sub(1), seq: u64::MAX }
    }
}

#[cfg(test)]
mod tests;
