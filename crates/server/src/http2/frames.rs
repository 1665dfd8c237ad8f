//! What the bytes of an HTTP/2 connection are, as far as somebody beside hyper has to know: where frames begin, and of which kind
//! they are (RFC 9113 section 4.1).

/// Bytes of a frame's head.
const HEAD: usize = 9;
/// Bytes of a frame up to the error code of a `GOAWAY`, that included (section 6.8).
const GOAWAY: usize = HEAD + 8;

/// A frame that has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Frame {
    /// A request or an answer, with the number of its stream.
    Headers(u32),
    /// Bytes of a body; how many.
    Data(u32),
    Reset,
    Settings,
    Ping,
    /// The end of the connection, for this reason.
    GoAway(u32),
    WindowUpdate,
    /// More of a head.
    Continuation,
    Other,
}

/// Follows the bytes of one direction.
#[derive(Debug)]
pub(super) struct Frames {
    /// What has come of the beginning of a frame.
    head: [u8; GOAWAY],
    have: usize,
    /// Bytes that do not matter.
    left: usize,
}

impl Frames {
    /// Frames that come after so many bytes of something else.
    pub(super) const fn after(bytes: usize) -> Self {
        Self { head: [0; GOAWAY], have: 0, left: bytes }
    }

    /// Whether what has come so far is whole frames.
    pub(super) const fn is_between(&self) -> bool {
        self.have == 0 && self.left == 0
    }

    /// Bytes that are missing of the frame that has begun, once its beginning is known.
    pub(super) const fn missing(&self) -> usize {
        self.left
    }

    /// Whether these bytes would end within a frame whose beginning is known: more of it follows.
    pub(super) fn would_end_within(&self, bytes: &[u8]) -> bool {
        let mut after = Self { head: self.head, have: self.have, left: self.left };
        after.take(bytes, |_| {});
        after.left > 0
    }

    /// Takes the next bytes, and tells of each frame that begins in them.
    pub(super) fn take(&mut self, mut bytes: &[u8], mut tell: impl FnMut(Frame)) {
        while !bytes.is_empty() {
            let skipped = self.left.min(bytes.len());
            self.left -= skipped;
            bytes = &bytes[skipped..];
            let wanted = (self.wanted() - self.have).min(bytes.len());
            self.head[self.have..self.have + wanted].copy_from_slice(&bytes[..wanted]);
            self.have += wanted;
            bytes = &bytes[wanted..];
            if self.have >= HEAD && self.have == self.wanted() {
                self.left = self.length() - (self.have - HEAD);
                self.have = 0;
                tell(self.frame());
            }
        }
    }

    /// The bytes of its beginning that say what a frame is.
    fn wanted(&self) -> usize {
        let is_goaway = self.have >= HEAD && self.head[3] == 7 && self.length() >= GOAWAY - HEAD;
        if is_goaway { GOAWAY } else { HEAD }
    }

    const fn length(&self) -> usize {
        u32::from_be_bytes([0, self.head[0], self.head[1], self.head[2]]) as usize
    }

    /// The number that stands in four bytes of the beginning.
    fn number(&self, at: usize) -> u32 {
        self.head[at..].first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes))
    }

    fn frame(&self) -> Frame {
        match self.head[3] {
            0 => Frame::Data(u32::try_from(self.length()).unwrap_or(u32::MAX)),
            1 => Frame::Headers(self.number(5) & (u32::MAX >> 1)),
            3 => Frame::Reset,
            4 => Frame::Settings,
            6 => Frame::Ping,
            7 if self.length() >= GOAWAY - HEAD => Frame::GoAway(self.number(HEAD + 4)),
            8 => Frame::WindowUpdate,
            9 => Frame::Continuation,
            _ => Frame::Other,
        }
    }
}

/// A `GOAWAY` frame: requests after this stream were not looked at.
pub(super) fn goaway(last_stream: u32, code: u32) -> [u8; GOAWAY] {
    let mut frame = [0; GOAWAY];
    frame[2] = 8;
    frame[3] = 7;
    frame[HEAD..HEAD + 4].copy_from_slice(&last_stream.to_be_bytes());
    frame[HEAD + 4..].copy_from_slice(&code.to_be_bytes());
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).unwrap();
        [&[0, 0, length, kind, 0, 0, 0, 0, stream][..], payload].concat()
    }

    // Seen to fail when what is left of a payload is not counted down across pieces.
    #[test]
    fn frames_are_seen_wherever_the_bytes_are_cut() {
        let bytes = [
            b"preface".to_vec(),
            frame(4, 0, &[0; 6]),
            frame(1, 5, b"fields"),
            frame(0, 5, &[]),
            frame(0, 5, &[9; 40]),
            goaway(5, 11).to_vec(),
            frame(7, 0, b"short"),
            frame(3, 5, &[0; 4]),
        ]
        .concat();
        let expected = [
            Frame::Settings,
            Frame::Headers(5),
            Frame::Data(0),
            Frame::Data(40),
            Frame::GoAway(11),
            Frame::Other,
            Frame::Reset,
        ];
        for size in 1..bytes.len() {
            let (mut frames, mut seen) = (Frames::after(7), Vec::new());
            for piece in bytes.chunks(size) {
                frames.take(piece, |frame| seen.push(frame));
            }
            assert_eq!(seen, expected, "pieces of {size}");
            assert!(frames.is_between());
        }
    }
}
