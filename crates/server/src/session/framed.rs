//! The units of a batch as HTTP/1 frames them: what is shared as slices of the frames, what is the session's own made once for
//! each write.

use std::io::IoSlice;

use arrayvec::ArrayVec;
use fanfare_protocol::chunk;
use fanfare_protocol::limits::WRITE_FRAMES_MAX;

use super::batch::{Batch, Unit};
use crate::framing::Framing;

/// Slices of one write: those of each unit, after the beginning of the stream.
const SLICES_MAX: usize = 3 * WRITE_FRAMES_MAX + 1;

/// What one write sends.
pub(super) type Slices<'a> = ArrayVec<IoSlice<'a>, SLICES_MAX>;

/// A unit in pieces.
pub(super) struct FramedUnit<'a> {
    /// The session's own blocks.
    blocks: &'a [u8],
    /// What all sessions share of the event.
    shared: &'a [u8],
    /// How its block ends in this session; empty if that is shared, too.
    ending: &'a [u8],
    framing: Framing,
}

impl<'a> FramedUnit<'a> {
    pub(super) fn of(batch: &'a Batch<'_>, unit: &Unit<'a>, framing: Framing) -> Self {
        let ending = batch.ending(unit);
        let shared = match (unit.frame, framing) {
            (None, _) => &b""[..],
            (Some(frame), _) if !ending.is_empty() => frame.fields(),
            (Some(frame), Framing::Chunked) => frame.chunked(),
            (Some(frame), Framing::Plain) => frame.plain(),
        };
        Self { blocks: batch.blocks(unit), shared, ending, framing }
    }

    /// Calls `write` with what precedes the shared bytes.
    fn before(&self, mut write: impl FnMut(&[u8])) {
        let chunked = self.framing == Framing::Chunked;
        if !self.blocks.is_empty() {
            if chunked {
                write(&chunk::header(self.blocks.len()));
            }
            write(self.blocks);
            if chunked {
                write(chunk::END);
            }
        }
        if chunked && !self.ending.is_empty() {
            write(&chunk::header(self.shared.len() + self.ending.len()));
        }
    }

    /// Calls `write` with what follows the shared bytes, unless the frame has it itself.
    fn after(&self, mut write: impl FnMut(&[u8])) {
        if !self.ending.is_empty() {
            write(self.ending);
            if self.framing == Framing::Chunked {
                write(chunk::END);
            }
        }
    }

    /// Bytes before and after the shared ones.
    fn own_lengths(&self) -> (usize, usize) {
        let (mut before, mut after) = (0, 0);
        self.before(|piece| before += piece.len());
        self.after(|piece| after += piece.len());
        (before, after)
    }

    /// Bytes of the whole unit.
    pub(super) fn len(&self) -> usize {
        let (before, after) = self.own_lengths();
        before + self.shared.len() + after
    }

    /// Appends the whole unit.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        self.before(|piece| out.extend_from_slice(piece));
        out.extend_from_slice(self.shared);
        self.after(|piece| out.extend_from_slice(piece));
    }
}

/// What precedes and what follows the shared bytes of each unit of a batch, one after the other. Empty, and not allocated, where
/// all is shared.
pub(super) struct OwnBytes(Vec<u8>);

impl OwnBytes {
    pub(super) fn of(batch: &Batch<'_>, framing: Framing) -> Self {
        let mut bytes = Vec::new();
        if !batch.is_all_shared() {
            for unit in &batch.units {
                let unit = FramedUnit::of(batch, unit, framing);
                unit.before(|piece| bytes.extend_from_slice(piece));
                unit.after(|piece| bytes.extend_from_slice(piece));
            }
        }
        Self(bytes)
    }

    /// Appends the slices to write, without the first `skip` bytes. (As a return value the whole array would be copied, however
    /// few slices are in it.)
    pub(super) fn slices<'s>(&'s self, batch: &'s Batch<'_>, framing: Framing, skip: usize, slices: &mut Slices<'s>) {
        let (mut skip, mut rest) = (skip, self.0.as_slice());
        for unit in &batch.units {
            let parts = FramedUnit::of(batch, unit, framing);
            let (before, after) = parts.own_lengths();
            let (before, own) = rest.split_at(before);
            let (after, own) = own.split_at(after);
            rest = own;
            for part in [before, parts.shared, after] {
                let cut = skip.min(part.len());
                skip -= cut;
                if cut < part.len() {
                    slices.push(IoSlice::new(&part[cut..]));
                }
            }
        }
    }
}
