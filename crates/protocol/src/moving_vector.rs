//! The position of a stream of several channels while one of them moves.

use crate::vector::{encode_sorted, has_text, push_component};
use crate::width::Width;
use crate::{ChannelTag, Position};

/// The positions of several channels, of which one moves again and again. Each text is what [`crate::encode_vector`] would
/// write; what it says of the other channels is encoded once.
#[derive(Clone, Debug)]
pub struct MovingVector {
    /// The tag of the channel that moves.
    tag: ChannelTag,
    others: Others,
}

/// What is said of the channels that do not move.
#[derive(Clone, Debug)]
enum Others {
    /// A text without the component of the one that moves, and where that belongs. Tags have the shortest width.
    Text { text: String, split: usize },
    /// Some have no position, or the shortest width does not tell all tags apart (of 64 channels, in one session of 130): then
    /// the text is made anew each time. With the index of the one that moves.
    Items(Vec<(ChannelTag, Option<Position>)>, usize),
}

impl MovingVector {
    /// `items` are in ascending order of tags; the channel with the index `moving` is the one that moves.
    ///
    /// # Panics
    /// If there is no item with that index.
    #[must_use]
    pub fn new(items: impl ExactSizeIterator<Item = (ChannelTag, Option<Position>)> + Clone, moving: usize) -> Self {
        debug_assert!(items.clone().is_sorted_by_key(|(tag, _)| tag), "a vector is in the order of tags");
        let (tag, _) = items.clone().nth(moving).expect("the index of an item");
        let others = encode(items.clone(), moving).unwrap_or_else(|| Others::Items(items.collect(), moving));
        Self { tag, others }
    }

    /// Moves the channel and appends the text of all positions.
    pub fn advance(&mut self, position: Position, out: &mut String) {
        match &mut self.others {
            Others::Text { text, split } => {
                let (before, after) = text.split_at(*split);
                if has_text(position) {
                    out.push_str(before);
                    push_component(out, WIDTH, self.tag, position);
                    out.push_str(after);
                } else if let Some(before) = before.strip_suffix('.') {
                    out.extend([before, after]);
                } else {
                    out.extend([before, after.strip_prefix('.').unwrap_or(after)]);
                }
            }
            Others::Items(items, moving) => {
                items[*moving].1 = Some(position);
                encode_sorted(out, items);
            }
        }
    }
}

/// The width of almost every vector.
const WIDTH: Width = Width::V;

/// One pass over all channels. `None`: not each of the others has a position that a text can say, or tags of this width do not
/// tell all of them apart.
fn encode(items: impl ExactSizeIterator<Item = (ChannelTag, Option<Position>)>, moving: usize) -> Option<Others> {
    // A tag, seven characters of milliseconds, mostly one or two of sequence number, and what joins them.
    let mut text = String::with_capacity(items.len() * (WIDTH.digits() + 10) + 1);
    text.push(WIDTH.version());
    let (mut split, mut last) = (text.len(), None);
    for (index, (tag, position)) in items.enumerate() {
        if last.is_some_and(|last| !WIDTH.tells_apart(last, tag)) {
            return None;
        }
        if last.replace(tag).is_some() {
            text.push('.');
        }
        if index == moving {
            split = text.len();
        } else {
            push_component(&mut text, WIDTH, tag, position.filter(|position| has_text(*position))?);
        }
    }
    Some(Others::Text { text, split })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{EntryId, Epoch, encode_vector};

    fn position() -> impl Strategy<Value = Position> {
        prop_oneof![
            4 => (any::<u32>(), 0..200u64).prop_map(|(ms, seq)| Position::At(EntryId { ms: u64::from(ms), seq })),
            1 => (any::<u64>(), any::<u64>()).prop_map(|(ms, seq)| Position::At(EntryId { ms, seq })),
            // Half of them are later than a vector can say.
            1 => (0..1u64 << 43, any::<u32>())
                .prop_map(|(at_ms, bits)| Position::Absent { at_ms, epoch: Epoch::from_bits(bits) }),
        ]
    }

    /// Tags that differ, share the first three or six characters, or are equal.
    fn tag() -> impl Strategy<Value = ChannelTag> {
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
            let mut vector = MovingVector::new(items.iter().copied(), index);
            for step in steps {
                items[index].1 = Some(step);
                let (mut text, mut anew) = (String::from("id: "), String::from("id: "));
                vector.advance(step, &mut text);
                encode_vector(&mut anew, &items);
                prop_assert_eq!(text, anew);
            }
        }
    }
}
