//! The channels of a session: one view and one cursor each.

use fanfare_log::CoreLog;
use fanfare_protocol::Position;

use super::many::{Many, Others};
use super::subscribed::Subscribed;

/// The channels of a session. Most sessions have one, and it is kept in place. Where positions have to say of which channel they
/// are, one is kept as several are.
#[derive(Debug)]
pub(super) enum Channels {
    One(Subscribed),
    Many(Many),
}

impl Channels {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Many(many) => many.len(),
        }
    }

    pub(super) fn get_mut(&mut self, index: usize) -> &mut Subscribed {
        match self {
            Self::One(one) => one,
            Self::Many(many) => many.get_mut(index),
        }
    }

    /// One channel, and the others if it is not the only one.
    pub(super) fn split_mut(&mut self, index: usize) -> (&mut Subscribed, Option<Others<'_>>) {
        match self {
            Self::One(one) => (one, None),
            Self::Many(many) => {
                let (each, others) = many.split_mut(index);
                (each, Some(others))
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Subscribed> {
        let (one, many) = match self {
            Self::One(one) => (Some(one), None),
            Self::Many(many) => (None, Some(many.iter())),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    /// All of them, each of which may be moved.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Subscribed> {
        let (one, many) = match self {
            Self::One(one) => (Some(one), None),
            Self::Many(many) => (None, Some(many.iter_mut())),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    /// Whether a cursor has not come to the head of its channel's log.
    pub(super) fn are_behind(&self, log: &CoreLog) -> bool {
        self.iter().any(|each| log.head(each.view).is_some_and(|head| each.cursor.position() != Some(head)))
    }

    pub(super) fn close(&self, log: &CoreLog) {
        self.iter().for_each(|each| log.close(each.view, &each.cursor));
    }

    /// Renews positions that age (see [`CoreLog::refresh`]). Returns whether any changed.
    pub(super) fn refresh(&mut self, log: &CoreLog) -> bool {
        match self {
            Self::One(one) => one.refresh(log),
            Self::Many(many) => many.refresh(log),
        }
    }

    /// What stands in `id:` now. `None` before the first promise.
    pub(super) fn position_text(&self) -> Option<String> {
        self.position_text_without(&[])
    }

    /// The same without a position for some of several channels.
    pub(super) fn position_text_without(&self, left_out: &[(usize, Option<Position>)]) -> Option<String> {
        match self {
            Self::One(one) => one.cursor.position().map(|position| position.to_string()),
            Self::Many(many) => Some(many.position_text_without(left_out)),
        }
    }
}
