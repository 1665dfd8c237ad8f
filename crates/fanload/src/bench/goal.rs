//! What Fanfare has to reach in a figure.

/// What Fanfare has to reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Goal {
    /// The value itself, at most.
    Most(f64),
    /// The value itself, at least.
    Least(f64),
    /// This many times the floor's value, at most.
    MostTimesFloor(f64),
    /// This many times the floor's value, at least.
    LeastTimesFloor(f64),
}

impl Goal {
    /// Whether a value, and its ratio to the floor's, reach it; `None` when the number that it is about is missing.
    pub(super) fn is_reached(self, value: Option<f64>, ratio: Option<f64>) -> Option<bool> {
        match self {
            Self::Most(limit) => value.map(|value| value <= limit),
            Self::Least(limit) => value.map(|value| value >= limit),
            Self::MostTimesFloor(limit) => ratio.map(|ratio| ratio <= limit),
            Self::LeastTimesFloor(limit) => ratio.map(|ratio| ratio >= limit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_about_the_value_or_about_its_ratio() {
        assert_eq!(Goal::Most(1.0).is_reached(Some(0.9), None), Some(true));
        assert_eq!(Goal::Least(1.0).is_reached(Some(0.9), None), Some(false));
        assert_eq!(Goal::MostTimesFloor(1.15).is_reached(Some(9.0), Some(1.2)), Some(false));
        assert_eq!(Goal::LeastTimesFloor(20.0).is_reached(Some(9.0), Some(21.0)), Some(true));
        assert_eq!(Goal::LeastTimesFloor(20.0).is_reached(Some(9.0), None), None, "no floor, no verdict");
    }
}
