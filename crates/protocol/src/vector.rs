//! The position of a stream of several channels.

use crate::base64::{self, U64_DIGITS};
use crate::limits::CHANNELS_PER_CONNECTION_MAX;
use crate::width::Width;
use crate::{ChannelName, ChannelTag, EntryId, Epoch, Position, PositionError};
use std::fmt;

/// Digits of the milliseconds in the short forms: 42 bits, enough until the year 2109.
const MS_DIGITS: usize = 7;
/// Most digits of the sequence number in the short form: 30 bits.
const SEQ_DIGITS_MAX: usize = 5;

const MS_SHORT_MAX: u64 = (1 << (6 * MS_DIGITS)) - 1;
const SEQ_SHORT_MAX: u64 = (1 << (6 * SEQ_DIGITS_MAX)) - 1;

/// The width of almost every vector.
pub(crate) const COMMON_WIDTH: Width = Width::V;

/// What joins components. No digit is it.
pub(crate) const SEPARATOR: char = '.';

/// Room for one of its components: a tag, milliseconds, mostly up to two digits of sequence number, and what joins them.
pub(crate) const COMPONENT_ROOM: usize = COMMON_WIDTH.digits() + MS_DIGITS + 3;

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
            for component in rest.split(|byte| *byte == SEPARATOR as u8) {
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
        let prefixes: Vec<ChannelTag> =
            channels.iter().map(|channel| self.width.prefix(ChannelTag::of(channel))).collect();
        let mut sorted = prefixes.clone();
        sorted.sort_unstable();
        let shared = |prefix: ChannelTag| {
            let first = sorted.partition_point(|other| *other < prefix);
            sorted.get(first + 1) == Some(&prefix)
        };
        prefixes.into_iter().map(|prefix| if shared(prefix) { None } else { self.find(prefix) }).collect()
    }

    fn find(&self, prefix: ChannelTag) -> Option<Position> {
        let found = self.components.binary_search_by_key(&prefix, |(tag, _)| *tag).ok()?;
        Some(self.components[found].1)
    }
}

/// The text that it was parsed from.
impl fmt::Display for PositionVector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        write_components(&mut text, self.width, self.components.iter().copied());
        f.pad(&text)
    }
}

/// Appends the position of several channels; those without one are left out. With none at all the
/// text is the version alone, which every channel resolves to "unknown": an empty `id:` would
/// make the client forget its place.
///
/// Also left out, because no text could say them safely: two channels whose 64-bit tags are equal,
/// and an [`Position::Absent`] later than the year 2109. Does not allocate, apart from `out`, if
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

pub(crate) fn encode_sorted(out: &mut String, items: &[(ChannelTag, Option<Position>)]) {
    let written = || {
        items.iter().enumerate().filter_map(|(index, (tag, position))| {
            let position = position.filter(|position| has_text(*position))?;
            (!has_twin(items, index)).then_some((*tag, position))
        })
    };
    let width = Width::for_sorted(written().map(|(tag, _)| tag));
    write_components(out, width, written());
}

/// Whether another of `items`, which are in ascending order of tags, has the tag of this one.
fn has_twin(items: &[(ChannelTag, Option<Position>)], index: usize) -> bool {
    let is_twin = |other: usize| items.get(other).is_some_and(|(tag, _)| *tag == items[index].0);
    is_twin(index.wrapping_sub(1)) || is_twin(index + 1)
}

fn write_components(out: &mut String, width: Width, components: impl Iterator<Item = (ChannelTag, Position)>) {
    out.push(width.version());
    for (index, (tag, position)) in components.enumerate() {
        if index > 0 {
            out.push(SEPARATOR);
        }
        push_component(out, width, tag, position);
    }
}

pub(crate) fn has_text(position: Position) -> bool {
    match position {
        Position::At(_) => true,
        Position::Absent { at_ms, .. } => at_ms <= MS_SHORT_MAX,
    }
}

fn is_short(id: EntryId) -> bool {
    id.ms <= MS_SHORT_MAX && id.seq <= SEQ_SHORT_MAX
}

pub(crate) fn push_component(out: &mut String, width: Width, tag: ChannelTag, position: Position) {
    match position {
        Position::At(id) if is_short(id) => push_short(out, width, tag, id),
        Position::At(id) => {
            width.push_tag(out, tag);
            out.push_str("~~");
            base64::push(out, id.ms, U64_DIGITS);
            base64::push(out, id.seq, U64_DIGITS);
        }
        Position::Absent { at_ms, epoch } => {
            width.push_tag(out, tag);
            out.push('~');
            base64::push(out, at_ms, MS_DIGITS);
            epoch.push_to(out);
        }
    }
}

/// The form of almost every component of almost every event, so it is put together on the stack first.
fn push_short(out: &mut String, width: Width, tag: ChannelTag, id: EntryId) {
    let mut text = [0; U64_DIGITS + MS_DIGITS + SEQ_DIGITS_MAX];
    let (ms, seq) = (width.digits(), width.digits() + MS_DIGITS);
    let end = seq + base64::significant(id.seq);
    width.fill_tag(&mut text[..ms], tag);
    base64::fill(&mut text[ms..seq], id.ms);
    base64::fill(&mut text[seq..end], id.seq);
    out.push_str(std::str::from_utf8(&text[..end]).expect("digits are ASCII"));
}

fn read_component(width: Width, text: &[u8]) -> Option<(ChannelTag, Position)> {
    let (tag, rest) = text.split_at_checked(width.digits())?;
    let tag = width.read_tag(tag)?;
    let position = if let Some(long) = rest.strip_prefix(b"~~") {
        read_long(long)?
    } else if let Some(empty) = rest.strip_prefix(b"~") {
        let (ms, epoch) = empty.split_at_checked(MS_DIGITS)?;
        Position::Absent { at_ms: base64::read(ms)?, epoch: Epoch::read(epoch)? }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_with_equal_tags_are_left_out_because_neither_could_be_found_again() {
        let at = |ms| Some(Position::At(EntryId { ms, seq: 0 }));
        let (one, other) = (ChannelTag::from_bits(7 << 46), ChannelTag::from_bits(1 << 60));
        for items in [[(one, at(1)), (one, at(2)), (other, at(3))], [(other, at(3)), (one, at(1)), (one, None)]] {
            let mut text = String::new();
            encode_vector(&mut text, &items);
            assert_eq!(text, "v4000000003");
        }
    }

    #[test]
    fn a_vector_is_appended_to_what_is_there() {
        let mut text = String::from("id: ");
        encode_vector(&mut text, &[]);
        assert_eq!(text, "id: v");
    }
}
