//! What is due on one channel, as a reader offers it to its outlet.
//!
//! A batch is made of **units**. A unit is what the client must get whole or not at all: an entry; a `$gap` together with
//! the entry that follows it; an ephemeral event. The cursor moves unit by unit, as the outlet takes them. A batch knows
//! blocks of an event stream and nothing of how they are framed or encrypted.

use std::ops::Range;
use std::sync::Arc;

use arrayvec::ArrayVec;
use fanfare_log::pages::{Page, PagePin, Served};
use fanfare_log::{Cursor, Item, Seam, Tail};
use fanfare_protocol::limits::WRITE_FRAMES_MAX;
use fanfare_protocol::{ChannelName, EntryId, Frame, Gap, GapReason, MovingVector, Position, block};

use super::many::Others;

/// How the cursor moves when a unit has been handed out.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    /// Past the tail item with this index, to the position if it has one.
    Tail(u64, Option<Position>),
    /// To a position outside the tail.
    To(Position),
}

#[derive(Debug)]
pub(super) struct Unit<'a> {
    /// Whole blocks of this session's own that come first, in the batch's text.
    blocks: Range<usize>,
    /// How the event's block ends in this session, in the batch's text: an `id` line and an empty one. Empty: as the frame does.
    ending: Range<usize>,
    /// The event, whose bytes all sessions share.
    pub(super) frame: Option<&'a Frame>,
    pub(super) step: Step,
    /// The entry, if the unit is one and nothing else: then it can be made again from the log.
    pub(super) entry: Option<EntryId>,
    /// Whether it was published after the reader came.
    pub(super) live: bool,
    pub(super) gap: Option<GapReason>,
}

/// Puts units together.
pub(super) struct Batch<'a> {
    pub(super) units: ArrayVec<Unit<'a>, WRITE_FRAMES_MAX>,
    /// What of the units is this session's own.
    text: String,
    /// The page that the units are of, if they are of one.
    page: Option<&'a Arc<Page>>,
    /// The positions of a session of several channels. Of one: `None`, its frames carry their own ids.
    vector: Option<MovingVector<'a>>,
}

impl<'a> Batch<'a> {
    /// An empty batch of a channel, of which these are the others of its session.
    pub(super) fn beside(others: Option<Others<'a>>) -> Self {
        Self { units: ArrayVec::new(), text: String::new(), page: None, vector: others.map(Others::vector) }
    }

    /// Keeps the page that the units are of, for an entry that has gone out in part.
    pub(super) fn pin(&self) -> Option<PagePin> {
        self.page.map(|page| PagePin::of(page))
    }

    /// Whether every byte is shared with other sessions.
    pub(super) fn is_all_shared(&self) -> bool {
        self.text.is_empty()
    }

    /// The blocks that precede a unit's event.
    pub(super) fn blocks(&self, unit: &Unit<'_>) -> &[u8] {
        &self.text.as_bytes()[unit.blocks.clone()]
    }

    /// The `id` line and the empty line that take the place of the frame's own; empty if none do.
    pub(super) fn ending(&self, unit: &Unit<'_>) -> &[u8] {
        &self.text.as_bytes()[unit.ending.clone()]
    }

    /// Adds the unit of an entry, which `blocks` of the text precede.
    fn entry(&mut self, blocks: Range<usize>, id: EntryId, frame: &'a Frame, step: Step, live: bool) {
        let start = self.text.len();
        if self.vector.is_some() {
            self.end_at(Position::At(id));
        }
        let ending = start..self.text.len();
        self.units.push(Unit { blocks, ending, frame: Some(frame), step, entry: Some(id), live, gap: None });
    }

    /// Adds the unit of an ephemeral event.
    fn ephemeral(&mut self, frame: &'a Frame, step: Step) {
        self.push(0..0, Some(frame), step, true);
    }

    /// Adds a step without bytes.
    fn skip(&mut self, step: Step) {
        self.push(0..0, None, step, false);
    }

    fn push(&mut self, blocks: Range<usize>, frame: Option<&'a Frame>, step: Step, live: bool) {
        self.units.push(Unit { blocks, ending: 0..0, frame, step, entry: None, live, gap: None });
    }

