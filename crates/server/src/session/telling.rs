//! How the client of a session learns its place.

use super::batch::{Step, Unit};

/// How a client learns its place where no event brings it. Many clients, Firefox among them, take an `id:` only together with
/// data, so one that came without a place is told it by `$ready`, and each is told by `$place` of one that a heartbeat renews.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Telling {
    /// `$ready` is due: the stream began without a position.
    ReadyDue,
    /// By `$place`.
    Place,
    /// By an `id:` alone: the client asked with `ready=0`.
    Id,
}

impl Telling {
    /// Once a unit has been handed out.
    pub(super) fn after(self, unit: &Unit<'_>) -> Self {
        // The client's first place, which came as `$ready`.
        let is_ready = unit.entry.is_none() && unit.gap.is_none() && matches!(unit.step, Step::To(_));
        if self == Self::ReadyDue && is_ready { Self::Place } else { self }
    }
}
