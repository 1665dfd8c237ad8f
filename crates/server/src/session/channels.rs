//! The channels of a session: one view and one cursor each.

use fanfare_log::{CoreLog, Cursor, ViewKey};
use fanfare_protocol::{ChannelTag, MovingVector, Position, encode_vector};

/// A channel of a session.
#[derive(Debug)]
pub(super) struct Subscribed {
    pub(super) view: ViewKey,
    pub(super) cursor: Cursor,
}

/// The channels of a session. Most sessions have one, and it is kept in place; several are sorted by tag, as they stand
/// in a position. Where positions have to say of which channel they are, one is kept as several are.
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

    /// One channel, and the others if it is not the only one.
    pub(super) fn split_mut(&mut self, index: usize) -> (&mut Subscribed, Option<Others<'_>>) {
        match self {
            Self::One(one) => (one, None),
            Self::Many(many) => {
                let (before, rest) = many.split_at_mut(index);
                let ((tag, each), after) = rest.split_first_mut().expect("the index of a channel");
                (each, Some(Others { before, tag: *tag, after }))
            }
        }
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Subscribed> {
        let (one, many) = match self {
            Self::One(one) => (Some(one), None),
            Self::Many(many) => (None, Some(many.iter_mut().map(|(_, subscribed)| subscribed))),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    /// Whether a cursor has not come to the head of its channel's log.
    pub(super) fn are_behind(&self, log: &CoreLog) -> bool {
        let is_behind =
            |each: &Subscribed| log.head(each.view).is_some_and(|head| each.cursor.position() != Some(head));
        match self {
            Self::One(one) => is_behind(one),
            Self::Many(many) => many.iter().any(|(_, each)| is_behind(each)),
        }
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

/// The other channels of a session of several, while one of them has something.
#[derive(Debug, Clone, Copy)]
pub(super) struct Others<'a> {
    before: &'a [(ChannelTag, Subscribed)],
    tag: ChannelTag,
    after: &'a [(ChannelTag, Subscribed)],
}

impl Others<'_> {
    /// The positions of all channels, of which the one that has something moves: in a batch they run ahead of the cursors.
    pub(super) fn vector(&self) -> MovingVector {
        let moving = self.before.len();
        let item = |index: usize| match index.checked_sub(moving) {
            Some(0) => (self.tag, None),
            Some(after) => item_of(&self.after[after - 1]),
            None => item_of(&self.before[index]),
        };
        MovingVector::new((0..moving + 1 + self.after.len()).map(item), moving)
    }
}

fn item_of((tag, each): &(ChannelTag, Subscribed)) -> (ChannelTag, Option<Position>) {
    (*tag, each.cursor.position())
}
