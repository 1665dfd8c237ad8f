//! Events that no client can be expected to get.

use std::collections::HashMap;
use std::ops::Range;

use crate::publish::Span;

/// Ranges of numbers by channel, in order and apart from each other.
#[derive(Debug, Default)]
pub(crate) struct Excuses {
    by_channel: HashMap<u32, Vec<Range<u64>>>,
}

impl Excuses {
    pub(crate) fn add(&mut self, span: &Span) {
        let ranges = self.by_channel.entry(span.channel).or_default();
        ranges.push(span.first..span.last + 1);
        ranges.sort_unstable_by_key(|range| range.start);
        ranges.dedup_by(|later, earlier| {
            let touches = later.start <= earlier.end;
            if touches {
                earlier.end = earlier.end.max(later.end);
            }
            touches
        });
    }

    /// Which parts of `missing` are excused, and which are not.
    pub(crate) fn split(&self, channel: u32, missing: Range<u64>) -> (Vec<Range<u64>>, Vec<Range<u64>>) {
        let (mut excused, mut rest, mut start) = (Vec::new(), Vec::new(), missing.start);
        for range in self.by_channel.get(&channel).into_iter().flatten() {
            let common = range.start.max(start)..range.end.min(missing.end);
            if common.is_empty() {
                continue;
            }
            if start < common.start {
                rest.push(start..common.start);
            }
            start = common.end;
            excused.push(common);
        }
        if start < missing.end {
            rest.push(start..missing.end);
        }
        (excused, rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excuses(spans: &[(u64, u64)]) -> Excuses {
        let mut excuses = Excuses::default();
        spans.iter().for_each(|&(first, last)| excuses.add(&Span { channel: 7, first, last }));
        excuses
    }

    // Seen to fail when only the first range of a channel is looked at.
    #[test]
    fn a_hole_is_split_into_what_is_excused_and_what_is_not() {
        let excuses = excuses(&[(20, 22), (5, 6), (7, 8)]);
        let bounds = |ranges: Vec<Range<u64>>| ranges.iter().map(|range| (range.start, range.end)).collect::<Vec<_>>();
        let split = |channel, missing| {
            let (excused, rest) = excuses.split(channel, missing);
            (bounds(excused), bounds(rest))
        };
        assert_eq!(split(7, 1..30), (vec![(5, 9), (20, 23)], vec![(1, 5), (9, 20), (23, 30)]));
        assert_eq!(split(7, 6..8), (vec![(6, 8)], vec![]));
        assert_eq!(split(7, 9..20), (vec![], vec![(9, 20)]));
        assert_eq!(split(8, 5..7), (vec![], vec![(5, 7)]), "another channel");
    }
}
