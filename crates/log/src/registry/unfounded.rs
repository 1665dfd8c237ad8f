//! When operators are told of messages that name entries which their streams do not have.

use fanfare_protocol::limits::UNFOUNDED_TOGETHER;
use tokio::time::Instant;

/// One alone tells nothing: a stream may have been deleted right behind a message. Two that come together are told, and no more until there
/// was none for as long.
#[derive(Debug, Default)]
pub(super) struct Unfounded {
    last: Option<Instant>,
    is_told: bool,
}

impl Unfounded {
    /// So many messages were found to be without their entries. Returns whether that is to be told.
    pub(super) fn note(&mut self, count: usize, now: Instant) -> bool {
        let is_together =
            self.last.replace(now).is_some_and(|last| now.saturating_duration_since(last) < UNFOUNDED_TOGETHER);
        self.is_told &= is_together;
        (is_together || count > 1) && !std::mem::replace(&mut self.is_told, true)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    // Seen to fail when one alone is told.
    #[test]
    fn two_that_come_together_are_told_and_no_more_until_there_was_none_for_long() {
        let (mut unfounded, began) = (Unfounded::default(), Instant::now());
        let mut told = |count, seconds| unfounded.note(count, began + Duration::from_secs(seconds));
        assert!(!told(1, 0), "one alone");
        assert!(!told(1, 2_000), "another one alone");
        assert!(told(1, 2_001) && !told(1, 2_002) && !told(5, 3_000));
        assert!(!told(1, 5_000) && told(1, 5_001), "the next time");
        assert!(told(2, 9_000), "two at once");
    }
}
