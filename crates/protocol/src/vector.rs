//! The position of a stream of several channels.

use crate::base64::{self, U64_DIGITS};
use crate::limits::CHANNELS_PER_CONNECTION_MAX;
use crate::{ChannelName, ChannelTag, EntryId, Epoch, Position, PositionError};

/// Digits of the milliseconds in the short forms: 42 bits, enough until the year 2109.
const MS_DIGITS: usize = 7;
/// Most digits of the sequence number in the short form: 30 bits.
const SEQ_DIGITS_MAX: usize = 5;

const MS_SHORT_MAX: u64 = (1 << (6 * MS_DIGITS)) - 1;
const SEQ_SHORT_MAX: u64 = (1 << (6 * SEQ_DIGITS_MAX)) - 1;

/// How many characters of the channels' tags are written: the fewest that tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Width {
    /// 3 characters, 18 bits.
    V,
    /// 6 characters, 36 bits.
    W,
    /// 11 characters, all 64 bits.
    X,
}

impl Width {
    const fn version(self) -> char {
        match self {
            Self::V => 'v',
            Self::W => 'w',
            Self::X => 'x',
        }
    }

    fn of_version(version: u8) -> Option<Self> {
        match version {
            b'v' => Some(Self::V),
            b'w' => Some(Self::W),
            b'x' => Some(Self::X),
            _ => None,
        }
    }

    const fn digits(self) -> usize {
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

    /// The part of a tag that is written, in place.
    const fn prefix(self, tag: ChannelTag) -> u64 {
        tag.bits() >> self.dropped_bits() << self.dropped_bits()
    }

    /// The narrowest width that tells two neighbours apart. Equal tags cannot be told apart; the
    /// encoder never asks about them.
    fn between(left: ChannelTag, right: ChannelTag) -> Self {
        [Self::V, Self::W].into_iter().find(|width| width.prefix(left) != width.prefix(right)).unwrap_or(Self::X)
    }

    /// The narrowest width for tags in ascending order: only neighbours can share a prefix.
    fn for_sorted(tags: impl Iterator<Item = ChannelTag>) -> Self {
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
}

/// Positions of several channels, each under the tag of its channel.
///
/// As text: the version (`v`, `w` or `x`: tags of 3, 6 or 11 characters, the first width without
/// a collision), then the components in the order of their tags, joined by `.`:
///
/// - tag, 7 characters of milliseconds, 0 to 5 of sequence number;
/// - tag, `~`, 7 characters of milliseconds, 4 of epoch: the stream did not exist;
/// - tag, `~~`, 11 characters of milliseconds, 11 of sequence number: ids beyond the short form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PositionVector {
    width: Width,
    /// Ascending by tag; of each tag only the written bits are set.
    components: Vec<(ChannelTag, Position)>,
}

impl PositionVector {
    /// Parses exactly what [`encode_vector`] writes.
    ///
    /// # Errors
    /// Any other text, including other spellings of the same positions.
    pub fn parse(text: &str) -> Result<Self, PositionError> {
        Self::read(text.as_bytes()).ok_or(PositionError::Malformed)
    }

    fn read(text: &[u8]) -> Option<Self> {
        let (version, rest) = text.split_first()?;
        let width = Width::of_version(*version)?;
        let mut components: Vec<(ChannelTag, Position)> = Vec::new();
        if !rest.is_empty() {
            for component in rest.split(|byte| *byte == b'.') {
                if components.len() == CHANNELS_PER_CONNECTION_MAX {
                    return None;
                }
                let (tag, position) = read_component(width, component)?;
                if components.last().is_some_and(|(before, _)| *before >= tag) {
                    return None;
                }
                components.push((tag, position));
            }
        }
        let needed = Width::for_sorted(components.iter().map(|(tag, _)| *tag));
        (needed == width).then_some(Self { width, components })
    }

    /// How many channels have a position here.
    #[must_use]
    pub fn len(&self) -> usize {
        self.components.len()
    }

    /// Whether no channel has a position here.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.components.is_empty()
    }

    /// See [`crate::LastEventId::resolve`].
    pub(crate) fn resolve(&self, channels: &[ChannelName]) -> Vec<Option<Position>> {
        let prefixes: Vec<u64> = channels.iter().map(|channel| self.width.prefix(ChannelTag::of(channel))).collect();
        let mut sorted = prefixes.clone();
        sorted.sort_unstable();
        prefixes
            .into_iter()
            .map(|prefix| {
                let first = sorted.partition_point(|other| *other < prefix);
                let shared = sorted.get(first + 1) == Some(&prefix);
                if shared { None } else { self.find(prefix) }
            })
            .collect()
    }

    fn find(&self, prefix: u64) -> Option<Position> {
        self.components.binary_search_by_key(&prefix, |(tag, _)| tag.bits()).ok().map(|found| self.components[found].1)
    }
}

