//! Some of the channels of a session.

use fanfare_protocol::limits::CHANNELS_PER_CONNECTION_MAX;

use crate::due::Due;

const WORD: usize = u64::BITS as usize;
const WORDS: usize = CHANNELS_PER_CONNECTION_MAX.div_ceil(WORD);

/// Some of the channels of a session, by index: those that a delivery has not asked yet, or that had something when asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ChannelSet([u64; WORDS]);

impl ChannelSet {
    /// Those of `count` channels that may have something.
    pub(super) fn of(due: Due, count: usize) -> Self {
        let mut set = Self([0; WORDS]);
        match due {
            Due::Nothing => {}
            Due::Channel(index) if usize::from(index) < count => set.insert(usize::from(index)),
            Due::Channel(_) | Due::Any => (0..count).for_each(|index| set.insert(index)),
        }
        set
    }

    pub(super) fn insert(&mut self, index: usize) {
        self.0[index / WORD] |= 1 << (index % WORD);
    }

    pub(super) fn remove(&mut self, index: usize) {
        self.0[index / WORD] &= !(1 << (index % WORD));
    }

    /// The first at this index or after it, and around.
    pub(super) fn next(&self, index: usize) -> Option<usize> {
        let word = index / WORD;
        let later = self.0[word] & (u64::MAX << (index % WORD));
        if later != 0 {
            return Some(first(word, later));
        }
        (1..=WORDS).map(|step| (word + step) % WORDS).find_map(|word| match self.0[word] {
            0 => None,
            bits => Some(first(word, bits)),
        })
    }

    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }
}

fn first(word: usize, bits: u64) -> usize {
    word * WORD + bits.trailing_zeros() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_found_in_turn_and_around() {
        let mut set = ChannelSet::of(Due::Nothing, 256);
        assert_eq!((set.next(3), set.len()), (None, 0));
        [3, 64, 255].into_iter().for_each(|index| set.insert(index));
        let found = [0, 3, 4, 64, 65, 255].map(|from| set.next(from));
        assert_eq!(found, [3, 3, 64, 64, 255, 255].map(Some));
        set.remove(255);
        assert_eq!(set.next(200), Some(3));
        set.remove(64);
        assert_eq!(set.next(4), Some(3), "around, to the same word");
    }

    #[test]
    fn what_is_due_are_channels_that_the_session_has() {
        let set =
            |due| (0..256).filter(|index| ChannelSet::of(due, 66).next(*index) == Some(*index)).collect::<Vec<_>>();
        assert!(set(Due::Nothing).is_empty());
        assert_eq!(set(Due::Channel(65)), [65]);
        assert_eq!(set(Due::Any), (0..66).collect::<Vec<_>>());
        assert_eq!(set(Due::Channel(66)), set(Due::Any), "that was meant for another session");
    }
}
