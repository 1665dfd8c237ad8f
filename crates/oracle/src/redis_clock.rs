//! The clock of Redis, which entries' ids and the times of absences are taken from, and which may be set back.

/// A moment, as the clock of Redis told it. Ordered by what came first, also where the clock went back in between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// How often the clock had been set.
    pub settings: usize,
    /// What it said, in milliseconds.
    pub ms: u64,
}

/// The clock was set from one time to another.
#[derive(Clone, Copy, Debug)]
struct Setting {
    /// When, by the clock of the harness.
    at_ms: u64,
    before_ms: u64,
    after_ms: u64,
}

/// When the clock of Redis said what. One that was never set agrees with the clock of the harness.
#[derive(Clone, Debug, Default)]
pub struct RedisClock {
    settings: Vec<Setting>,
}

impl RedisClock {
    /// The clock was set from `before_ms` to `after_ms` when the harness's clock said `at_ms`.
    pub fn set(&mut self, at_ms: u64, before_ms: u64, after_ms: u64) {
        self.settings.push(Setting { at_ms, before_ms, after_ms });
    }

    /// Whether it was ever set.
    pub(crate) fn was_set(&self) -> bool {
        !self.settings.is_empty()
    }

    /// The moment of something that happens now, while the clock says `ms`.
    pub fn now(&self, ms: u64) -> Moment {
        Moment { settings: self.settings.len(), ms }
    }

    /// When the clock said `ms`, as somebody knew at `known_ms` by the clock of the harness: several moments if it had gone back.
    pub fn moments(&self, ms: u64, known_ms: u64) -> Vec<Moment> {
        let settings = self.settings.partition_point(|setting| setting.at_ms <= known_ms);
        let said = |number: &usize| {
            let from = number.checked_sub(1).map_or(0, |last| self.settings[last].after_ms);
            let to = if *number < settings { self.settings[*number].before_ms } else { u64::MAX };
            (from..=to).contains(&ms)
        };
        (0..=settings).filter(said).map(|settings| Moment { settings, ms }).collect()
    }
}
