//! A page from the head, and what of it goes into the tail.

use fanfare_protocol::{Decoded, EntryId, Frame, GapReason, LogName, Position};

use super::effect::Extension;
use crate::archive::Snapshot;
use crate::pages;
use crate::proof::{self, id_of};
use crate::tail::Seam;

/// What a read of the head brought.
#[derive(Debug, Clone, Copy)]
pub(super) struct HeadPage<'a> {
    pub(super) snapshot: &'a Snapshot,
    /// The feed was whole from before the read began until now: acknowledged, nothing lost, nothing unknown.
    pub(super) is_quiet: bool,
    /// It was read because messages had named entries.
    pub(super) is_announced: bool,
}

impl HeadPage<'_> {
    /// The entries after a head that continues in it.
    pub(super) fn extension(self, log: &LogName, from: Position) -> Extension {
        self.with(None, encoded_after(log, from, &self.snapshot.entries))
    }

    /// The same after an entry that pushes have brought since the read began; `None`: the page does not hold it.
    pub(super) fn extension_after(self, log: &LogName, id: EntryId) -> Option<Extension> {
        let entries = &self.snapshot.entries;
        let index = entries.iter().position(|entry| id_of(entry) == id)?;
        Some(self.with(None, encoded_after(log, Position::At(id), &entries[index + 1..])))
    }

    /// A seam, by which readers are told, and what follows it.
    pub(super) fn sealed(self, log: &LogName, reason: GapReason, from: Position) -> Extension {
        let (resume, is_exact) = proof::resume_exactly(self.snapshot, from);
        let seam = Some((Seam { reason, after: from, resume }, is_exact));
        self.with(seam, encoded_after(log, from, &self.snapshot.entries))
    }

    fn with(self, seam: Option<(Seam, bool)>, entries: Vec<(EntryId, Frame)>) -> Extension {
        Extension { seam, entries, is_announced: self.is_announced }
    }
}

fn encoded_after(log: &LogName, from: Position, entries: &[Decoded]) -> Vec<(EntryId, Frame)> {
    let fresh = entries.iter().filter(|entry| !matches!(from, Position::At(from) if id_of(entry) <= from));
    fresh.map(|entry| (id_of(entry), pages::encode(log, entry))).collect()
}
