//! Choices that a seed repeats.

/// What one part of a run draws from.
#[derive(Clone, Debug)]
pub(crate) struct Dice(fastrand::Rng);

impl Dice {
    /// The choices of one part of a run: each part has its own, so that none depends on how threads interleave.
    pub(crate) fn of(seed: u64, part: &str, index: usize) -> Self {
        let named = part
            .bytes()
            .fold(seed ^ index as u64, |mixed, byte| fastrand::Rng::with_seed(mixed).u64(..) ^ u64::from(byte));
        Self(fastrand::Rng::with_seed(named))
    }

    /// From 0 to `bound`, without it.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0.u64(..bound.max(1))
    }

    /// From `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        self.0.u64(low..=high)
    }

    /// True once in so many times.
    pub(crate) fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len() as u64) as usize]
    }

    /// One of the items, by their weights.
    pub(crate) fn weighted<T: Copy>(&mut self, items: &[(u64, T)]) -> T {
        let mut left = self.below(items.iter().map(|(weight, _)| weight).sum());
        for (weight, item) in items {
            match left.checked_sub(*weight) {
                Some(rest) => left = rest,
                None => return *item,
            }
        }
        items[0].1
    }
}
