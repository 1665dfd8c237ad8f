//! How the client of a session learns its place.

use super::batch::{Step, Unit};

/// How a client learns its place until an event brings it. Many clients, Firefox among them, take an `id:` only together with
/// data, so one that came without a place is told it by `$ready`, and by `$place` when a heartbeat renews it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Telling {
    /// `$ready` is due: the stream began without a position.
    ReadyDue,
    /// By `$place`: `$ready` was said, and no event has brought an `id:` yet.
    Place,
    /// By an `id:` alone: the client has a place, or wants no `$ready`.
    Id,
}

impl Telling {
    /// Once a unit has been handed out.
    pub(super) fn after(self, unit: &Unit<'_>) -> Self {
        match self {
            Self::Id => Self::Id,
            _ if unit.entry.is_some() || unit.gap.is_some() => Self::Id,
            // The client's first place, which came as `$ready`.
            Self::ReadyDue if matches!(unit.step, Step::To(_)) => Self::Place,
            other => other,
        }
    }
}
