//! The channels of a session of several.

use fanfare_log::CoreLog;
use fanfare_protocol::{ChannelTag, EntryId, MovingVector, Position, WrittenVector, encode_vector};

use super::subscribed::Subscribed;

/// Several channels, sorted by tag, as they stand in a position.
///
/// What `id:` says of them is kept from event to event: an event moves one channel, and to write the places of 63 others anew
/// would cost more than anything else that the node does for a delivery. Cursors are lent out here and nowhere else, so what is
/// kept cannot miss that one has moved.
#[derive(Debug)]
pub(super) struct Many {
    channels: Box<[(ChannelTag, Subscribed)]>,
    /// The text of all positions, but for that of the channel that was lent out last. `None`: to be made from the cursors.
    written: Option<WrittenVector>,
    /// The channel that was lent out last.
    lent: u16,
}

impl Many {
    /// `channels` are in ascending order of tags.
    pub(super) fn new(channels: Vec<(ChannelTag, Subscribed)>) -> Self {
        debug_assert!(channels.is_sorted_by_key(|(tag, _)| *tag), "a position is in the order of tags");
        Self { channels: channels.into_boxed_slice(), written: None, lent: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.channels.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Subscribed> {
        self.channels.iter().map(|(_, each)| each)
    }

    /// All of them, each of which may be moved.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Subscribed> {
        self.written = None;
        self.channels.iter_mut().map(|(_, each)| each)
    }

    /// One channel, which may be moved.
    pub(super) fn get_mut(&mut self, index: usize) -> &mut Subscribed {
        self.lend(index);
        &mut self.channels[index].1
    }

    /// One channel, which may be moved, and the others.
    pub(super) fn split_mut(&mut self, index: usize) -> (&mut Subscribed, Others<'_>) {
        self.lend(index);
        let (before, rest) = self.channels.split_at_mut(index);
        let ((tag, each), after) = rest.split_first_mut().expect("the index of a channel");
        (each, Others { before, tag: *tag, after, written: &mut self.written })
    }

    /// Renews positions that age. Returns whether any changed.
    pub(super) fn refresh(&mut self, log: &CoreLog) -> bool {
        let changed = self.channels.iter_mut().fold(false, |changed, (_, each)| each.refresh(log) | changed);
        self.written.take_if(|_| changed);
        changed
    }

    /// Writes down where the channel is that was lent out before, unless it is the same again.
    fn lend(&mut self, index: usize) {
        let before =
            std::mem::replace(&mut self.lent, u16::try_from(index).expect("a request has fewer channels")) as usize;
        if before == index {
            return;
        }
        let (tag, each) = &self.channels[before];
        self.written
            .take_if(|written| !each.cursor.position().is_some_and(|position| written.set(before, *tag, position)));
    }

    /// What stands in `id:` now, without a position for some of the channels.
    pub(super) fn position_text_without(&self, left_out: &[(usize, Option<Position>)]) -> String {
        let position =
            |index, each: &Subscribed| each.cursor.position().filter(|_| left_out.iter().all(|left| left.0 != index));
        let items: Vec<_> =
            self.channels.iter().enumerate().map(|(index, (tag, each))| (*tag, position(index, each))).collect();
        let mut text = String::with_capacity(12 * items.len());
        encode_vector(&mut text, &items);
        text
    }
}

/// The other channels of a session of several, while one of them has something.
pub(super) struct Others<'a> {
    before: &'a [(ChannelTag, Subscribed)],
    tag: ChannelTag,
    after: &'a [(ChannelTag, Subscribed)],
    written: &'a mut Option<WrittenVector>,
}

impl<'a> Others<'a> {
    /// The positions of all channels, of which the one that has something moves: in a batch they run ahead of the cursors.
    pub(super) fn vector(self) -> MovingVector<'a> {
        let Self { before, tag, after, written } = self;
        let moving = before.len();
        let items = |its: Option<Position>| {
            (0..moving + 1 + after.len()).map(move |index| match index.checked_sub(moving) {
                Some(0) => (tag, its),
                Some(after_it) => item_of(&after[after_it - 1]),
                None => item_of(&before[index]),
            })
        };
        // Its own place is not read there, and written down when the next one is lent out.
        let anew = || WrittenVector::of(items(Some(Position::At(EntryId::ZERO))));
        debug_assert!(
            written
                .as_ref()
                .is_none_or(|kept| anew().is_some_and(|anew| kept.moving(moving, tag) == anew.moving(moving, tag))),
            "what is kept is what the cursors say"
        );
        if written.is_none() {
            *written = anew();
        }
        match written.as_ref().and_then(|written| written.moving(moving, tag)) {
            Some(vector) => vector,
            None => MovingVector::of(items(None).collect(), moving),
        }
    }
}

fn item_of((tag, each): &(ChannelTag, Subscribed)) -> (ChannelTag, Option<Position>) {
    (*tag, each.cursor.position())
}
