//! Reads of one channel that failed: how long each kind of read waits until it is tried again, at which places single entries cannot be
//! read, and whether operators have been told.

use fanfare_protocol::Position;

use super::effect::{Effect, Effects};
use super::reads::{BackOffs, ReadKind};
use super::successes::Evidence;
use super::unreadable::Unreadable;
use crate::archive::ArchiveError;

/// So many reads of one kind fail in a row before operators are told; once, until reads of every kind succeed again.
const FAILURES_TOLD: u32 = 3;

/// What has failed for a channel and has not succeeded since.
#[derive(Debug, Default)]
pub(super) struct Failures {
    back_offs: BackOffs,
    /// Operators have been told that it cannot be read.
    are_told: bool,
    /// Where a single entry could not be read; mostly nowhere.
    unreadable: Option<Box<Unreadable>>,
}

impl Failures {
    /// Whether a read of that kind failed lately, so that none begins.
    pub(super) fn are_backing_off(&self, kind: ReadKind) -> bool {
        self.back_offs.of(kind).is_active()
    }

    /// Whether a read of some kind failed and none of that kind has succeeded since.
    pub(super) fn are_any(&self) -> bool {
        !self.back_offs.are_over()
    }

    /// Whether reads at a place failed for want of a single entry.
    pub(super) fn are_at(&self, kind: ReadKind, after: Position) -> bool {
        self.unreadable.as_ref().is_some_and(|unreadable| unreadable.has(kind, after))
    }

    /// A read failed: those of its kind back off, longer each time. `is_refused`: operators are told of refusals in another way.
    pub(super) fn begin(&mut self, kind: ReadKind, error: &ArchiveError, is_refused: bool) -> Effects {
        let back_off = self.back_offs.of_mut(kind);
        let mut effects = vec![Effect::Failed { kind, back_off: back_off.begin() }];
        let is_enough = back_off.failures() >= FAILURES_TOLD && !is_refused;
        if is_enough && !std::mem::replace(&mut self.are_told, true) {
            effects.push(Effect::TellFailure(error.to_string()));
        }
        effects
    }

    /// The link is there: there is nothing to wait for. Returns whether reads of that kind waited.
    pub(super) fn cut_short(&mut self, kind: ReadKind) -> bool {
        self.back_offs.of_mut(kind).cut_short()
    }

    /// A timer of a back-off has fired. Returns whether reads of that kind may be tried again.
    pub(super) fn timer_fired(&mut self, kind: ReadKind) -> bool {
        self.back_offs.of_mut(kind).timer_fired()
    }

    /// A read of that kind succeeded.
    pub(super) fn note_success(&mut self, kind: ReadKind) {
        self.back_offs.of_mut(kind).succeeded();
        self.are_told &= !self.back_offs.are_over();
    }

    /// Where the stream ends, by a read that began in that turn: the archive can be read.
    pub(super) fn note_tip(&mut self, tip: Position, began: u64) {
        if let Some(unreadable) = &mut self.unreadable {
            unreadable.note_tip(tip, began);
        }
    }

    /// A read at a place failed. Returns where its readers go on if it is the fault of the entry there.
    /// `is_wanted`: whether a reader still wants what follows a place.
    pub(super) fn give_up(
        &mut self,
        place: (ReadKind, Position),
        error: &ArchiveError,
        evidence: Evidence,
        is_wanted: impl Fn(Position) -> bool,
    ) -> Option<Position> {
        match error {
            ArchiveError::SingleEntry(_) => {}
            // A smaller page is asked for next.
            ArchiveError::Timeout => return None,
            // The archive as a whole.
            ArchiveError::Unavailable(_) => {
                self.doubt();
                return None;
            }
            // The key is another one, or not to be read at all.
            ArchiveError::Denied(_) | ArchiveError::WrongType | ArchiveError::Corrupt(_) => {
                self.unreadable = None;
                return None;
            }
        }
        let resume = self.unreadable.get_or_insert_default().failed(place, evidence, is_wanted)?;
        self.note_done(place.0, place.1);
        self.note_success(place.0);
        Some(resume)
    }

    /// Nothing more is to be found out about a place.
    pub(super) fn note_done(&mut self, kind: ReadKind, after: Position) {
        if let Some(unreadable) = &mut self.unreadable {
            unreadable.forget(kind, after);
        }
        self.unreadable.take_if(|unreadable| unreadable.is_empty());
    }

    /// The archive as a whole may be away.
    pub(super) fn doubt(&mut self) {
        if let Some(unreadable) = &mut self.unreadable {
            unreadable.doubt();
        }
        self.unreadable.take_if(|unreadable| unreadable.is_empty());
    }
}
