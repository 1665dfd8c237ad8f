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
    /// The `id` line of the event.
    line: &'a [u8],
    /// What all sessions share of the event.
    shared: &'a [u8],
    framing: Framing,
}

impl<'a> FramedUnit<'a> {
    pub(super) fn of(batch: &'a Batch<'_>, unit: &Unit<'a>, framing: Framing) -> Self {
        let line = batch.line(unit);
        let shared = match (unit.frame, framing) {
            (None, _) => &b""[..],
            (Some(frame), _) if !line.is_empty() => frame.body(),
            (Some(frame), Framing::Chunked) => frame.chunked(),
            (Some(frame), Framing::Plain) => frame.plain(),
        };
        Self { blocks: batch.blocks(unit), line, shared, framing }
    }

    /// Calls `write` with what precedes the shared bytes.
    fn made(&self, mut write: impl FnMut(&[u8])) {
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
        if !self.line.is_empty() {
            if chunked {
                write(&chunk::header(self.line.len() + self.shared.len()));
            }
            write(self.line);
        }
    }

    /// What follows the shared bytes, unless the frame has it itself.
    fn end(&self) -> &'static [u8] {
        if self.framing == Framing::Chunked && !self.line.is_empty() { chunk::END } else { b"" }
    }

    /// Bytes of the whole unit.
    pub(super) fn len(&self) -> usize {
        let mut made = 0;
        self.made(|piece| made += piece.len());
        made + self.shared.len() + self.end().len()
    }

    /// Appends the whole unit.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        self.made(|piece| out.extend_from_slice(piece));
        out.extend_from_slice(self.shared);
        out.extend_from_slice(self.end());
    }
}

/// What precedes the shared bytes of each unit of a batch, one after the other. Empty, and not allocated, where all is shared.
pub(super) struct OwnBytes(Vec<u8>);

impl OwnBytes {
    pub(super) fn of(batch: &Batch<'_>, framing: Framing) -> Self {
        let mut bytes = Vec::new();
        if !batch.is_all_shared() {
            for unit in &batch.units {
                FramedUnit::of(batch, unit, framing).made(|piece| bytes.extend_from_slice(piece));
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
            let mut made = 0;
            parts.made(|piece| made += piece.len());
            let (own, after) = rest.split_at(made);
            rest = after;
            for part in [own, parts.shared, parts.end()] {
                let cut = skip.min(part.len());
                skip -= cut;
                if cut < part.len() {
                    slices.push(IoSlice::new(&part[cut..]));
                }
            }
        }
    }
}
