//! Whether the nodes read the same again and again.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use tokio::time::{Duration, Instant};

/// The ranges that were read lately, and the most reads of one of them in any second.
#[derive(Debug, Default)]
pub(super) struct Reads {
    lately: VecDeque<(Instant, Range)>,
    times: HashMap<Range, usize>,
    most: usize,
}

/// A key and where the range begins.
type Range = (String, Bytes);

impl Reads {
    pub(super) fn note(&mut self, key: &str, start: &Bytes) {
        let now = Instant::now();
        while let Some((_, range)) =
            self.lately.pop_front_if(|(at, _)| now.duration_since(*at) >= Duration::from_secs(1))
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
        self.most = self.most.max(*times);
        self.lately.push_back((now, range));
    }

    pub(super) fn most(&self) -> usize {
        self.most
    }
}
