//! A channel of the floor: who listens, and what can be asked for again.

use std::collections::VecDeque;

use super::frame::{Frame, Framing};
use super::id::Id;

/// One channel.
pub(super) struct Channel {
    /// Slots of the connections that listen, in no order.
    pub(super) listeners: Vec<u32>,
    /// The newest event's id, or the floor's start.
    pub(super) head: Id,
    /// The newest events, oldest first.
    recent: VecDeque<(Id, Frame)>,
    recent_bytes: usize,
    /// The last answer of [`missed_after`](Self::missed_after), until the next event: in a storm all ask for the same.
    missed: Option<(Id, Frame)>,
}

impl Channel {
    pub(super) const fn new(start: Id) -> Self {
        Self { listeners: Vec::new(), head: start, recent: VecDeque::new(), recent_bytes: 0, missed: None }
    }

    /// Encodes an event and makes it the head.
    pub(super) fn append(&mut self, now_ms: u64, data: &[u8], framing: Framing) -> Frame {
        self.head = self.head.following(now_ms);
        let frame = framing.event(self.head, data);
        self.recent.push_back((self.head, frame.clone()));
        self.recent_bytes += frame.len();
        self.missed = None;
        frame
    }

    /// Bytes of the events that can be asked for again.
    pub(super) const fn recent_bytes(&self) -> usize {
        self.recent_bytes
    }

    /// Forgets the oldest event, but never the only one; `false` when nothing can go.
    pub(super) fn forget_oldest(&mut self) -> bool {
        if self.recent.len() < 2 {
            return false;
        }
        if let Some((_, frame)) = self.recent.pop_front() {
            self.recent_bytes -= frame.len();
            self.missed = None;
        }
        true
    }

    /// All retained events after `position`, as one piece.
    pub(super) fn missed_after(&mut self, position: Id) -> Frame {
        if let Some((asked, bytes)) = &self.missed
            && *asked == position
        {
            return bytes.clone();
        }
        let start = self.recent.partition_point(|(id, _)| *id <= position);
        let missed: Vec<u8> = self.recent.range(start..).flat_map(|(_, frame)| frame.iter().copied()).collect();
        let missed = Frame::from(missed);
        self.missed = Some((position, missed.clone()));
        missed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_a_chunk_with_data_and_id() {
        let mut channel = Channel::new(Id::at(1_000));
        assert_eq!(
            &*channel.append(1_763_700_000_000, b"0 1 2 x", Framing::Chunk),
            b"23\r\ndata: 0 1 2 x\nid: 1763700000000-0\n\n\r\n"
        );
    }

    #[test]
    fn ids_grow_within_a_millisecond_and_when_the_clock_steps_back() {
        let mut channel = Channel::new(Id::at(1_000));
        let mut ids = Vec::new();
        for now in [1_000, 1_001, 1_001, 900, 1_002] {
            channel.append(now, b"", Framing::Chunk);
            ids.push(channel.head.to_string());
        }
        assert_eq!(ids, ["1000-1", "1001-0", "1001-1", "1001-2", "1002-0"]);
        assert!(ids.iter().all(|id| Id::parse(id).unwrap().to_string() == *id));
        assert_eq!(Id::parse("~17.abc"), None);
    }

    // Seen to fail when `append` left the last answer of `missed_after` in place.
    #[test]
    fn what_was_missed_is_everything_after_a_position() {
        let mut channel = Channel::new(Id::at(1));
        let frames: Vec<Frame> = (2..5).map(|now| channel.append(now, b"d", Framing::Chunk)).collect();
        assert_eq!(*channel.missed_after(Id::at(2)), *[&*frames[1], &*frames[2]].concat());
        assert_eq!(*channel.missed_after(Id::at(1)), *frames.concat());
        assert!(channel.missed_after(Id::at(4)).is_empty());
        let later = channel.append(5, b"e", Framing::Chunk);
        assert_eq!(*channel.missed_after(Id::at(4)), *later);
        assert!(channel.missed_after(Id::at(5)).is_empty());
        assert_eq!(channel.recent_bytes(), frames.concat().len() + later.len());
        while channel.forget_oldest() {}
        assert_eq!(*channel.missed_after(Id::at(1)), *later, "the newest event is never forgotten");
        assert_eq!(channel.recent_bytes(), later.len());
    }
}