    /// Adds a `$gap`: together with the entry that follows it and without an id, or alone with the position to resume from.
    /// `after`: the last position that was delivered.
    fn gap(
        &mut self,
        channel: &ChannelName,
        (seam, after): (&Seam, Option<Position>),
        next: Option<(EntryId, &'a Frame)>,
        step: Step,
    ) {
        let start = self.text.len();
        let gap = Gap { channel: channel.clone(), reason: seam.reason, after, next: next.map(|(id, _)| id) };
        let position = next.is_none().then(|| self.position_text(seam.resume));
        self.write(|blocks| block::gap(blocks, &gap, position.as_deref()));
        let blocks = start..self.text.len();
        match next {
            Some((id, frame)) => self.entry(blocks, id, frame, step, false),
            None => self.push(blocks, None, step, false),
        }
        if let Some(unit) = self.units.last_mut() {
            unit.entry = None;
            unit.gap = Some(seam.reason);
        }
    }

    /// Adds the client's first place, without an event or as `$ready`.
    pub(super) fn begin(&mut self, channel: &ChannelName, position: Position, is_ready: bool) {
        let start = self.text.len();
        match &self.vector {
            // The only channel.
            None if is_ready => {
                self.write(|blocks| block::ready(blocks, &position.to_string(), std::slice::from_ref(channel)));
            }
            _ => self.end_at(position),
        }
        self.push(start..self.text.len(), None, Step::To(position), false);
    }

    /// Ends a block at a position: its `id` line and an empty one.
    fn end_at(&mut self, position: Position) {
        const LINE: &str = "id: ";
        const END: &str = "\n\n";
        let room = self.vector.as_ref().map_or(0, MovingVector::room);
        self.text.reserve(LINE.len() + room + END.len());
        self.text.push_str(LINE);
        match &mut self.vector {
            Some(vector) => vector.advance(position, &mut self.text),
            None => self.text.push_str(&position.to_string()),
        }
        self.text.push_str(END);
    }

    /// What stands in `id:` at a position that no entry carries.
    fn position_text(&mut self, position: Position) -> String {
        match &mut self.vector {
            Some(vector) => {
                let mut text = String::new();
                vector.advance(position, &mut text);
                text
            }
            None => position.to_string(),
        }
    }

    /// Writes blocks, which are text by their nature.
    fn write(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut blocks = Vec::new();
        write(&mut blocks);
        self.text.push_str(&String::from_utf8_lossy(&blocks));
    }

    /// Takes what is due in the tail.
    pub(super) fn gather_tail(&mut self, channel: &ChannelName, cursor: &Cursor, tail: &'a Tail, from: u64) {
        let mut index = from;
        let mut items = tail.from(from).peekable();
        while self.units.remaining_capacity() > 0
            && let Some(item) = items.next()
        {
            match item {
                Item::Entry { id, frame } => {
                    let step = Step::Tail(index, Some(Position::At(*id)));
                    self.entry(0..0, *id, frame, step, cursor.wants_ephemeral(index));
                }
                Item::Ephemeral { frame, .. } if cursor.wants_ephemeral(index) => {
                    self.ephemeral(frame, Step::Tail(index, None));
                }
                Item::Ephemeral { .. } => self.skip(Step::Tail(index, None)),
                Item::Seam(seam) => match items.peek() {
                    Some(Item::Entry { id, frame }) => {
                        items.next();
                        index += 1;
                        let step = Step::Tail(index, Some(Position::At(*id)));
                        self.gap(channel, (seam, Some(seam.after)), Some((*id, frame)), step);
                    }
                    _ => self.gap(channel, (seam, Some(seam.after)), None, Step::Tail(index, Some(seam.resume))),
                },
            }
            index += 1;
        }
    }

    /// Takes what a page has for the reader.
    pub(super) fn gather_page(&mut self, channel: &ChannelName, cursor: &Cursor, served: &'a Served) {
        self.page = Some(&served.page);
        let mut entries = served.entries().iter();
        if let Some(seam) = &served.seam {
            // A reader without a place was promised nothing.
            let after = cursor.position().map(|_| seam.after);
            match entries.next() {
                Some(first) => {
                    let step = Step::To(Position::At(first.id));
                    self.gap(channel, (seam, after), Some((first.id, &first.frame)), step);
                }
                None => self.gap(channel, (seam, after), None, Step::To(seam.resume)),
            }
        }
        for entry in entries.take(self.units.remaining_capacity()) {
            self.entry(0..0, entry.id, &entry.frame, Step::To(Position::At(entry.id)), false);
        }
    }
}
