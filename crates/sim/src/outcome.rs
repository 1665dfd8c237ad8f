//! What came of one seed.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Once;

use fanfare_oracle::{Finding, History, Judge, Ruling, Step, Whereabouts};

use crate::occupancy::census::OccupancyCounts;
use crate::tokens::access::AccessCounts;

/// The result of a run.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// Hash of every byte that went to a client and of every command that went to Redis, with their times.
    pub hash: u64,
    /// Durable events that were judged.
    pub events: usize,
    /// Gaps, by what they were worth.
    pub rulings: BTreeMap<Ruling, usize>,
    /// How often the nodes read one and the same range from Redis within one second, at most.
    pub reads: usize,
    /// On how many channels a node has seen the promise broken that no stream expires, at most.
    pub broken_promises: u64,
    /// Streams to which somebody added right before they expired, while feeds were late.
    pub late_expiries: usize,
    /// What came of tokens, where nodes ask for some.
    pub access: Option<AccessCounts>,
    /// What came of counting readers, where nodes do.
    pub occupancy: Option<OccupancyCounts>,
    /// Streams that clients have opened over HTTP/2.
    pub http2_streams: usize,
    /// What was wrong. Empty if the guarantee was kept.
    pub breaches: Vec<String>,
    /// What happened, to read. Empty unless asked for.
    pub trace: String,
}

impl Outcome {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// Judges what a client saw of a channel, at the end of which it must have seen the newest entry. A false gap is a nuisance: it
    /// is counted, and a breach only in a world in which nobody has a reason for one.
    pub(crate) fn judge<'a>(
        &mut self,
        who: &str,
        mut history: History,
        steps: impl Iterator<Item = (u64, &'a Step)>,
        gaps_have_reasons: bool,
    ) {
        let (mut judge, before) = (Judge::new(Whereabouts::New), self.gaps() + self.false_gaps());
        for (at_ms, step) in steps {
            for finding in judge.take(&mut history, step, Some(at_ms)) {
                self.note(who, at_ms, &finding);
            }
        }
        let gaps = self.gaps() + self.false_gaps();
        let mut blame = |what: &str| self.breaches.push(format!("{who}: {what}"));
        if let Some(gap) = judge.pending() {
            blame(&format!("nothing followed {gap:?}"));
        }
        if !judge.is_at_the_end(&history) {
            blame(&format!("the newest entry was not seen; the client is at {:?}", judge.whereabouts()));
        }
        if !gaps_have_reasons && gaps > before {
            blame("was told of a gap, although nothing was ever lost");
        }
    }

    fn note(&mut self, who: &str, at_ms: u64, finding: &Finding) {
        match finding {
            Finding::Event => self.events += 1,
            Finding::Announced(_) => {}
            Finding::Ruled(gap, Ruling::FalseTooWide) if gap.reason == "trimmed" => {
                self.breaches.push(format!("{who}: at {at_ms} ms {gap:?} skipped an entry that the stream still had"));
            }
            Finding::Ruled(_, ruling) => *self.rulings.entry(*ruling).or_default() += 1,
            Finding::Breach(what) => self.breaches.push(format!("{who}: at {at_ms} ms {what}")),
        }
    }

    /// `most`: how often one range was read within a second, beyond what messages asked for; `caused`: how often that is what was done to the nodes.
    pub(crate) fn count_reads(&mut self, most: usize, caused: usize) {
        self.reads = most;
        if most > READS_MAX + caused {
            self.breaches.push(format!("the nodes read one range {most} times within a second"));
        }
    }

    /// `seen`: on how many channels a node has seen a promise broken; `known`: on how many every node has heard of it.
    pub(crate) fn count_broken(&mut self, node: usize, seen: u64, known: u64, may_be: bool) {
        self.broken_promises = self.broken_promises.max(seen);
        if seen < known {
            self.breaches
                .push(format!("node {node} has seen a promise broken on {seen} channels, and it was on {known}"));
        }
        if seen > 0 && !may_be {
            self.breaches.push(format!("node {node} has seen a promise broken on {seen} channels, and it was kept"));
        }
    }

    /// Gaps told where something was withheld that had been promised.
    #[must_use]
    pub fn gaps(&self) -> usize {
        self.count(|ruling| ruling.is_justified() && ruling != Ruling::NothingPromised)
    }

    /// Gaps told where nothing was.
    #[must_use]
    pub fn false_gaps(&self) -> usize {
        self.count(|ruling| !ruling.is_justified())
    }

    fn count(&self, wanted: impl Fn(Ruling) -> bool) -> usize {
        self.rulings.iter().filter(|(ruling, _)| wanted(**ruling)).map(|(_, count)| count).sum()
    }

    /// What came of it, with the command that repeats it if something was wrong.
    #[must_use]
    pub fn summary(&self) -> String {
        let (Self { seed, events, .. }, gaps, false_gaps) = (self, self.gaps(), self.false_gaps());
        let mut text = format!("seed {seed}: {events} events, {gaps} gaps, {false_gaps} false ones");
        for breach in self.breaches.iter().take(BREACHES_SHOWN) {
            text.push_str(&format!("\n  {breach}"));
        }
        if !self.breaches.is_empty() {
            text.push_str(&format!("\n  see it happen: FANFARE_SEED={seed} make sim"));
        }
        text
    }

    /// Says what was wrong and how to see it again.
    ///
    /// # Panics
    /// If the guarantee was not kept.
    pub fn assert_kept(&self) {
        assert!(self.breaches.is_empty(), "the guarantee was broken: {}", self.summary());
    }
}

/// How often the nodes may read one range within a second, whatever happens.
/// The worst of 3,000 worlds makes 11; a reader who goes round in a circle soon makes more than 50.
const READS_MAX: usize = 25;

/// What follows the first breaches is mostly their consequence.
const BREACHES_SHOWN: usize = 5;

thread_local! {
    static PANICS: Cell<usize> = const { Cell::new(0) };
}

/// Panics on this thread so far. A task that panics ends without a word to anybody who does not wait for it.
pub(crate) fn panics() -> usize {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANICS.set(PANICS.get() + 1);
            before(info);
        }));
    });
    PANICS.get()
}
