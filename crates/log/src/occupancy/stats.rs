//! What is counted about counting.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::store::OccupancyError;
use crate::stats::{Cell, Durations};

/// What the reporter has done. It alone writes.
#[derive(Debug, Default)]
pub struct OccupancyStats {
    /// Rounds that had something to write or to ask and came to their end.
    pub rounds: Cell,
    /// Rounds that the store broke off: it did not answer, or refused.
    pub failed: Cell,
    /// How long rounds took that came to their end.
    pub lengths: Durations,
    /// Numbers of readers that the store was told.
    pub written: Cell,
    /// Channels that the store was asked for.
    pub asked: Cell,
    /// Lives of this node: the first, and one more whenever it was not sure any more that the store counts it.
    pub lives: Cell,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When the last round began that came to its end; until one has, when a round was first broken off.
    good_since: Option<Instant>,
    last_error: Option<OccupancyError>,
}

impl OccupancyStats {
    /// How old what is told of counted channels may be: the time since the last round began that came to its end. Zero before any was tried.
    #[must_use]
    pub fn lag(&self) -> Duration {
        self.with(|state| state.good_since).map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Why the last round was broken off, if none has come to its end since.
    #[must_use]
    pub fn error(&self) -> Option<OccupancyError> {
        self.with(|state| state.last_error.clone())
    }

    pub(super) fn went_well(&self, began: Instant) {
        self.with(|state| *state = State { good_since: Some(began), last_error: None });
    }

    pub(super) fn was_broken_off(&self, error: OccupancyError, now: Instant) {
        self.failed.add(1);
        self.with(|state| {
            state.good_since.get_or_insert(now);
            state.last_error = Some(error);
        });
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
