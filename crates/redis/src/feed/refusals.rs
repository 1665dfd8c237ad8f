//! Names whose subscription Redis refuses.
//!
//! A name costs Redis nothing once it was refused: while it is remembered, who asks for it is told without asking Redis, and
//! it is tried again only as long as somebody reads it.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use fanfare_log::Payer;
use fanfare_protocol::LogName;
use fanfare_protocol::limits::{REFUSED_NAME_AGE, REFUSED_NAMES_MAX};
use tokio::time::Instant;

/// How long refused names that have readers rest before they are tried again, at first and at most: somebody has to change an
/// ACL.
const REST: Duration = Duration::from_secs(5);
const REST_MAX: Duration = Duration::from_secs(20);

/// A refusal that is remembered.
#[derive(Debug)]
struct Remembered {
    at: Instant,
    payer: Payer,
    name: LogName,
}

/// What Redis refused, on this connection and those before it.
#[derive(Debug)]
pub(super) struct Refusals {
    /// Names that are desired, to be tried again after a rest.
    desired: BTreeSet<LogName>,
    rest: Duration,
    retry_at: Instant,
    /// What Redis said of each name that is remembered, and when.
    details: HashMap<LogName, (Instant, Arc<str>)>,
    /// The same, the oldest first: at most [`REFUSED_NAMES_MAX`], for [`REFUSED_NAME_AGE`].
    order: VecDeque<Remembered>,
    /// Who asked for them, with the number of names.
    payers: HashMap<Payer, usize>,
    /// Refused names that no line of the log has told of, and when the next one may.
    untold: usize,
    tell_at: Instant,
}

impl Refusals {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            desired: BTreeSet::new(),
            rest: REST,
            retry_at: now + REST,
            details: HashMap::new(),
            order: VecDeque::new(),
            payers: HashMap::new(),
            untold: 0,
            tell_at: now,
        }
    }

    /// A connection comes up, perhaps to another server: what was said before is not said by this one, but a name that was refused
    /// and is still desired is not to fail a batch of others. Parts what is desired into the others and those.
    pub(super) fn begin(&mut self, desired: Vec<LogName>, now: Instant) -> (BTreeSet<LogName>, BTreeSet<LogName>) {
        let (refused, others): (BTreeSet<_>, BTreeSet<_>) =
            desired.into_iter().partition(|name| self.desired.contains(name));
        self.details.clear();
        self.desired.clone_from(&refused);
        (self.rest, self.retry_at) = (REST, now + REST);
        (others, refused)
    }

    /// Redis has refused a name that this payer asked for.
    pub(super) fn note(&mut self, payer: Payer, name: &LogName, detail: &Arc<str>, now: Instant) {
        self.untold += usize::from(self.desired.insert(name.clone()));
        self.details.insert(name.clone(), (now, Arc::clone(detail)));
        self.order.push_back(Remembered { at: now, payer, name: name.clone() });
        *self.payers.entry(payer).or_insert(0) += 1;
        self.forget_old(now);
    }

    /// What Redis said of this name lately. Who asks for it again need not ask Redis.
    pub(super) fn recall(&mut self, name: &LogName, now: Instant) -> Option<Arc<str>> {
        self.forget_old(now);
        let detail = Arc::clone(&self.details.get(name)?.1);
        self.desired.insert(name.clone());
        Some(detail)
    }

    /// Whether a name that this payer asked for was refused lately. The node itself is beyond suspicion: what it asks for was
    /// asked for by many.
    pub(super) fn is_suspect(&self, payer: Payer) -> bool {
        payer != Payer::NODE && self.payers.contains_key(&payer)
    }

    /// The name is not desired any more, or is subscribed to.
    pub(super) fn settle(&mut self, name: &LogName) {
        self.desired.remove(name);
    }

    /// When refused names are tried again; `None` if there are none.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        (!self.desired.is_empty()).then_some(self.retry_at)
    }

    /// The names to try again now.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<LogName> {
        if self.desired.is_empty() {
            self.rest = REST;
            self.retry_at = now + REST;
        }
        if now < self.retry_at {
            return Vec::new();
        }
        self.rest = (self.rest * 2).min(REST_MAX);
        self.retry_at = now + self.rest;
        self.desired.iter().cloned().collect()
    }

    /// The number of refused names that the log is to tell of, if it is time for a line.
    pub(super) fn take_untold(&mut self, now: Instant) -> Option<usize> {
        if self.untold == 0 || now < self.tell_at {
            return None;
        }
        self.tell_at = now + REST;
        Some(std::mem::take(&mut self.untold))
    }

    fn forget_old(&mut self, now: Instant) {
        while let Some(oldest) = self.order.front()
            && (oldest.at + REFUSED_NAME_AGE <= now || self.order.len() > REFUSED_NAMES_MAX)
        {
            let Some(Remembered { at, payer, name }) = self.order.pop_front() else { return };
            // It may have been refused again since.
            if self.details.get(&name).is_some_and(|(last, _)| *last == at) {
                self.details.remove(&name);
            }
            if let Some(names) = self.payers.get_mut(&payer) {
                *names -= 1;
                if *names == 0 {
                    self.payers.remove(&payer);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use fanfare_protocol::ChannelName;

    use super::*;

    fn name(number: usize) -> LogName {
        LogName::from(ChannelName::parse(&format!("c{number}")).unwrap())
    }

    // Seen to fail when nothing is forgotten, by age and by number.
    #[test]
    fn what_was_refused_is_remembered_for_some_seconds_and_never_too_much_of_it() {
        let now = Instant::now();
        let (mut refusals, payer, detail) = (Refusals::new(now), Payer::of(1), Arc::from("NOPERM"));
        for number in 0..2 * REFUSED_NAMES_MAX {
            refusals.note(payer, &name(number), &detail, now);
            refusals.settle(&name(number));
        }
        assert_eq!((refusals.details.len(), refusals.order.len()), (REFUSED_NAMES_MAX, REFUSED_NAMES_MAX));
        assert!(refusals.recall(&name(0), now).is_none() && refusals.is_suspect(payer));
        let last = name(2 * REFUSED_NAMES_MAX - 1);
        assert!(refusals.recall(&last, now).is_some());
        let later = now + REFUSED_NAME_AGE;
        assert!(refusals.recall(&last, later).is_none() && !refusals.is_suspect(payer));
        assert_eq!((refusals.details.len(), refusals.order.len(), refusals.payers.len()), (0, 0, 0));
    }

    // Seen to fail when names are tried again that nobody desires.
    #[test]
    fn only_what_is_desired_is_tried_again_and_ever_more_rarely() {
        let mut now = Instant::now();
        let (mut refusals, detail) = (Refusals::new(now), Arc::from("NOPERM"));
        (0..2).for_each(|number| refusals.note(Payer::of(1), &name(number), &detail, now));
        refusals.settle(&name(0));
        let mut rests = Vec::new();
        for _ in 0..4 {
            let at = refusals.retry_at().unwrap();
            assert!(refusals.take_due(at - Duration::from_millis(1)).is_empty());
            rests.push((at - now).as_secs());
            now = at;
            assert_eq!(refusals.take_due(now), [name(1)]);
        }
        assert_eq!(rests, [5, 10, 20, 20]);
        refusals.settle(&name(1));
        assert_eq!((refusals.retry_at(), refusals.take_due(now + REST_MAX).len()), (None, 0));
    }
}
