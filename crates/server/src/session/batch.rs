//! Delivery: what is due on a channel goes to the socket in one vectored write.
//!
//! A batch is made of **units**. A unit is what the client must get whole or not at all: an entry; a `$gap` together with
//! the entry that follows it; an ephemeral event. The cursor moves unit by unit, as the socket takes them.

use std::io::IoSlice;
use std::ops::Range;

use arrayvec::ArrayVec;
use fanfare_log::pages::Served;
use fanfare_log::{Cursor, Item, Seam, Tail};
use fanfare_protocol::limits::WRITE_FRAMES_MAX;
use fanfare_protocol::{ChannelName, EntryId, Frame, Gap, GapReason, Position, block, chunk};

use super::channels::Vector;
use crate::framing::Framing;

/// Slices of one write: those of each unit, after the beginning of the stream.
pub(super) const SLICES_MAX: usize = 3 * WRITE_FRAMES_MAX + 1;

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
    /// Bytes in the batch's scratch that precede `shared`.
    pub(super) prefix: Range<usize>,
    /// Bytes that all connections share.
    pub(super) shared: &'a [u8],
    /// Bytes that follow.
    pub(super) suffix: &'static [u8],
    pub(super) step: Step,
    /// The entry, if the unit is one and nothing else: then it can be made again from the log.
    pub(super) entry: Option<EntryId>,
    /// Whether it was published after the reader came.
    pub(super) live: bool,
    pub(super) gap: Option<GapReason>,
}

impl Unit<'_> {
    pub(super) fn len(&self) -> usize {
        self.prefix.len() + self.shared.len() + self.suffix.len()
    }
}

/// Puts units together.
pub(super) struct Batch<'a> {
    pub(super) units: ArrayVec<Unit<'a>, WRITE_FRAMES_MAX>,
    scratch: Vec<u8>,
    line: String,
    framing: Framing,
    vector: Option<Vector>,
}

impl<'a> Batch<'a> {
    pub(super) fn new(framing: Framing, vector: Option<Vector>) -> Self {
        Self { units: ArrayVec::new(), scratch: Vec::new(), line: String::new(), framing, vector }
    }

    /// Adds the unit of an entry.
    fn entry(&mut self, id: EntryId, frame: &'a Frame, step: Step, live: bool) {
        let position = Position::At(id);
        let start = self.scratch.len();
        let (shared, suffix) = match (&mut self.vector, self.framing) {
            (None, Framing::Chunked) => (frame.chunked(), &b""[..]),
            (None, Framing::Plain) => (frame.plain(), &b""[..]),
            (Some(vector), framing) => {
                vector.advance(position, &mut self.line);
                if framing == Framing::Chunked {
                    self.scratch.extend_from_slice(&chunk::header(self.line.len() + frame.body().len()));
                }
                self.scratch.extend_from_slice(self.line.as_bytes());
                (frame.body(), if framing == Framing::Chunked { chunk::END } else { b"" })
            }
        };
        let prefix = start..self.scratch.len();
        self.units.push(Unit { prefix, shared, suffix, step, entry: Some(id), live, gap: None });
    }

    /// Adds the unit of an ephemeral event.
    fn ephemeral(&mut self, frame: &'a Frame, step: Step) {
        let shared = match self.framing {
            Framing::Chunked => frame.chunked(),
            Framing::Plain => frame.plain(),
        };
        self.units.push(Unit { prefix: 0..0, shared, suffix: b"", step, entry: None, live: true, gap: None });
    }

    /// Adds a step without bytes.
    fn skip(&mut self, step: Step) {
        self.units.push(Unit { prefix: 0..0, shared: b"", suffix: b"", step, entry: None, live: false, gap: None });
    }

