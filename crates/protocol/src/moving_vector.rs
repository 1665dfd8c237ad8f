//! The position of a stream of several channels while one of them moves.

use crate::vector::{COMMON_WIDTH, COMPONENT_ROOM, SEPARATOR, encode_sorted, has_text, push_component};
use crate::{ChannelTag, Position};

/// The positions of several channels, of which one moves again and again. Each text is what [`crate::encode_vector`] would
/// write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovingVector<'a>(Others<'a>);

/// What is said of the channels that do not move.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Others<'a> {
    /// Texts between which the component of this tag belongs (see [`crate::WrittenVector`]).
    Texts { before: &'a str, tag: ChannelTag, after: &'a str },
    /// Then the text is made anew each time. With the index of the one that moves.
    Items(Vec<(ChannelTag, Option<Position>)>, usize),
}

impl<'a> MovingVector<'a> {
    /// `items` are in ascending order of tags; the channel with the index `moving` is the one that moves.
    #[must_use]
    pub fn of(items: Vec<(ChannelTag, Option<Position>)>, moving: usize) -> Self {
        debug_assert!(items.is_sorted_by_key(|(tag, _)| tag), "a vector is in the order of tags");
        Self(Others::Items(items, moving))
    }

    /// The component of `tag` moves between these texts.
    pub(crate) const fn between(before: &'a str, tag: ChannelTag, after: &'a str) -> Self {
        Self(Others::Texts { before, tag, after })
    }

    /// Moves the channel and appends the text of all positions.
    pub fn advance(&mut self, position: Position, out: &mut String) {
        match &mut self.0 {
            Others::Texts { before, tag, after } => {
                if has_text(position) {
                    out.push_str(before);
                    push_component(out, COMMON_WIDTH, *tag, position);
                    out.push_str(after);
                } else if let Some(before) = before.strip_suffix(SEPARATOR) {
                    out.extend([before, *after]);
                } else {
                    out.extend([*before, after.strip_prefix(SEPARATOR).unwrap_or(after)]);
                }
            }
            Others::Items(items, moving) => {
                if let Some((_, moving)) = items.get_mut(*moving) {
                    *moving = Some(position);
                }
                encode_sorted(out, items);
            }
        }
    }

    /// Room for the text, in bytes, unless its numbers are large.
    #[must_use]
    pub fn room(&self) -> usize {
        match &self.0 {
            Others::Texts { before, after, .. } => before.len() + after.len() + COMPONENT_ROOM,
            Others::Items(items, _) => items.len() * COMPONENT_ROOM,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{EntryId, Epoch, WrittenVector, encode_vector};

    pub(crate) fn position() -> impl Strategy<Value = Position> {
        prop_oneof![
            4 => (any::<u32>(), 0..200u64).prop_map(|(ms, seq)| Position::At(EntryId { ms: u64::from(ms), seq })),
            1 => (any::<u64>(), any::<u64>()).prop_map(|(ms, seq)| Position::At(EntryId { ms, seq })),
            // Half of them are later than a vector can say.
            1 => (0..1u64 << 43, any::<u32>())
                .prop_map(|(at_ms, bits)| Position::Absent { at_ms, epoch: Epoch::from_bits(bits) }),
        ]
    }

    /// Tags that differ, share the first three or six characters, or are equal.
    pub(crate) fn tag() -> impl Strategy<Value = ChannelTag> {
        prop_oneof![any::<u64>(), (0..4u64).prop_map(|bits| bits << 40), 0..4u64].prop_map(ChannelTag::from_bits)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_000) })]

        // Seen to fail when a position that no text can say is written, and when the width is that of the others alone.
        #[test]
        fn each_step_has_the_text_of_a_vector_that_is_encoded_anew(
            mut items in proptest::collection::vec((tag(), proptest::option::weighted(0.8, position())), 1..12),
            moving in any::<proptest::sample::Index>(),
            steps in proptest::collection::vec(position(), 1..5),
        ) {
            items.sort_by_key(|(tag, _)| *tag);
            let index = moving.index(items.len());
            let written = WrittenVector::of(items.iter().copied());
            let mut vectors = vec![MovingVector::of(items.clone(), index)];
            vectors.extend(written.iter().filter_map(|written| written.moving(index, items[index].0)));
            for step in steps {
                items[index].1 = Some(step);
                let mut anew = String::from("id: ");
                encode_vector(&mut anew, &items);
                for vector in &mut vectors {
                    let mut text = String::from("id: ");
                    vector.advance(step, &mut text);
                    prop_assert_eq!(&text, &anew);
                }
            }
        }
    }
}
