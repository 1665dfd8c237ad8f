//! What a tail holds.

use std::sync::{Arc, OnceLock};

use fanfare_protocol::{EntryId, Frame, GapReason, Position};

use crate::budget::Charge;

/// What an allocator adds to an allocation, about: its header, and what rounding up adds.
const ALLOCATION: usize = 16;
/// What the budget keeps for each item, about: a [`Charge`] in a queue that grows by doubling.
const CHARGE: usize = size_of::<Charge>() + size_of::<Charge>() / 2;

/// A place where the log is not contiguous: readers that pass it are told by a `$gap`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seam {
    /// Why.
    pub reason: GapReason,
    /// The last position before the seam.
    pub after: Position,
    /// A position from which a reader that has been told can resume, when nothing follows yet.
    pub resume: Position,
}

/// One thing to deliver.
#[derive(Debug, Clone)]
pub enum Item {
    /// A durable event.
    Entry {
        /// Its id.
        id: EntryId,
        /// Its encoding.
        frame: Frame,
    },
    /// An event without id: delivered to whoever is here.
    Ephemeral {
        /// The newest id when it arrived (`0-0` if none); it orders the item among entries.
        after: EntryId,
        /// Its encoding.
        frame: Frame,
    },
    /// A discontinuity.
    Seam(Arc<Seam>),
}

impl Item {
    /// Bytes charged to the budget: what the item takes in memory, all told, however many threads have a copy of its tail.
    #[must_use]
    pub fn cost(&self) -> usize {
        let heap = match self {
            Self::Entry { frame, .. } | Self::Ephemeral { frame, .. } => frame.heap_bytes(),
            Self::Seam(_) => size_of::<Seam>(),
        };
        heap + ALLOCATION + size_of::<OnceLock<Self>>() + CHARGE
    }

    pub(super) fn order(&self) -> EntryId {
        match self {
            Self::Entry { id, .. } => *id,
            Self::Ephemeral { after, .. } => *after,
            Self::Seam(_) => EntryId::ZERO,
        }
    }
}
