//! How many characters of a channel's tag a position spends.

use crate::ChannelTag;
use crate::base64::{self, U64_DIGITS};

/// The fewest characters of the channels' tags that tell them apart.
///
/// All eleven characters of a tag hold 66 bits. The 64 bits of the tag stand to the left, so every shorter text is a
/// prefix of every longer one and the order by text value is the order of the tags, whatever the width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Width {
    /// 3 characters, 18 bits.
    V,
    /// 6 characters, 36 bits.
    W,
    /// 11 characters, all 64 bits.
    X,
}

impl Width {
    pub(crate) const fn version(self) -> char {
        match self {
            Self::V => 'v',
            Self::W => 'w',
            Self::X => 'x',
        }
    }

    pub(crate) const fn of_version(version: u8) -> Option<Self> {
        match version {
            b'v' => Some(Self::V),
            b'w' => Some(Self::W),
            b'x' => Some(Self::X),
            _ => None,
        }
    }

    /// Characters of a tag that are written.
    pub(crate) const fn digits(self) -> usize {
        match self {
            Self::V => 3,
            Self::W => 6,
            Self::X => U64_DIGITS,
        }
    }

    /// Bits of a tag that are not written.
    const fn dropped_bits(self) -> u32 {
        match self {
            Self::V => 64 - 18,
            Self::W => 64 - 36,
            Self::X => 0,
        }
    }

    /// The part of a tag that is written; the other bits are zero.
    pub(crate) const fn prefix(self, tag: ChannelTag) -> ChannelTag {
        ChannelTag::from_bits(tag.bits() >> self.dropped_bits() << self.dropped_bits())
    }

    /// The narrowest width for tags in ascending order: only neighbours can share a prefix.
    pub(crate) fn for_sorted(tags: impl Iterator<Item = ChannelTag>) -> Self {
        let mut width = Self::V;
        let mut before = None;
        for tag in tags {
            if let Some(before) = before {
                width = width.max(Self::between(before, tag));
            }
            before = Some(tag);
        }
        width
    }

    /// The narrowest width that tells two tags apart. Equal tags cannot be told apart; the encoder never asks.
    const fn between(left: ChannelTag, right: ChannelTag) -> Self {
        if Self::V.tells_apart(left, right) {
            Self::V
        } else if Self::W.tells_apart(left, right) {
            Self::W
        } else {
            Self::X
        }
    }

    /// Whether what is written of two tags differs.
    pub(crate) const fn tells_apart(self, left: ChannelTag, right: ChannelTag) -> bool {
        (left.bits() ^ right.bits()) >> self.dropped_bits() != 0
    }

    /// Fills `out`, which has as many characters as this width, with those of a tag.
    pub(crate) fn fill_tag(self, out: &mut [u8], tag: ChannelTag) {
        match (self, out) {
            (Self::X, [high @ .., low]) => {
                base64::fill(high, tag.bits() >> 4);
                base64::fill(std::slice::from_mut(low), (tag.bits() & 15) << 2);
            }
            (_, out) => base64::fill(out, tag.bits() >> self.dropped_bits()),
        }
    }

    /// Appends the leading characters of a tag.
    pub(crate) fn push_tag(self, out: &mut String, tag: ChannelTag) {
        let mut text = [0; U64_DIGITS];
        let text = &mut text[..self.digits()];
        self.fill_tag(text, tag);
        out.push_str(std::str::from_utf8(text).expect("digits are ASCII"));
    }

    /// Reads the characters of a tag, as many as this width has.
    pub(crate) fn read_tag(self, text: &[u8]) -> Option<ChannelTag> {
        let bits = match self {
            Self::X => {
                let (last, high) = text.split_last()?;
                let low = base64::read(&[*last])?;
                if low & 3 != 0 {
                    return None;
                }
                base64::read(high)? << 4 | low >> 2
            }
            Self::V | Self::W => base64::read(text)? << self.dropped_bits(),
        };
        Some(ChannelTag::from_bits(bits))
    }
}
