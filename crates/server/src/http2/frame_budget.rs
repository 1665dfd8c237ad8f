//! How many frames that carry no request a client may send. hyper answers each of them, or remembers something of it, and would go on
//! for ever: a client that sends nothing else costs a core's time and gets nothing.

use fanfare_protocol::limits::{HTTP2_FRAMES_AT_ONCE, HTTP2_FRAMES_PER_ANSWER, HTTP2_FRAMES_PER_SECOND};
use tokio::time::Instant;

/// What is left of it.
#[derive(Debug)]
pub(super) struct FrameBudget {
    left: u32,
    /// Up to when frames have been given back for the time that passed.
    since: Instant,
}

impl FrameBudget {
    pub(super) const fn new(now: Instant) -> Self {
        Self { left: HTTP2_FRAMES_AT_ONCE, since: now }
    }

    /// The client gets a frame of an answer.
    pub(super) fn give(&mut self) {
        self.left = HTTP2_FRAMES_AT_ONCE.min(self.left + HTTP2_FRAMES_PER_ANSWER);
    }

    /// The client has sent one more. `false`: one too many.
    pub(super) fn take(&mut self) -> bool {
        if self.left == 0 {
            // Asked for seldom: a client that stays within what it gets for its answers needs no clock.
            let now = Instant::now();
            let earned = (now - self.since).as_millis() * u128::from(HTTP2_FRAMES_PER_SECOND) / 1_000;
            self.left = u32::try_from(earned).unwrap_or(u32::MAX).min(HTTP2_FRAMES_AT_ONCE);
            if self.left > 0 {
                self.since = now;
            }
        }
        match self.left.checked_sub(1) {
            Some(left) => self.left = left,
            None => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::advance;

    use super::*;

    fn taken(budget: &mut FrameBudget) -> u32 {
        let mut taken = 0;
        while taken < 10_000 && budget.take() {
            taken += 1;
        }
        taken
    }

    #[tokio::test(start_paused = true)]
    async fn frames_are_given_back_with_time_and_with_answers_and_no_more_than_at_once() {
        let mut budget = FrameBudget::new(Instant::now());
        assert_eq!(taken(&mut budget), HTTP2_FRAMES_AT_ONCE);
        advance(Duration::from_secs(2)).await;
        assert_eq!(taken(&mut budget), 2 * HTTP2_FRAMES_PER_SECOND);
        assert!(!budget.take());
        budget.give();
        assert_eq!(taken(&mut budget), HTTP2_FRAMES_PER_ANSWER);
        (0..10_000).for_each(|_| budget.give());
        advance(Duration::from_secs(1_000)).await;
        assert_eq!(taken(&mut budget), 2 * HTTP2_FRAMES_AT_ONCE, "what there is, and once more what time has brought");
    }
}
