//! What was really published: every entry of every channel, in the order in which the fake Redis stored them, and where a
//! reader stands in that.
//!
//! A channel has one *life* after the other: a new one begins when a failover loses its end, and when a flush loses
//! everything and the clock goes back. Deleting a stream loses its entries and begins no new life. A life is in the order of
//! storing, which is not that of ids where the clock went back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fanfare_protocol::{EntryId, Position};

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fact {
    pub(crate) id: EntryId,
    /// Unique within its channel. `None`: over the size limit.
    pub(crate) data: Option<String>,
    pub(crate) stored: Moment,
    /// No longer in the stream: a client may miss it, told by a `$gap`.
    pub(crate) gone: bool,
    /// Deleted by its publisher: a client may miss it without a word.
    pub(crate) retracted: bool,
}

/// A moment, as Redis tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment {
    /// How often the clock had been set.
    settings: usize,
    /// What it said.
    ms: u64,
}

/// The lives of one channel's stream.
pub(crate) type History = Vec<Vec<Fact>>;

/// A reader's place: in that life so many entries are behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) life: usize,
    pub(crate) behind: usize,
    /// All that it knows is that there was no stream then. What had been there before may come back with a failover.
    pub(crate) absent: Option<Moment>,
}

/// The record. Cloning shares it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Truth(Arc<Mutex<Record>>);

#[derive(Debug, Default)]
struct Record {
    channels: BTreeMap<String, History>,
    /// What the clock of Redis said before and after each time that it was set, in milliseconds.
    settings: Vec<(u64, u64)>,
}

impl Record {
    fn present(&mut self, channel: &str) -> &mut Vec<Fact> {
        let history = self.channels.entry(channel.to_owned()).or_insert_with(|| vec![Vec::new()]);
        history.last_mut().expect("a history has a life")
    }

    /// When the clock said so until it said `now_ms`, in order: more than once if it went back.
    fn moments(&self, ms: u64, now_ms: u64) -> Vec<Moment> {
        let says = |settings: &usize| {
            let from = settings.checked_sub(1).map_or(0, |last| self.settings[last].1);
            let to = self.settings.get(*settings).map_or(now_ms, |(before, _)| *before);
            (from..=to).contains(&ms)
        };
        let moments: Vec<_> = (0..=self.settings.len()).filter(says).map(|settings| Moment { settings, ms }).collect();
        assert!(!moments.is_empty(), "the clock of Redis never said {ms}, now {now_ms}: {:?}", self.settings);
        moments
    }
}

/// How many of these were stored before that.
pub(crate) fn stored_before(facts: &[Fact], moment: Moment) -> usize {
    facts.partition_point(|fact| fact.stored < moment)
}

impl Truth {
    fn lock(&self) -> MutexGuard<'_, Record> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The clock of Redis was set from one time to another.
    pub(crate) fn clock_was_set(&self, before_ms: u64, after_ms: u64) {
        self.lock().settings.push((before_ms, after_ms));
    }

    /// Whether some entry of the channel has or had this id.
    pub(crate) fn knows(&self, channel: &str, id: EntryId) -> bool {
        let record = self.lock();
        record.channels.get(channel).into_iter().flatten().flatten().any(|fact| fact.id == id)
    }

    /// An entry was stored, at that time of the Redis clock. `None`: it is over the size limit.
    pub(crate) fn append(&self, channel: &str, id: EntryId, data: Option<String>, now_ms: u64) {
        let mut record = self.lock();
        let stored = Moment { settings: record.settings.len(), ms: now_ms };
        record.present(channel).push(Fact { id, data, stored, gone: false, retracted: false });
    }

    /// Trimmed, expired, evicted or deleted with its stream.
    pub(crate) fn lose(&self, channel: &str, id: EntryId) {
        self.change(channel, id, |fact| fact.gone = true);
    }

    /// `XDEL`, in every life that has the entry: a reader may come to the place where it was before its node hears of the
    /// failover, and go on in the old life.
    pub(crate) fn retract(&self, channel: &str, id: EntryId) {
        let mut record = self.lock();
        let facts = record.channels.get_mut(channel).into_iter().flatten().flatten();
        facts.filter(|fact| fact.id == id).for_each(|fact| fact.retracted = true);
    }

    /// `DEL`: like `XDEL` of everything that the stream ever held.
    pub(crate) fn retract_all(&self, channel: &str) {
        self.lock().present(channel).iter_mut().for_each(|fact| fact.retracted = true);
    }

    fn change(&self, channel: &str, id: EntryId, change: impl FnOnce(&mut Fact)) {
        if let Some(fact) = self.lock().present(channel).iter_mut().find(|fact| fact.id == id) {
            change(fact);
        }
    }

    /// The end of each channel's record so far, those of streams that are deleted included.
    pub(crate) fn ends(&self) -> BTreeMap<String, Place> {
        let end = |(channel, lives): (&String, &History)| {
            let behind = lives.last().map_or(0, Vec::len);
            (channel.clone(), Place { life: lives.len().saturating_sub(1), behind, absent: None })
        };
        self.lock().channels.iter().map(end).collect()
    }

    /// A new life begins with what had been stored up to there; without a place with nothing.
    pub(crate) fn rewrite(&self, channel: &str, kept: Option<Place>) {
        let mut record = self.lock();
        let history = record.channels.entry(channel.to_owned()).or_default();
        let kept = kept.map_or_else(Vec::new, |end| history[end.life][..end.behind].to_vec());
        history.push(kept);
    }

    /// Every life of the channel.
    pub(crate) fn history(&self, channel: &str) -> History {
        self.lock().channels.get(channel).cloned().unwrap_or_else(|| vec![Vec::new()])
    }

    /// Where a reader is who is told this position at that time; several places where lives share their beginning.
    pub(crate) fn places(&self, channel: &str, position: Position, now_ms: u64) -> Vec<Place> {
        let history = self.history(channel);
        if let Position::At(id) = position {
            let find = |(life, facts): (usize, &Vec<Fact>)| {
                let index = facts.iter().position(|fact| fact.id == id)?;
                Some(Place { life, behind: index + 1, absent: None })
            };
            let found: Vec<_> = history.iter().enumerate().filter_map(find).collect();
            if !found.is_empty() {
                return found;
            }
        }
        // Who says so may have looked at any of the lives, and at any time at which the clock said so.
        let everywhere = |absent: Option<Moment>, behind: &dyn Fn(&[Fact]) -> usize| -> Vec<Place> {
            history.iter().enumerate().map(|(life, facts)| Place { life, behind: behind(facts), absent }).collect()
        };
        match position {
            Position::At(id) => {
                everywhere(None, &|facts| facts.iter().rposition(|fact| fact.id <= id).map_or(0, |index| index + 1))
            }
            Position::Absent { at_ms, .. } => {
                let moments = self.lock().moments(at_ms, now_ms);
                let at = |moment: &Moment| everywhere(Some(*moment), &|facts| stored_before(facts, *moment));
                moments.iter().flat_map(at).collect()
            }
        }
    }
}
