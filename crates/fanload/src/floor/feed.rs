//! Frames of the feed: what a publisher tells the floor to write.
//!
//! A frame is the length of its data (`u32`, big-endian), the channel's index (`u32`, big-endian) and the data: those of
//! an event, without line breaks.

/// The longest data that is accepted, in bytes.
const DATA_MAX: usize = 16 * 1024 * 1024;

/// One event of the feed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Published<'a> {
    pub(super) channel: u32,
    pub(super) data: &'a [u8],
}

/// A frame that no publisher sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// Takes the next whole frame off the front of `bytes`; `None` when it is not complete.
pub(super) fn next<'a>(bytes: &mut &'a [u8]) -> Option<Result<Published<'a>, Malformed>> {
    let (length, rest) = bytes.split_first_chunk()?;
    let length = u32::from_be_bytes(*length) as usize;
    if length > DATA_MAX {
        return Some(Err(Malformed));
    }
    let (channel, rest) = rest.split_first_chunk()?;
    let (data, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    Some(Ok(Published { channel: u32::from_be_bytes(*channel), data }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_one_by_one_and_only_whole() {
        let bytes = b"\0\0\0\x03\0\0\0\x05abc\0\0\0\0\0\0\x01\0\0\0";
        let mut rest = &bytes[..];
        assert_eq!(next(&mut rest), Some(Ok(Published { channel: 5, data: b"abc" })));
        assert_eq!(next(&mut rest), Some(Ok(Published { channel: 256, data: b"" })));
        assert_eq!(next(&mut rest), None);
        assert_eq!(rest, b"\0\0");
        for cut in 0..11 {
            let mut part = &bytes[..cut];
            assert_eq!(next(&mut part), None, "cut at {cut}");
            assert_eq!(part.len(), cut, "nothing is taken");
        }
    }

    #[test]
    fn a_length_that_no_frame_has_is_an_error() {
        assert_eq!(next(&mut &b"\x7f\0\0\0abcd"[..]), Some(Err(Malformed)));
    }
}