    /// Adds a `$gap`: together with the entry that follows it and without an id, or alone with the position to resume from.
    fn gap(&mut self, channel: &ChannelName, seam: &Seam, next: Option<(EntryId, &'a Frame)>, step: Step) {
        let start = self.scratch.len();
        let gap = Gap {
            channel: channel.clone(),
            reason: seam.reason,
            after: Some(seam.after),
            next: next.map(|(id, _)| id),
        };
        let mut blocks = Vec::new();
        if let Some((id, frame)) = next {
            block::gap(&mut blocks, &gap, None);
            self.frame_into_scratch(&blocks);
            self.entry(id, frame, step, false);
            if let Some(unit) = self.units.last_mut() {
                unit.prefix.start = start;
                unit.entry = None;
                unit.gap = Some(seam.reason);
            }
            return;
        }
        self.move_to(seam.resume);
        blocks.extend_from_slice(self.line.as_bytes());
        block::gap(&mut blocks, &gap, None);
        self.frame_into_scratch(&blocks);
        let prefix = start..self.scratch.len();
        let gap = Some(seam.reason);
        self.units.push(Unit { prefix, shared: b"", suffix: b"", step, entry: None, live: false, gap });
    }

    /// Adds the client's first place, without an event or as `$ready`.
    pub(super) fn begin(&mut self, channel: &ChannelName, position: Position, is_ready: bool) {
        let start = self.scratch.len();
        let mut blocks = Vec::new();
        match &self.vector {
            // The only channel.
            None if is_ready => block::ready(&mut blocks, &position.to_string(), std::slice::from_ref(channel)),
            _ => {
                self.move_to(position);
                blocks.extend_from_slice(self.line.as_bytes());
                blocks.push(b'\n');
            }
        }
        self.frame_into_scratch(&blocks);
        let (prefix, step) = (start..self.scratch.len(), Step::To(position));
        self.units.push(Unit { prefix, shared: b"", suffix: b"", step, entry: None, live: false, gap: None });
    }

    /// Makes the `id` line of a position that no entry carries.
    fn move_to(&mut self, position: Position) {
        match &mut self.vector {
            Some(vector) => vector.advance(position, &mut self.line),
            None => self.line = format!("id: {position}\n"),
        }
    }

    fn frame_into_scratch(&mut self, blocks: &[u8]) {
        match self.framing {
            Framing::Chunked => chunk::wrap(&mut self.scratch, blocks),
            Framing::Plain => self.scratch.extend_from_slice(blocks),
        }
    }

    /// Appends the slices to write, without the first `skip` bytes. (As a return value the whole array would be copied, however
    /// few slices are in it.)
    pub(super) fn slices<'s>(&'s self, skip: usize, slices: &mut ArrayVec<IoSlice<'s>, SLICES_MAX>) {
        let mut skip = skip;
        let parts = self.units.iter().flat_map(|unit| [&self.scratch[unit.prefix.clone()], unit.shared, unit.suffix]);
        for part in parts {
            let cut = skip.min(part.len());
            skip -= cut;
            if cut < part.len() {
                slices.push(IoSlice::new(&part[cut..]));
            }
        }
    }

    /// The bytes of one unit from an offset on.
    pub(super) fn rest(&self, unit: &Unit<'_>, offset: usize) -> Vec<u8> {
        let mut bytes = self.scratch[unit.prefix.clone()].to_vec();
        bytes.extend_from_slice(unit.shared);
        bytes.extend_from_slice(unit.suffix);
        bytes.split_off(offset.min(bytes.len()))
    }

    /// Takes what is due in the tail.
    pub(super) fn gather_tail(&mut self, channel: &ChannelName, cursor: &Cursor, tail: &'a Tail, from: u64) {
        let mut index = from;
        while self.units.remaining_capacity() > 0
            && let Some(item) = tail.get(index)
        {
            match item {
                Item::Entry { id, frame } => {
                    let step = Step::Tail(index, Some(Position::At(*id)));
                    self.entry(*id, frame, step, cursor.wants_ephemeral(index));
                }
                Item::Ephemeral { frame, .. } if cursor.wants_ephemeral(index) => {
                    self.ephemeral(frame, Step::Tail(index, None));
                }
                Item::Ephemeral { .. } => self.skip(Step::Tail(index, None)),
                Item::Seam(seam) => match tail.get(index + 1) {
                    Some(Item::Entry { id, frame }) => {
                        index += 1;
                        let step = Step::Tail(index, Some(Position::At(*id)));
                        self.gap(channel, seam, Some((*id, frame)), step);
                    }
                    _ => self.gap(channel, seam, None, Step::Tail(index, Some(seam.resume))),
                },
            }
            index += 1;
        }
    }

    /// Takes what a page has for the reader.
    pub(super) fn gather_page(&mut self, channel: &ChannelName, served: &'a Served) {
        let mut entries = served.entries().iter();
        if let Some(seam) = &served.seam {
            match entries.next() {
                Some(first) => {
                    let step = Step::To(Position::At(first.id));
                    self.gap(channel, seam, Some((first.id, &first.frame)), step);
                }
                None => self.gap(channel, seam, None, Step::To(seam.resume)),
            }
        }
        for entry in entries.take(self.units.remaining_capacity()) {
            self.entry(entry.id, &entry.frame, Step::To(Position::At(entry.id)), false);
        }
    }
}
