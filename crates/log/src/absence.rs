//! What the log knows of times at which a stream did not exist. The tail, proofs, views and the registry ask here.
//!
//! A client that subscribes to a channel without a stream holds the position "no stream at T". Two things make that worth
//! something. No stream ends sooner after its last entry than a [`MinLife`] says, so two looks that are closer together than
//! that and both find no stream prove that there was none in between ([`still`]). And the first entry of a stream says that it
//! created its key, so the first entry after T is known when it comes ([`is_created_after`]).
//!
//! A proof ages, so the registry looks again at every followed channel without a stream ([`renew_at`]), and the tail knows a
//! span of times and not one ([`Absence`]).

use std::time::Duration;

use fanfare_protocol::{EntryId, Epoch, Position};
use tokio::time::Instant;

use crate::min_life::MinLife;
use crate::random::Random;

/// How often an absence is renewed, at most: what a client holds is then young enough to be proven after a disconnect.
const RENEWED: Duration = Duration::from_secs(10);
/// The moments in this time at which absences are renewed.
const RENEWAL_MOMENTS: u32 = 32;

/// Whether a key that was absent at both times cannot have existed in between.
#[must_use]
pub fn still(absent_ms: u64, now_ms: u64, min_life: MinLife) -> bool {
    now_ms >= absent_ms && now_ms - absent_ms < min_life.ms_since(absent_ms)
}

/// Whether an entry that says it created the key is the first one ever since the key was absent at `absent_ms`.
#[must_use]
pub fn is_created_after(absent_ms: u64, id: EntryId, prev: Option<EntryId>, min_life: MinLife) -> bool {
    prev == Some(EntryId::ZERO) && is_first_after(absent_ms, id, min_life)
}

/// Whether a key whose first entry is `first` cannot be the second one since the absence: a first one would still exist.
#[must_use]
pub fn is_first_after(absent_ms: u64, first: EntryId, min_life: MinLife) -> bool {
    first.ms >= absent_ms && first.ms - absent_ms < min_life.ms_since(absent_ms)
}

/// Whether an id was given before the key was absent: what was deleted has come back, as after a failover to a replica
/// that had not heard of the deletion. `0-0` is no such id, but that of a stream that was made empty.
#[must_use]
pub fn is_before(absent_ms: u64, id: EntryId) -> bool {
    id != EntryId::ZERO && id.ms < absent_ms
}

/// Whether a reader who was at `from`, and whose page says that there was no stream at `absence`, may go on from `head`, where
/// the node knows that there is no stream: a head from before `from` would lead the reader back to what it has seen.
///
/// For example, a reader has had the entry `9-0`. The stream is deleted, a page finds no stream at 20, and the node's head, which is
/// renewed now and then, still says "no stream at 5". From there the entry `9-0` would be news if it came back. So the reader
/// waits until the head says "no stream at 21". (If the store's clock has gone back behind `from`, then no head would ever do, and
/// neither would the page's own time: the reader goes on from any.)
#[must_use]
pub fn leads_on(head: Position, from: Position, absence: Position) -> bool {
    let is_later = |position| match (position, from) {
        (Position::Absent { at_ms, .. }, Position::At(id)) => at_ms > id.ms,
        (Position::Absent { at_ms, .. }, Position::Absent { at_ms: from_ms, .. }) => at_ms >= from_ms,
        (Position::At(_), _) => false,
    };
    is_later(head) || !is_later(absence)
}

/// When to look again at a stream that does not exist. On common moments, so that thousands of absent streams share requests
/// and are not asked about one by one.
pub(crate) fn renew_at(now: Instant, began: Instant, interval: Duration, random: &Random) -> Instant {
    let period = (interval / 3).min(RENEWED);
    let at = now + random.spread(period);
    let step = (period / RENEWAL_MOMENTS).as_micros().max(1);
    let past = at.saturating_duration_since(began).as_micros() % step;
    at - Duration::from_micros(u64::try_from(past).unwrap_or(0))
}

/// The last span of times at which a stream is known not to have existed: every moment in it is a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Absence {
    /// Milliseconds of the store's clock, both included.
    since_ms: u64,
    until_ms: u64,
    epoch: Epoch,
}

impl Absence {
    /// The absence that a head tells of.
    pub(crate) fn of(head: Position) -> Option<Self> {
        match head {
            Position::Absent { at_ms, epoch } => Some(Self { since_ms: at_ms, until_ms: at_ms, epoch }),
            Position::At(_) => None,
        }
    }

    /// Its latest moment.
    pub(crate) fn position(self) -> Position {
        Position::Absent { at_ms: self.until_ms, epoch: self.epoch }
    }

    /// Whether the stream is known not to have existed at that time in that life of the store's data.
    pub(crate) fn covers(self, at_ms: u64, epoch: Epoch) -> bool {
        self.epoch == epoch && (self.since_ms..=self.until_ms).contains(&at_ms)
    }

    /// Learns that the stream still did not exist at a later time. `false`: in another life of the data, so nothing is known
    /// of the time in between.
    pub(crate) fn extend(&mut self, until_ms: u64, epoch: Epoch) -> bool {
        let same = self.epoch == epoch;
        if same {
            self.until_ms = self.until_ms.max(until_ms);
        }
        same
    }

    /// Learns that the stream did not exist from `since_ms` to `until_ms` either. Only times that touch what is known already
    /// widen it. Returns whether they did, so that a reader at `since_ms` is covered now.
    pub(crate) fn widen(&mut self, since_ms: u64, until_ms: u64, epoch: Epoch) -> bool {
        let touches = self.epoch == epoch && since_ms <= self.until_ms && until_ms >= self.since_ms;
        if touches {
            self.since_ms = self.since_ms.min(since_ms);
        }
        touches
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_from_before_what_a_reader_has_seen_does_not_lead_on() {
        let epoch = Epoch::from_bits(7);
        let absent = |at_ms| Position::Absent { at_ms, epoch };
        let ninth = Position::At(EntryId { ms: 9, seq: 0 });
        assert!(!leads_on(absent(5), ninth, absent(20)));
        assert!(leads_on(absent(21), ninth, absent(20)));
        assert!(leads_on(absent(5), ninth, absent(4)), "the store's clock went back: no head would do");
        assert!(!leads_on(absent(5), absent(9), absent(20)) && leads_on(absent(9), absent(9), absent(20)));
    }

    #[test]
    fn only_times_that_touch_what_is_known_widen_an_absence() {
        let epoch = Epoch::from_bits(7);
        let mut absence = Absence::of(Position::Absent { at_ms: 100, epoch }).unwrap();
        assert!(absence.extend(200, epoch) && !absence.extend(300, Epoch::from_bits(8)));
        assert!(!absence.widen(10, 80, epoch), "80 to 100 is not known");
        assert!(absence.widen(90, 150, epoch));
        assert!(absence.covers(90, epoch) && absence.covers(200, epoch) && !absence.covers(201, epoch));
        assert!(!absence.covers(100, Epoch::from_bits(8)));
    }
}
