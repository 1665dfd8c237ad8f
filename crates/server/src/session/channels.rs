//! The channels of a session: one view and one cursor each.

use fanfare_log::{CoreLog, Cursor, ViewKey};
use fanfare_protocol::{ChannelTag, Position, encode_vector};

/// A channel of a session.
#[derive(Debug)]
pub(super) struct Subscribed {
    pub(super) view: ViewKey,
    pub(super) cursor: Cursor,
}

/// The channels of a session. Most sessions have one, and it is kept in place; several are sorted by tag, as they stand
/// in a position.
#[derive(Debug)]
pub(super) enum Channels {
    One(Subscribed),
    Many(Box<[(ChannelTag, Subscribed)]>),
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
            Self::Many(many) => &mut many[index].1,
        }
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Subscribed> {
        let (one, many) = match self {
            Self::One(one) => (Some(one), None),
            Self::Many(many) => (None, Some(many.iter_mut().map(|(_, subscribed)| subscribed))),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    pub(super) fn close(&self, log: &CoreLog) {
        match self {
            Self::One(one) => log.close(one.view, &one.cursor),
            Self::Many(many) => many.iter().for_each(|(_, each)| log.close(each.view, &each.cursor)),
        }
    }

    /// Renews positions that age (see [`CoreLog::refresh`]). Returns whether any changed.
    pub(super) fn refresh(&mut self, log: &CoreLog) -> bool {
        self.iter_mut().fold(false, |changed, each| log.refresh(each.view, &mut each.cursor) | changed)
    }

    /// What stands in `id:` now. `None` before the first promise.
    pub(super) fn position_text(&self) -> Option<String> {
        self.position_text_without(&[])
    }

    /// The same without a position for some of several channels.
    pub(super) fn position_text_without(&self, left_out: &[(usize, Option<Position>)]) -> Option<String> {
        match self {
            Self::One(one) => one.cursor.position().map(|position| position.to_string()),
            Self::Many(many) => {
                let position = |index, each: &Subscribed| {
                    each.cursor.position().filter(|_| left_out.iter().all(|left| left.0 != index))
                };
                let items: Vec<_> =
                    many.iter().enumerate().map(|(index, (tag, each))| (*tag, position(index, each))).collect();
                let mut text = String::with_capacity(12 * items.len());
                encode_vector(&mut text, &items);
                Some(text)
            }
        }
    }
}

/// The positions of a session of several channels while a batch is put together: they run ahead of the cursors.
#[derive(Debug)]
pub(super) struct Vector {
    items: Vec<(ChannelTag, Option<Position>)>,
    index: usize,
}

impl Vector {
    /// `None` for a session of one channel, whose frames carry their own ids.
    pub(super) fn of(channels: &Channels, index: usize) -> Option<Self> {
        match channels {
            Channels::One(_) => None,
            Channels::Many(many) => {
                Some(Self { items: many.iter().map(|(tag, each)| (*tag, each.cursor.position())).collect(), index })
            }
        }
    }

    /// Moves the batch's channel to `position` and writes the `id` line of all.
    pub(super) fn advance(&mut self, position: Position, text: &mut String) {
        self.items[self.index].1 = Some(position);
        text.push_str("id: ");
        encode_vector(text, &self.items);
        text.push('\n');
    }
}
