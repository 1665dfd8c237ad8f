//! Which life of the Redis data a position belongs to.

use crate::{base64, hash};
use std::fmt;

/// 24 bits that identify one life of the Redis data: a hash of a random key that the nodes set
/// once. After `FLUSHALL` or a switch to an empty server the key, and so the epoch, is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(u32);

impl Epoch {
    pub(crate) const DIGITS: usize = 4;
    const MASK: u32 = (1 << 24) - 1;

    /// The epoch of the random value stored in Redis. The same bytes give the same epoch on every
    /// node and in every version.
    #[must_use]
    pub fn from_key(key: &[u8]) -> Self {
        Self::from_bits((hash::stable(key) >> 40) as u32)
    }

    /// The epoch with these 24 bits; higher bits are ignored.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits & Self::MASK)
    }

    /// The 24 bits.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    pub(crate) fn push_to(self, out: &mut String) {
        base64::push(out, u64::from(self.0), Self::DIGITS);
    }

    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        if text.len() != Self::DIGITS {
            return None;
        }
        // Four digits are 24 bits, so the narrowing loses nothing.
        base64::read(text).map(|bits| Self(bits as u32))
    }
}

/// Four characters of `[0-9A-Za-z_-]`.
impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(Self::DIGITS);
        self.push_to(&mut text);
        f.write_str(&text)
    }
}
