//! Where a frame of RESP3 ends (<https://redis.io/docs/latest/develop/reference/protocol-spec/>), and whether it is a message of a
//! Pub/Sub channel. Nothing else of it is understood here.

use std::ops::Range;

/// What stands at the beginning of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// A message: where its channel and its payload are, and its length.
    Message { channel: Range<usize>, payload: Range<usize>, length: usize },
    /// Anything else of this length.
    Other { length: usize },
    /// Not all of a frame.
    Incomplete,
    /// No RESP3.
    Unreadable,
}

/// What every message begins with: a push of three, of which this is the first.
const MESSAGE: &[u8] = b">3\r\n$7\r\nmessage\r\n";

/// Digits of a length. Redis itself allows 512 MB for a string by default.
const DIGITS_MAX: usize = 18;

/// Why there is no end.
enum Stop {
    Incomplete,
    Unreadable,
}

impl Frame {
    /// The first frame in these bytes.
    pub(super) fn at_start(bytes: &[u8]) -> Self {
        let begun = bytes.len().min(MESSAGE.len());
        if bytes[..begun] != MESSAGE[..begun] {
            return end(bytes).map_or_else(Self::from, |length| Self::Other { length });
        }
        if begun < MESSAGE.len() {
            return Self::Incomplete;
        }
        message(bytes).unwrap_or_else(Self::from)
    }
}

impl From<Stop> for Frame {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Incomplete => Self::Incomplete,
            Stop::Unreadable => Self::Unreadable,
        }
    }
}

fn message(bytes: &[u8]) -> Result<Frame, Stop> {
    let channel = string(bytes, MESSAGE.len())?;
    let payload = string(bytes, channel.end + 2)?;
    let length = payload.end + 2;
    Ok(Frame::Message { channel, payload, length })
}

/// Where the text of the string at `at` is.
fn string(bytes: &[u8], at: usize) -> Result<Range<usize>, Stop> {
    match bytes.get(at) {
        Some(b'$') => {}
        Some(_) => return Err(Stop::Unreadable),
        None => return Err(Stop::Incomplete),
    }
    let (size, start) = count(bytes, at + 1)?;
    let text = start..start + size.ok_or(Stop::Unreadable)?;
    if bytes.len() < text.end + 2 {
        return Err(Stop::Incomplete);
    }
    Ok(text)
}

/// The end of the frame that begins these bytes.
fn end(bytes: &[u8]) -> Result<usize, Stop> {
    let (mut at, mut values) = (0, 1usize);
    while values > 0 {
        values -= 1;
        let kind = *bytes.get(at).ok_or(Stop::Incomplete)?;
        let (more, next) = match kind {
            b'+' | b'-' | b':' | b'_' | b'#' | b',' | b'(' => (0, line(bytes, at + 1)?.end + 2),
            b'$' | b'!' | b'=' => {
                let (size, start) = count(bytes, at + 1)?;
                (0, size.map_or(start, |size| start + size + 2))
            }
            b'*' | b'~' | b'>' => counted(bytes, at, 1, 0)?,
            b'%' => counted(bytes, at, 2, 0)?,
            // Attributes stand before the value that they belong to.
            b'|' => counted(bytes, at, 2, 1)?,
            _ => return Err(Stop::Unreadable),
        };
        values = values.saturating_add(more);
        at = next;
        if bytes.len() < at {
            return Err(Stop::Incomplete);
        }
    }
    Ok(at)
}

/// How many values an aggregate at `at` has, and where they begin.
fn counted(bytes: &[u8], at: usize, each: usize, beside: usize) -> Result<(usize, usize), Stop> {
    let (count, next) = count(bytes, at + 1)?;
    Ok((count.unwrap_or(0).saturating_mul(each).saturating_add(beside), next))
}

/// The number in the line at `at`, `None` for -1, and where the next line begins.
fn count(bytes: &[u8], at: usize) -> Result<(Option<usize>, usize), Stop> {
    let line = line(bytes, at)?;
    let next = line.end + 2;
    let digits = &bytes[line];
    if digits == b"-1" {
        return Ok((None, next));
    }
    if digits.is_empty() || digits.len() > DIGITS_MAX || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Stop::Unreadable);
    }
    let number = digits.iter().fold(0, |number, digit| number * 10 + usize::from(digit - b'0'));
    Ok((Some(number), next))
}

/// The line at `at`, without its end.
fn line(bytes: &[u8], at: usize) -> Result<Range<usize>, Stop> {
    let rest = bytes.get(at..).ok_or(Stop::Incomplete)?;
    let length = rest.windows(2).position(|pair| pair == b"\r\n").ok_or(Stop::Incomplete)?;
    Ok(at..at + length)
}
