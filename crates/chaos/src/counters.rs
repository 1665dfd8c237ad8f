//! What is counted and what went wrong, shared by all threads of a run.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fanfare_oracle::{Gap, Ruling};

use crate::publish_method::PublishMethod;
use crate::resource_usage::{INTERVAL, ResourceUsage};

/// Breaches whose report is kept; all are counted.
const REPORTS: usize = 20;
/// Those among them that belong to one moment: one cause is a breach for many clients.
const REPORTS_OF_A_MOMENT: usize = 3;
const MOMENT: Duration = Duration::from_secs(5);
/// False gaps without an explanation whose report is kept.
const UNEXPLAINED: usize = 20;
/// Actions that are remembered for reports.
const RECENT_ACTIONS: usize = 40;

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

/// The reports of the first breaches of each moment.
#[derive(Debug, Default)]
struct Reports {
    kept: Vec<String>,
    moment: Option<Instant>,
    of_this_moment: usize,
}

impl Reports {
    /// Keeps a report if there is room for it. Its first line is printed at once: the end of the run may be far away.
    fn add(&mut self, now: Instant, report: impl FnOnce() -> String) {
        if self.moment.is_none_or(|moment| now.duration_since(moment) > MOMENT) {
            (self.moment, self.of_this_moment) = (Some(now), 0);
        }
        if self.kept.len() < REPORTS && self.of_this_moment < REPORTS_OF_A_MOMENT {
            self.of_this_moment += 1;
            let report = report();
            println!("BREACH: {}", report.lines().next().unwrap_or_default());
            self.kept.push(report);
        }
    }
}

/// The largest of many numbers.
#[derive(Debug, Default)]
pub(crate) struct Most(AtomicU64);

