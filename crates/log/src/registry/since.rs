//! Channels in a state that should pass, and since when.

use std::collections::{BTreeSet, HashMap};

use tokio::time::Instant;

use crate::stats::Waiting;

/// Takes no memory for channels that are not in the state.
#[derive(Debug, Default)]
pub(super) struct Since {
    times: HashMap<usize, Instant>,
    oldest_first: BTreeSet<(Instant, usize)>,
}

impl Since {
    /// The channel is in the state, from now on or already.
    pub(super) fn begin(&mut self, key: usize, now: Instant) {
        self.times.entry(key).or_insert_with(|| {
            self.oldest_first.insert((now, key));
            now
        });
    }

    /// It is not, any more.
    pub(super) fn end(&mut self, key: usize) {
        if let Some(since) = self.times.remove(&key) {
            self.oldest_first.remove(&(since, key));
        }
    }

    /// Tells operators, in milliseconds since `began`.
    pub(super) fn tell(&self, told: &Waiting, began: Instant) {
        told.channels.set(self.times.len() as u64);
        let since = self.oldest_first.first().map(|(since, _)| since.saturating_duration_since(began).as_millis());
        told.since_ms.set(since.map_or(0, |ms| u64::try_from(ms).unwrap_or(u64::MAX - 1) + 1));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_oldest_counts_from_when_it_began_first_until_it_ends() {
        let (mut since, told, began) = (Since::default(), Waiting::default(), Instant::now());
        let mut seen = |change: &mut dyn FnMut(&mut Since)| {
            change(&mut since);
            since.tell(&told, began);
            (told.channels.get(), told.since_ms.get())
        };
        let at = |ms| began + Duration::from_millis(ms);
        assert_eq!(seen(&mut |since| since.begin(1, at(5))), (1, 6));
        assert_eq!(seen(&mut |since| since.begin(2, at(7))), (2, 6));
        assert_eq!(seen(&mut |since| since.begin(1, at(9))), (2, 6), "it has been so all the time");
        assert_eq!(seen(&mut |since| since.end(1)), (1, 8));
        assert_eq!(seen(&mut |since| (1..3).for_each(|key| since.end(key))), (0, 0));
    }
}
