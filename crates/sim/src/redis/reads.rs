//! Whether the nodes read the same again and again, more often than messages ask them to.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use tokio::time::{Duration, Instant};

/// In which reads and messages are counted.
const WINDOW: Duration = Duration::from_secs(1);

/// The ranges that were read lately, and the most reads of one of them in any second, beyond the messages that arrived about its key: each
/// may be a doorbell of its own for each node.
#[derive(Debug, Default)]
pub(super) struct Reads {
    lately: VecDeque<(Instant, Range)>,
    times: HashMap<Range, usize>,
    rings: HashMap<String, Vec<Instant>>,
    most: usize,
}

/// A key and where the range begins.
type Range = (String, Bytes);

impl Reads {
    pub(super) fn note(&mut self, key: &str, start: &Bytes) {
        let now = Instant::now();
        while let Some((_, range)) = self.lately.pop_front_if(|(at, _)| now.duration_since(*at) >= WINDOW)
            && let Some(times) = self.times.get_mut(&range)
        {
            *times -= 1;
            if *times == 0 {
                self.times.remove(&range);
            }
        }
        let range = (key.to_owned(), start.clone());
        let times = self.times.entry(range.clone()).or_default();
        *times += 1;
        let rung = self.rings.get_mut(key).map_or(0, |rings| {
            rings.retain(|arrives| now.duration_since(*arrives) < WINDOW);
            rings.iter().filter(|arrives| **arrives <= now).count()
        });
        self.most = self.most.max(times.saturating_sub(rung));
        self.lately.push_back((now, range));
    }

    /// A message about a key arrives at a node at that moment.
    pub(super) fn ring(&mut self, key: &str, arrives: Instant) {
        self.rings.entry(key.to_owned()).or_default().push(arrives);
    }

    pub(super) fn most(&self) -> usize {
        self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_reader_who_goes_round_in_a_circle_is_seen_and_one_that_is_rung_for_is_not() {
        let mut reads = Reads::default();
        let start = Bytes::from_static(b"1-0");
        for _ in 0..30 {
            reads.ring("sse:a", Instant::now());
            reads.note("sse:a", &start);
        }
        assert_eq!(reads.most(), 0);
        for _ in 0..30 {
            reads.note("sse:b", &start);
        }
        assert_eq!(reads.most(), 30, "what rings for one key excuses no reads of another");
        tokio::time::advance(WINDOW).await;
        for _ in 0..31 {
            reads.note("sse:a", &start);
        }
        assert_eq!(reads.most(), 31, "nor later ones");
    }
}
