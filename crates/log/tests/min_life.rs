//! Histories of one stream by chance: what an absence is said to prove is compared with what was published.
//!
//! Seen to fail where a first entry need not have created its key, where an absence proves something for a minute whatever was promised
//! (false gaps), and where a life that was seen to be too short is not noted.

#![allow(clippy::unwrap_used)] // In tests, helpers included.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use fanfare_log::memory::{Bell, MemoryOptions, MemoryStore};
use fanfare_log::proof::{self, Verdict};
use fanfare_log::{MinLives, PublishRequest, ReadRequest, Ttl};
use fanfare_protocol::{ChannelName, EntryId, Event, LogName, Pattern, Position};
use proptest::prelude::*;

const HOUR_MS: u64 = 3_600_000;
/// What the operator promises, and what is counted on.
const PROMISED_MS: u64 = 10 * HOUR_MS;
const COUNTED_ON_MS: u64 = PROMISED_MS - 60_000;

/// What happens next.
#[derive(Debug, Clone)]
enum Step {
    Pass(u64),
    /// By the function, with a life.
    Publish(Option<u64>),
    /// By a producer of plain commands.
    Add,
    Trim(usize),
    Delete,
    /// A node reads the stream.
    Look,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..3 * HOUR_MS).prop_map(Step::Pass),
        3 => prop_oneof![Just(PROMISED_MS), Just(PROMISED_MS + HOUR_MS)].prop_map(|life| Step::Publish(Some(life))),
        1 => Just(Step::Publish(None)),
        2 => Just(Step::Add),
        2 => (0..3_usize).prop_map(Step::Trim),
        2 => Just(Step::Delete),
        4 => Just(Step::Look),
    ]
}

/// The same, with publishers who do not keep the promise.
fn careless_step() -> impl Strategy<Value = Step> {
    prop_oneof![4 => step(), 1 => (60_000..2 * HOUR_MS).prop_map(|life| Step::Publish(Some(life)))]
}

struct History {
    store: MemoryStore,
    clock: Arc<AtomicU64>,
    channel: ChannelName,
    keeps_promise: bool,
    published: Vec<EntryId>,
    /// The moments at which there was no stream.
    absences: Vec<Position>,
    /// Entries of streams that nobody looked at between their last entry and their end.
    unseen: Vec<EntryId>,
    /// Entries of the present stream, and whether somebody has looked since the last.
    present: Vec<EntryId>,
    is_seen: bool,
    /// The present stream lives for ever.
    is_permanent: bool,
}

impl History {
    fn new(keeps_promise: bool) -> Self {
        let clock = Arc::new(AtomicU64::new(1_700_000_000_000));
        let time = Arc::clone(&clock);
        let promise = (Pattern::parse("user:*").unwrap(), Duration::from_millis(PROMISED_MS));
        let store = MemoryStore::new(MemoryOptions {
            clock: Arc::new(move || time.load(Ordering::Relaxed)),
            min_lives: MinLives::new([promise]),
            ..MemoryOptions::default()
        });
        let channel = ChannelName::parse("user:1").unwrap();
        let (published, absences, unseen, present) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (is_seen, is_permanent) = (false, false);
        Self { store, clock, channel, keeps_promise, published, absences, unseen, present, is_seen, is_permanent }
    }

    fn now_ms(&self) -> u64 {
        self.clock.load(Ordering::Relaxed)
    }

