//! What several runs say together.

use serde::Serialize;

/// The middle and the extremes of some values.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Statistic {
    /// The value in the middle, or the mean of the two in the middle.
    pub(crate) median: f64,
    /// The least value.
    pub(crate) min: f64,
    /// The greatest value.
    pub(crate) max: f64,
    /// How many values there were.
    pub(crate) count: usize,
}

impl Statistic {
    /// Of all values that are numbers; `None` without any.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        let (&min, &max) = (values.first()?, values.last()?);
        let half = values.len() / 2;
        let median = if values.len() % 2 == 1 { values[half] } else { f64::midpoint(values[half - 1], values[half]) };
        Some(Self { median, min, max, count: values.len() })
    }

    /// Of the quotients of values that were measured next to each other: whatever changes slowly on the machine cancels
    /// out.
    pub(crate) fn of_ratios(values: &[Option<f64>], bases: &[Option<f64>]) -> Option<Self> {
        let pairs = values.iter().zip(bases).filter_map(|(value, base)| Some((*value)? / (*base)?));
        Self::of(pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_and_the_extremes() {
        let odd = Statistic::of([3.0, 1.0, 10.0]).unwrap();
        assert_eq!((odd.median, odd.min, odd.max, odd.count), (3.0, 1.0, 10.0, 3));
        assert_eq!(Statistic::of([4.0, 1.0, 2.0, 9.0]).unwrap().median, 3.0);
        assert_eq!(Statistic::of([f64::NAN, f64::INFINITY]), None);
    }

    // Seen to fail when it is the quotient of the medians: 3/2 and not 2.
    #[test]
    fn ratios_are_taken_between_neighbours() {
        let ratio = Statistic::of_ratios(
            &[Some(2.0), Some(8.0), None, Some(3.0)],
            &[Some(1.0), Some(4.0), Some(1.0), Some(2.0)],
        );
        let ratio = ratio.unwrap();
        assert_eq!((ratio.median, ratio.min, ratio.max, ratio.count), (2.0, 1.5, 2.0, 3));
        assert_eq!(Statistic::of_ratios(&[Some(1.0)], &[Some(0.0)]), None, "a base of nothing");
    }
}
