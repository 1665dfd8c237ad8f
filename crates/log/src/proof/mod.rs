//! Proving that a position continues in a stream.
//!
//! One function decides for every archive page, hole repair, reconcile and resume. When in doubt it says gap: a false
//! gap is a nuisance that is counted, a missed one is the worst bug that this project can have.

use fanfare_protocol::{Decoded, EntryId, GapReason, Position, limits};

use crate::archive::Snapshot;

/// The shortest lifetime, in milliseconds, that the publishing function gives to a stream: a stream created after T still
/// exists at T + this. It is what lets the absence of a stream be a position.
pub const TTL_FLOOR_MS: u64 = limits::ABSENCE_PROOF.as_millis() as u64;

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

/// The same for somebody who knows whether the stream may have come and gone unnoticed because the store evicts.
pub(crate) fn prove_where(position: Position, snapshot: &Snapshot, evicts: bool) -> Verdict {
    match position {
        Position::At(id) => prove_entry(id, snapshot),
        Position::Absent { at_ms, epoch } => {
            if evicts || snapshot.tip.epoch != epoch {
                return Verdict::Gap(GapReason::Reset);
            }
            match (snapshot.tip.position, snapshot.first) {
                (Position::Absent { at_ms: now, .. }, _) if still_absent(at_ms, now) => Verdict::Continues,
                (Position::Absent { .. }, _) => Verdict::Gap(GapReason::Reset),
                (Position::At(_), Some(first)) if created_the_key(first.prev, snapshot) => {
                    let continues = was_created_after(at_ms, first.id);
                    if continues { Verdict::Continues } else { Verdict::Gap(GapReason::Reset) }
                }
                (Position::At(last), first) => {
                    let oldest = first.map_or(last, |first| first.id);
                    let reason = if is_from_before(at_ms, oldest) { GapReason::Reset } else { GapReason::Trimmed };
                    Verdict::Gap(reason)
                }
            }
        }
    }
}

/// Whether an entry that says it created the key is the first one ever since the key was absent at `absent_ms`.
#[must_use]
pub fn created_after(absent_ms: u64, id: EntryId, prev: Option<EntryId>) -> bool {
    prev == Some(EntryId::ZERO) && was_created_after(absent_ms, id)
}

/// A key whose first entry is younger than the TTL floor cannot be the second one since the absence: the first would still
/// be there.
fn was_created_after(absent_ms: u64, first: EntryId) -> bool {
    first.ms >= absent_ms && first.ms - absent_ms < TTL_FLOOR_MS
}

/// Whether an id was given before the key was absent: what was deleted has come back, as after a failover to a replica
/// that had not heard of the deletion. `0-0` is no such id, but that of a stream that was made empty.
fn is_from_before(absent_ms: u64, id: EntryId) -> bool {
    id != EntryId::ZERO && id.ms < absent_ms
}

/// Whether the stream's oldest entry is the one that created its key: its publisher says so, or records nothing while the
/// store knows that nothing was ever removed.
fn created_the_key(prev: Option<EntryId>, snapshot: &Snapshot) -> bool {
    prev == Some(EntryId::ZERO) || (prev.is_none() && snapshot.untouched)
}

/// Whether a key that was absent at both times cannot have existed in between.
#[must_use]
pub fn still_absent(absent_ms: u64, now_ms: u64) -> bool {
    now_ms >= absent_ms && now_ms - absent_ms < TTL_FLOOR_MS
}

/// Whether a reader who was at `from`, and for whom the stream was found to be gone at `absence`, may go on from `head`, where
/// a node knows the stream to be gone: an older absence would lead it back to what it has seen. (Where the store's clock has
/// gone back behind `from`, no head would do.)
#[must_use]
pub fn leads_on(head: Position, from: Position, absence: Position) -> bool {
    let is_later = |position| match (position, from) {
        (Position::Absent { at_ms, .. }, Position::At(id)) => at_ms > id.ms,
        (Position::Absent { at_ms, .. }, Position::Absent { at_ms: from_ms, .. }) => at_ms >= from_ms,
        (Position::At(_), _) => false,
    };
    is_later(head) || !is_later(absence)
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