    fn take(&mut self, step: &Step) {
        self.clock.fetch_add(2, Ordering::Relaxed);
        self.notice_end();
        let event = Event { name: None, data: Bytes::from_static(b"event") };
        match *step {
            Step::Pass(ms) => {
                self.clock.fetch_add(ms, Ordering::Relaxed);
            }
            Step::Publish(life) => {
                let lasts = life.map(Duration::from_millis);
                let ttl = lasts.map(|lasts| Ttl { lasts, ends_permanence: !self.keeps_promise });
                let channel = self.channel.clone();
                let request = PublishRequest { channel, event, dedup: None, max_len: Some(3), ttl };
                let id = self.store.publish_now(&request).unwrap().id;
                self.is_permanent |= life.is_none();
                self.note(id);
            }
            // It does not lengthen the stream's life, so it keeps the promise only where that needs none.
            Step::Add if self.present.is_empty() || self.is_permanent || !self.keeps_promise => {
                let id = self.store.xadd(&self.channel, event, Bell::Silent);
                self.is_permanent |= self.present.is_empty();
                self.note(id);
            }
            Step::Delete => {
                let last = self.store.last_id(&self.channel);
                if last.is_some_and(|last| self.now_ms() >= last.ms + PROMISED_MS) {
                    self.store.delete(&self.channel);
                }
            }
            Step::Trim(keep) => self.store.trim(&self.channel, keep),
            Step::Add => {}
            Step::Look => self.look(),
        }
        self.notice_end();
    }

    fn note(&mut self, id: EntryId) {
        self.published.push(id);
        self.present.push(id);
        self.is_seen = false;
    }

    /// Notices that the stream has ended since the last step.
    fn notice_end(&mut self) {
        if self.store.last_id(&self.channel).is_none() {
            let ended = std::mem::take(&mut self.present);
            self.is_permanent = false;
            if !self.is_seen {
                self.unseen.extend(ended);
            }
        }
    }

    /// A node reads the stream for readers at all positions that were ever given.
    fn look(&mut self) {
        self.is_seen = true;
        let tip = self.store.tip_now(&self.channel).unwrap();
        for absence in self.absences.clone() {
            self.compare(absence);
        }
        if tip.position.is_absent() {
            self.absences.push(tip.position);
        }
    }

    fn compare(&self, absence: Position) {
        let Position::Absent { at_ms, .. } = absence else { return };
        let log = LogName::from(&self.channel);
        let request = ReadRequest { log, after: absence, max_entries: 1_000, max_bytes: usize::MAX };
        let snapshot = self.store.read_now(&request).unwrap();
        let held: Vec<EntryId> = snapshot.entries.iter().map(proof::id_of).collect();
        let missed = self.published.iter().filter(|id| id.ms >= at_ms && !held.contains(id));
        let mut missed = missed.filter(|id| self.keeps_promise || !self.unseen.contains(id));
        match proof::prove(absence, &snapshot) {
            Verdict::Continues => {
                let missed = missed.next();
                assert!(missed.is_none(), "{missed:?} is missing in silence at {}, since {at_ms}", self.now_ms());
            }
            Verdict::Gap(_) if self.keeps_promise => {
                // Every trim that leaves the first entry's creation in doubt is a gap, and what was too long ago.
                let is_certain = match (snapshot.tip.position, snapshot.first) {
                    (Position::Absent { at_ms: now_ms, .. }, _) => now_ms - at_ms < COUNTED_ON_MS,
                    (_, Some(first)) => {
                        let created = first.prev == Some(EntryId::ZERO) || first.prev.is_none() && snapshot.untouched;
                        created && first.id.ms - at_ms < COUNTED_ON_MS
                    }
                    _ => false,
                };
                assert!(!is_certain, "a false gap at {} for an absence at {at_ms}", self.now_ms());
            }
            Verdict::Gap(_) => {}
        }
    }
}

proptest! {
    #[test]
    fn where_the_promise_is_kept_nothing_is_missed_and_no_gap_is_false(steps in prop::collection::vec(step(), 1..60)) {
        let mut history = History::new(true);
        steps.iter().for_each(|step| history.take(step));
        history.look();
    }

    #[test]
    fn where_it_is_broken_and_a_node_has_seen_it_nothing_is_missed_in_silence(
        steps in prop::collection::vec(careless_step(), 1..60)
    ) {
        let mut history = History::new(false);
        steps.iter().for_each(|step| history.take(step));
        history.look();
    }
}
