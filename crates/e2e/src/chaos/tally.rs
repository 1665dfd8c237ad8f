//! What is counted and what went wrong, shared by all threads of a run.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::vitals::{INTERVAL, Vitals};
use super::way::Way;
use crate::{Gap, Ruling};

/// Breaches whose story is kept; all are counted.
const STORIES: usize = 5;
/// False gaps without an explanation whose story is kept.
const RIDDLES: usize = 20;
/// Deeds that are remembered for stories.
const DEEDS: usize = 40;

/// A counter.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, number: u64) {
        self.0.fetch_add(number, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Deliveries judged.
    pub(crate) checked: Count,
    /// Publishes without an answer, of which Redis was asked afterwards.
    pub(crate) unanswered: Count,
    /// Those among them that were lost with their stream.
    pub(crate) lost: Count,
    /// Entries that Redis had acknowledged and lost.
    pub(crate) forgotten: Count,
    pub(crate) ephemeral: Count,
    pub(crate) connects: Count,
    /// Connects without a place that ask for the newest entries.
    pub(crate) newest: Count,
    pub(crate) breaches: Count,
    published: Mutex<BTreeMap<&'static str, u64>>,
    /// Publishes that were certainly not carried out, by the reason given.
    refused: Mutex<BTreeMap<String, u64>>,
    faults: Mutex<BTreeMap<&'static str, u64>>,
    endings: Mutex<BTreeMap<String, u64>>,
    gaps: Mutex<BTreeMap<(Ruling, String), u64>>,
    stories: Mutex<Vec<String>>,
    riddles: Mutex<Vec<String>>,
    deeds: Mutex<VecDeque<String>>,
    /// One for every [`INTERVAL`] of the run, which has an end.
    vitals: Mutex<Vec<Vitals>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tally {
    pub(crate) fn published(&self, way: Way) {
        *lock(&self.published).entry(way.words()).or_default() += 1;
    }

    pub(crate) fn refused(&self, reason: &str) {
        let reason: String = reason.chars().take(60).collect();
        *lock(&self.refused).entry(format!("refused: {reason}")).or_default() += 1;
    }

    pub(crate) fn fault(&self, kind: &'static str) {
        *lock(&self.faults).entry(kind).or_default() += 1;
    }

    pub(crate) fn ending(&self, how: String) {
        *lock(&self.endings).entry(how).or_default() += 1;
    }

    /// Counts a gap; `story` is asked for only when no fact explains it.
    pub(crate) fn gap(&self, gap: &Gap, ruling: Ruling, story: impl FnOnce() -> String) {
        *lock(&self.gaps).entry((ruling, gap.reason.clone())).or_default() += 1;
        let mut riddles = lock(&self.riddles);
        if matches!(ruling, Ruling::Unexplained | Ruling::Hasty) && riddles.len() < RIDDLES {
            riddles.push(story());
        }
    }

    /// Counts a breach and keeps its story if it is one of the first.
    pub(crate) fn breach(&self, story: impl FnOnce() -> String) {
        self.breaches.add(1);
        let mut stories = lock(&self.stories);
        if stories.len() < STORIES {
            stories.push(story());
        }
    }

    /// Notes a line for the stories: what was done and when.
    pub(crate) fn deed(&self, line: String) {
        let mut deeds = lock(&self.deeds);
        deeds.push_back(line);
        if deeds.len() > DEEDS {
            deeds.pop_front();
        }
    }

    pub(crate) fn recent_deeds(&self) -> String {
        lock(&self.deeds).iter().map(|line| format!("    {line}\n")).collect()
    }

    /// Whether it is time for a sample.
    pub(crate) fn vitals_are_due(&self, elapsed: Duration) -> bool {
        elapsed >= INTERVAL * lock(&self.vitals).len() as u32
    }

    pub(crate) fn vitals(&self, sample: Vitals) {
        lock(&self.vitals).push(sample);
    }

    /// What the processes cost, in words.
    pub(crate) fn cost(&self) -> Option<String> {
        Vitals::summary(&lock(&self.vitals))
    }

    pub(crate) fn published_by_way(&self) -> BTreeMap<&'static str, u64> {
        lock(&self.published).clone()
    }

    pub(crate) fn refused_by_reason(&self) -> BTreeMap<String, u64> {
        lock(&self.refused).clone()
    }

    pub(crate) fn faults_by_kind(&self) -> BTreeMap<&'static str, u64> {
        lock(&self.faults).clone()
    }

    pub(crate) fn endings_by_kind(&self) -> BTreeMap<String, u64> {
        lock(&self.endings).clone()
    }

    pub(crate) fn gaps_by_ruling(&self) -> BTreeMap<(Ruling, String), u64> {
        lock(&self.gaps).clone()
    }

    pub(crate) fn stories(&self) -> Vec<String> {
        lock(&self.stories).clone()
    }

    pub(crate) fn riddles(&self) -> Vec<String> {
        lock(&self.riddles).clone()
    }
}
