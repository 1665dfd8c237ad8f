//! Log lines about single channels, of which there may be a hundred thousand.

/// So many are logged one by one; the others are counted.
pub(super) const LOGGED_MAX: u64 = 10;

/// Lets the first few of a kind through, until [`LogLimit::renew`].
#[derive(Debug, Default)]
pub(super) struct LogLimit {
    made: u64,
}

impl LogLimit {
    /// Counts one more. Whether it is to be logged.
    pub(super) fn admit(&mut self) -> bool {
        self.made += 1;
        self.made <= LOGGED_MAX
    }

    /// Begins anew. The number that was not logged.
    pub(super) fn renew(&mut self) -> u64 {
        std::mem::take(&mut self.made).saturating_sub(LOGGED_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Seen to fail when every line is admitted, and when renewing forgets nothing.
    #[test]
    fn the_first_few_are_told_and_the_others_counted_until_it_begins_anew() {
        let mut limit = LogLimit::default();
        let told = (0..100_000).filter(|_| limit.admit()).count() as u64;
        assert_eq!((told, limit.renew()), (LOGGED_MAX, 100_000 - LOGGED_MAX));
        assert!(limit.admit());
        assert_eq!(limit.renew(), 0);
    }
}
