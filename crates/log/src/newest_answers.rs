//! Where the newest entries of a channel begin, for readers who ask for as many as somebody did before.

use std::collections::VecDeque;

use fanfare_protocol::limits::NEWEST_ANSWERS_MAX;

use crate::archive::Newest;

/// The latest answers, by the number that was asked for, the oldest first. A reader whose answer was pushed out asks again.
#[derive(Debug, Default)]
pub struct NewestAnswers(VecDeque<(usize, Newest)>);

impl NewestAnswers {
    /// Where the newest `count` entries begin, if that was asked lately.
    #[must_use]
    pub fn get(&self, count: usize) -> Option<Newest> {
        self.0.iter().find(|(asked, _)| *asked == count).map(|(_, newest)| *newest)
    }

    /// Keeps an answer, in place of the oldest if there are too many.
    pub fn insert(&mut self, count: usize, newest: Newest) {
        self.0.retain(|(asked, _)| *asked != count);
        if self.0.len() >= NEWEST_ANSWERS_MAX {
            self.0.pop_front();
        }
        self.0.push_back((count, newest));
    }

    /// Forgets them: they may not be true any more. What is seldom asked for takes no memory then.
    pub fn clear(&mut self) {
        self.0 = VecDeque::new();
    }
}

#[cfg(test)]
mod tests {
    use fanfare_protocol::EntryId;

    use super::*;

    // Seen to fail when all answers are kept.
    #[test]
    fn the_latest_answers_are_kept() {
        let newest = |ms| Newest::From(EntryId { ms, seq: 0 });
        let mut answers = NewestAnswers::default();
        (1..=1_000).for_each(|count| answers.insert(count, newest(1)));
        answers.insert(1_000, newest(2));
        assert_eq!(answers.0.len(), NEWEST_ANSWERS_MAX);
        assert_eq!((answers.get(1_000), answers.get(999)), (Some(newest(2)), Some(newest(1))));
        let oldest = 1_001 - NEWEST_ANSWERS_MAX;
        assert_eq!((answers.get(oldest), answers.get(oldest - 1)), (Some(newest(1)), None));
        answers.clear();
        assert_eq!(answers.get(1_000), None);
    }
}