/// Appends the position of several channels; those without one are left out. With none at all the
/// text is the version alone, which every channel resolves to "unknown": an empty `id:` would
/// make the client forget its place.
///
/// Also left out, because no text could say them safely: two channels whose 64-bit tags are equal,
/// and an [`Position::Empty`] later than the year 2109. Does not allocate, apart from `out`, if
/// `items` is in ascending order of tags.
pub fn encode_vector(out: &mut String, items: &[(ChannelTag, Option<Position>)]) {
    if items.is_sorted_by_key(|(tag, _)| *tag) {
        encode_sorted(out, items);
    } else {
        let mut sorted = items.to_vec();
        sorted.sort_by_key(|(tag, _)| *tag);
        encode_sorted(out, &sorted);
    }
}

fn encode_sorted(out: &mut String, items: &[(ChannelTag, Option<Position>)]) {
    let written = || {
        items.iter().enumerate().filter_map(|(index, (tag, position))| {
            let twin =
                |other: Option<usize>| other.and_then(|other| items.get(other)).is_some_and(|(other, _)| other == tag);
            if twin(index.checked_sub(1)) || twin(index.checked_add(1)) {
                return None;
            }
            position.filter(|position| has_text(*position)).map(|position| (*tag, position))
        })
    };
    let width = Width::for_sorted(written().map(|(tag, _)| tag));
    out.push(width.version());
    for (index, (tag, position)) in written().enumerate() {
        if index > 0 {
            out.push('.');
        }
        push_component(out, width, tag, position);
    }
}

fn has_text(position: Position) -> bool {
    match position {
        Position::At(_) => true,
        Position::Empty { at_ms, .. } => at_ms <= MS_SHORT_MAX,
    }
}

fn is_short(id: EntryId) -> bool {
    id.ms <= MS_SHORT_MAX && id.seq <= SEQ_SHORT_MAX
}

fn push_component(out: &mut String, width: Width, tag: ChannelTag, position: Position) {
    push_tag(out, width, tag);
    match position {
        Position::At(id) if is_short(id) => {
            base64::push(out, id.ms, MS_DIGITS);
            base64::push(out, id.seq, base64::significant(id.seq));
        }
        Position::At(id) => {
            out.push_str("~~");
            base64::push(out, id.ms, U64_DIGITS);
            base64::push(out, id.seq, U64_DIGITS);
        }
        Position::Empty { at_ms, epoch } => {
            out.push('~');
            base64::push(out, at_ms, MS_DIGITS);
            epoch.push_to(out);
        }
    }
}

/// Writes the leading characters of the tag. All eleven hold 66 bits, so the tag stands to the
/// left and the last two bits are zero: then every shorter text is a prefix of every longer one.
fn push_tag(out: &mut String, width: Width, tag: ChannelTag) {
    let (high, low) = (tag.bits() >> 4, tag.bits() & 15);
    match width {
        Width::X => {
            base64::push(out, high, U64_DIGITS - 1);
            base64::push(out, low << 2, 1);
        }
        Width::V | Width::W => {
            base64::push(out, tag.bits() >> width.dropped_bits(), width.digits());
        }
    }
}

fn read_tag(width: Width, text: &[u8]) -> Option<ChannelTag> {
    let bits = match width {
        Width::X => {
            let (last, high) = text.split_last()?;
            let low = base64::read(&[*last])?;
            if low & 3 != 0 {
                return None;
            }
            base64::read(high)? << 4 | low >> 2
        }
        Width::V | Width::W => base64::read(text)? << width.dropped_bits(),
    };
    Some(ChannelTag::from_bits(bits))
}

fn read_component(width: Width, text: &[u8]) -> Option<(ChannelTag, Position)> {
    let (tag, rest) = text.split_at_checked(width.digits())?;
    let tag = read_tag(width, tag)?;
    let position = if let Some(long) = rest.strip_prefix(b"~~") {
        read_long(long)?
    } else if let Some(empty) = rest.strip_prefix(b"~") {
        let (ms, epoch) = empty.split_at_checked(MS_DIGITS)?;
        Position::Empty { at_ms: base64::read(ms)?, epoch: Epoch::read(epoch)? }
    } else {
        read_short(rest)?
    };
    Some((tag, position))
}

fn read_short(text: &[u8]) -> Option<Position> {
    let (ms, seq) = text.split_at_checked(MS_DIGITS)?;
    let id = EntryId { ms: base64::read(ms)?, seq: base64::read(seq)? };
    // The right length rules out leading zeros.
    let canonical = seq.len() <= SEQ_DIGITS_MAX && seq.len() == base64::significant(id.seq);
    canonical.then_some(Position::At(id))
}

fn read_long(text: &[u8]) -> Option<Position> {
    if text.len() != 2 * U64_DIGITS {
        return None;
    }
    let (ms, seq) = text.split_at(U64_DIGITS);
    let id = EntryId { ms: base64::read(ms)?, seq: base64::read(seq)? };
    (!is_short(id)).then_some(Position::At(id))
}
