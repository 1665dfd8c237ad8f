//! What a published event says: `CHANNEL SEQUENCE MICROSECONDS xxxx…`.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

/// The facts in an event's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload {
    /// The index of the channel.
    pub channel: u32,
    /// The number of the event in its channel, from 1.
    pub sequence: u64,
    /// When it was published, or should have been: microseconds since 1970.
    pub at: u64,
}

impl Payload {
    /// The shortest data that always has room for the facts.
    pub const SHORTEST: usize = 64;

    /// Replaces `out` by data of exactly `bytes` bytes (or a few more, where the facts need them).
    pub fn write(&self, bytes: usize, out: &mut Vec<u8>) {
        out.clear();
        // Writing to a vector cannot fail.
        let _ = write!(out, "{} {} {} ", self.channel, self.sequence, self.at);
        if out.len() < bytes {
            out.resize(bytes, b'x');
        }
    }

    /// Reads the facts from the start of `data`.
    pub fn read(data: &[u8]) -> Option<Self> {
        let (channel, rest) = number(data)?;
        let (sequence, rest) = number(rest)?;
        let (at, _) = number(rest)?;
        Some(Self { channel: u32::try_from(channel).ok()?, sequence, at })
    }
}

/// Microseconds since 1970, now.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}

/// A number and the space behind it.
fn number(data: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for (index, &byte) in data.iter().enumerate() {
        match byte {
            b'0'..=b'9' => value = value.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?,
            b' ' if index > 0 => return Some((value, &data[index + 1..])),
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_at_its_full_length() {
        let payload = Payload { channel: 4_000_000_000, sequence: u64::MAX, at: now() };
        let mut data = Vec::new();
        for bytes in [Payload::SHORTEST, 200, 5_000] {
            payload.write(bytes, &mut data);
            assert_eq!(data.len(), bytes);
            assert_eq!(Payload::read(&data), Some(payload));
            assert_eq!(Payload::read(&data[..Payload::SHORTEST]), Some(payload));
        }
    }

    #[test]
    fn other_text_is_no_payload() {
        for text in
            ["", "hello", "1 2", "1 2 3", " 1 2 3 ", "-1 2 3 x", "99999999999999999999999 1 1 ", "5000000000 1 1 "]
        {
            assert_eq!(Payload::read(text.as_bytes()), None, "{text:?}");
        }
    }
}
