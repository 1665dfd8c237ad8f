//! The text of a vector that is kept while its components move one at a time.

use crate::moving_vector::MovingVector;
use crate::vector::{COMMON_WIDTH, COMPONENT_ROOM, SEPARATOR, has_text, push_component};
use crate::{ChannelTag, Position};

/// The text that [`crate::encode_vector`] would write of some positions, with a component for each of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenVector {
    text: String,
}

impl WrittenVector {
    /// Writes `items`, which are in ascending order of tags. `None`: some have no position, or one that no text can say, or tags
    /// of the shortest width do not tell all of them apart (of 64 channels, in one session of 130).
    #[must_use]
    pub fn of(items: impl ExactSizeIterator<Item = (ChannelTag, Option<Position>)>) -> Option<Self> {
        let mut text = String::with_capacity(COMMON_WIDTH.version().len_utf8() + items.len() * COMPONENT_ROOM);
        text.push(COMMON_WIDTH.version());
        let mut last = None;
        for (tag, position) in items {
            if last.is_some_and(|last| !COMMON_WIDTH.tells_apart(last, tag)) {
                return None;
            }
            if last.replace(tag).is_some() {
                text.push(SEPARATOR);
            }
            push_component(&mut text, COMMON_WIDTH, tag, position.filter(|position| has_text(*position))?);
        }
        last.map(|_| Self { text })
    }

    /// Writes another position in the component with this index, whose tag is `tag`. Returns whether there is a text of it;
    /// if not, the vector stays as it is.
    #[must_use]
    pub fn set(&mut self, index: usize, tag: ChannelTag, position: Position) -> bool {
        let Some((start, end)) = self.component(index).filter(|_| has_text(position)) else { return false };
        let mut component = String::with_capacity(COMPONENT_ROOM);
        push_component(&mut component, COMMON_WIDTH, tag, position);
        self.text.replace_range(start..end, &component);
        true
    }

    /// The vector while the component with this index, whose tag is `tag`, moves.
    #[must_use]
    pub fn moving(&self, index: usize, tag: ChannelTag) -> Option<MovingVector<'_>> {
        let (start, end) = self.component(index)?;
        Some(MovingVector::between(&self.text[..start], tag, &self.text[end..]))
    }

    /// Where a component begins and ends.
    fn component(&self, index: usize) -> Option<(usize, usize)> {
        let mut separators = memchr::memchr_iter(SEPARATOR as u8, self.text.as_bytes());
        let start = match index.checked_sub(1) {
            None => COMMON_WIDTH.version().len_utf8(),
            Some(before) => separators.nth(before)? + 1,
        };
        Some((start, separators.next().unwrap_or(self.text.len())))
    }
}

impl AsRef<str> for WrittenVector {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::encode_vector;
    use crate::moving_vector::tests::{position, tag};

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_000) })]

        // Seen to fail when the component before or after is written in its place.
        #[test]
        fn what_is_written_stays_the_text_of_all_positions(
            mut items in proptest::collection::vec((tag(), proptest::option::weighted(0.95, position())), 0..12),
            steps in proptest::collection::vec((any::<proptest::sample::Index>(), position()), 0..12),
        ) {
            items.sort_by_key(|(tag, _)| *tag);
            let Some(mut written) = WrittenVector::of(items.iter().copied()) else { return Ok(()) };
            for (index, step) in steps {
                let index = index.index(items.len());
                let has_moved = written.set(index, items[index].0, step);
                prop_assert_eq!(has_moved, has_text(step));
                if has_moved {
                    items[index].1 = Some(step);
                }
                let mut anew = String::new();
                encode_vector(&mut anew, &items);
                prop_assert_eq!(written.as_ref(), anew);
            }
        }
    }

    #[test]
    fn a_vector_of_no_channels_is_not_kept_and_has_no_component() {
        assert_eq!(WrittenVector::of(std::iter::empty()), None);
        let at = Some(Position::At(crate::EntryId { ms: 7, seq: 0 }));
        let mut one = WrittenVector::of([(ChannelTag::from_bits(1), at)].into_iter()).expect("one position");
        assert!(one.moving(1, ChannelTag::from_bits(2)).is_none());
        assert!(!one.set(1, ChannelTag::from_bits(2), Position::At(crate::EntryId { ms: 8, seq: 0 })));
    }
}