impl Most {
    pub(crate) fn most(&self, number: u64) {
        self.0.fetch_max(number, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
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
    /// The slowest answer of an admin port, in milliseconds.
    pub(crate) admin_ms: Most,
    /// The largest node, in bytes.
    pub(crate) node_memory: Most,
    /// The slowest end of a node that was told to end, in milliseconds.
    pub(crate) drain_ms: Most,
    /// Streams that one node saw to break a promise, entries that one read because messages named them, and messages whose entry it did not
    /// find.
    pub(crate) broken_promises: Most,
    pub(crate) verified: Most,
    pub(crate) unfounded: Most,
    /// How long the last client waited for the last events, in milliseconds.
    pub(crate) served_ms: Most,
    /// Connections of hostile clients, by what they do.
    strangers: Mutex<BTreeMap<&'static str, u64>>,
    published: Mutex<BTreeMap<&'static str, u64>>,
    /// Publishes that were certainly not carried out, by the reason given.
    refused: Mutex<BTreeMap<String, u64>>,
    faults: Mutex<BTreeMap<&'static str, u64>>,
    /// What came of tokens.
    tokens: Mutex<BTreeMap<&'static str, u64>>,
    endings: Mutex<BTreeMap<String, u64>>,
    gaps: Mutex<BTreeMap<(Ruling, String), u64>>,
    reports: Mutex<Reports>,
    unexplained: Mutex<Vec<String>>,
    recent_actions: Mutex<VecDeque<String>>,
    /// One for every [`INTERVAL`] of the run, which has an end.
    usage: Mutex<Vec<ResourceUsage>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Counters {
    pub(crate) fn published(&self, method: PublishMethod) {
        *lock(&self.published).entry(method.words()).or_default() += 1;
    }

    pub(crate) fn refused(&self, reason: &str) {
        let reason: String = reason.chars().take(60).collect();
        *lock(&self.refused).entry(format!("refused: {reason}")).or_default() += 1;
    }

    pub(crate) fn fault(&self, kind: &'static str) {
        *lock(&self.faults).entry(kind).or_default() += 1;
    }

    pub(crate) fn token(&self, what: &'static str) {
        *lock(&self.tokens).entry(what).or_default() += 1;
    }

    pub(crate) fn tokens_by_kind(&self) -> BTreeMap<&'static str, u64> {
        lock(&self.tokens).clone()
    }

    pub(crate) fn stranger(&self, kind: &'static str) {
        *lock(&self.strangers).entry(kind).or_default() += 1;
    }

    pub(crate) fn ending(&self, how: String) {
        *lock(&self.endings).entry(how).or_default() += 1;
    }

    /// Counts a gap; `report` is asked for only when no entry explains it.
    pub(crate) fn gap(&self, gap: &Gap, ruling: Ruling, report: impl FnOnce() -> String) {
        *lock(&self.gaps).entry((ruling, gap.reason.clone())).or_default() += 1;
        let mut unexplained = lock(&self.unexplained);
        if matches!(ruling, Ruling::FalseUnexplained | Ruling::FalseNotBehind) && unexplained.len() < UNEXPLAINED {
            unexplained.push(report());
        }
    }

    /// Counts a breach and keeps its report if it is one of the first of its moment.
    pub(crate) fn breach(&self, report: impl FnOnce() -> String) {
        self.breaches.add(1);
        lock(&self.reports).add(Instant::now(), report);
    }

    /// Notes a line for the reports: what was done and when.
    pub(crate) fn action(&self, line: String) {
        let mut actions = lock(&self.recent_actions);
        actions.push_back(line);
        if actions.len() > RECENT_ACTIONS {
            actions.pop_front();
        }
    }

    pub(crate) fn recent_actions(&self) -> String {
        lock(&self.recent_actions).iter().map(|line| format!("    {line}\n")).collect()
    }

    /// Whether it is time for a sample.
    pub(crate) fn usage_is_due(&self, elapsed: Duration) -> bool {
        elapsed >= INTERVAL * lock(&self.usage).len() as u32
    }

    pub(crate) fn usage(&self, sample: ResourceUsage) {
        lock(&self.usage).push(sample);
    }

    /// What the processes cost, in words.
    pub(crate) fn cost(&self) -> Option<String> {
        ResourceUsage::summary(&lock(&self.usage))
    }

    pub(crate) fn published_by_method(&self) -> BTreeMap<&'static str, u64> {
        lock(&self.published).clone()
    }

    pub(crate) fn refused_by_reason(&self) -> BTreeMap<String, u64> {
        lock(&self.refused).clone()
    }

    /// What nodes counted, the most that one life of a node had.
    pub(crate) fn seen_by_nodes(&self) -> [(String, u64); 3] {
        [
            ("streams that broke the promise of min_life".to_owned(), self.broken_promises.get()),
            ("entries read because messages named them".to_owned(), self.verified.get()),
            ("messages whose entry was not there".to_owned(), self.unfounded.get()),
        ]
    }

    pub(crate) fn faults_by_kind(&self) -> BTreeMap<&'static str, u64> {
        lock(&self.faults).clone()
    }

    pub(crate) fn strangers_by_kind(&self) -> BTreeMap<&'static str, u64> {
        lock(&self.strangers).clone()
    }

    pub(crate) fn endings_by_kind(&self) -> BTreeMap<String, u64> {
        lock(&self.endings).clone()
    }

    pub(crate) fn gaps_by_ruling(&self) -> BTreeMap<(Ruling, String), u64> {
        lock(&self.gaps).clone()
    }

    pub(crate) fn reports(&self) -> Vec<String> {
        lock(&self.reports).kept.clone()
    }

    pub(crate) fn unexplained(&self) -> Vec<String> {
        lock(&self.unexplained).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Seen to fail when only the first reports of a run are kept.
    #[test]
    fn a_later_breach_has_a_report_however_many_clients_an_earlier_one_had() {
        let (mut reports, start) = (Reports::default(), Instant::now());
        for moment in 0..REPORTS as u32 {
            for client in 0..100 {
                reports.add(start + MOMENT * 2 * moment, || format!("client {client} at {moment}"));
            }
        }
        assert_eq!(reports.kept.len(), REPORTS);
        assert_eq!(reports.kept[REPORTS_OF_A_MOMENT], "client 0 at 1");
    }
}
