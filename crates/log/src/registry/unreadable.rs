//! Places of a channel behind which a single entry could not be read, and whether that is the entry's fault.
//!
//! When it is, readers at the place are told `unavailable` and go on where the stream ends. A false word of that kind is the fault to
//! avoid: while the archive as a whole is away, or slow, readers keep their places. So a failure **counts** only if all else went well
//! at the time: after the failed read had begun, and before the next one at the place failed, the channel's tip was read and entries of another
//! channel of the same feed were, both by reads that began no earlier than the failed one. An outage, however long it is, fails every
//! read, so the evidence comes when it is over: it makes one failure count at most, and none if the feed is lost or a connection breaks
//! meanwhile ([`Unreadable::doubt`]). It takes [`UNREADABLE_FAILURES`]. A failure that nobody follows up soon ([`UNREADABLE_PENDING`]) does
//! not count, and a place at which nobody reads any more is forgotten ([`UNREADABLE_REMEMBERED`]): readers who come once an hour
//! are not told what hours have proven.
//!
//! For example, with a place after `5-0` (tip and other channels are answered at once):
//!
//! | turn | | counted |
//! |---|---|---|
//! | 10 | a read of one entry after `5-0` begins; with it, from the second time on, reads of the tip and of another channel's head | |
//! | 20 | it has failed. Nothing is known yet of the time since 10 | 0 |
//! | 21 | the next one begins | |
//! | 30 | it has failed, and the tip and another channel were read by reads that began at 21: the failure at 20 counts | 1 |
//! | 40, 50 | the same twice more; at 50 the tip was `9-0`: readers at `5-0` are told, and go on from `9-0` | 2, 3 |

use std::collections::BTreeMap;

use fanfare_protocol::limits::{UNREADABLE_FAILURES, UNREADABLE_PENDING, UNREADABLE_PLACES_MAX, UNREADABLE_REMEMBERED};
use fanfare_protocol::{EntryId, Position};
use tokio::time::Instant;

use super::reads::ReadKind;
use super::successes::Evidence;

/// A place at which reads of one entry failed.
#[derive(Debug)]
struct Place {
    /// Failures that count.
    failures: u32,
    /// The turn in which the last one began, which does not count yet. `None`: it will not.
    last: Option<u64>,
    /// When the last one ended.
    ended_at: Instant,
}

/// The places of one channel. There is one for repairs, the head, and there are up to [`UNREADABLE_PLACES_MAX`] for readers who are behind.
#[derive(Debug, Default)]
pub(super) struct Unreadable {
    places: BTreeMap<(ReadKind, Position), Place>,
    /// Where the stream last ended, and the turn in which the read began that told it.
    tip: Option<(EntryId, u64)>,
}

impl Unreadable {
    /// Whether reads at the place fail.
    pub(super) fn has(&self, kind: ReadKind, after: Position) -> bool {
        self.places.contains_key(&(kind, after))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The channel's tip was read.
    pub(super) fn note_tip(&mut self, tip: Position, began: u64) {
        self.tip = match tip {
            Position::At(id) => Some((id, began)),
            Position::Absent { .. } => None,
        };
    }

    /// The archive as a whole may have been away: what failed last will not count. What has counted was proven by evidence of its
    /// own, so that a link which breaks again and again does not put the word off for ever.
    pub(super) fn doubt(&mut self) {
        self.tip = None;
        self.places.retain(|_, place| {
            place.last = None;
            place.failures > 0
        });
    }

    /// A read of a single entry failed. Returns where its readers go on if it is the entry's fault.
    /// `is_wanted`: whether somebody still wants what follows a place.
    pub(super) fn failed(
        &mut self,
        (kind, after): (ReadKind, Position),
        evidence: Evidence,
        is_wanted: impl Fn(Position) -> bool,
    ) -> Option<Position> {
        let Evidence { began, began_at, ended_at, .. } = evidence;
        self.places.retain(|_, place| ended_at.saturating_duration_since(place.ended_at) < UNREADABLE_REMEMBERED);
        let pending = UNREADABLE_PENDING * u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        let Some(place) = self.places.get_mut(&(kind, after)) else {
            self.add((kind, after), Place { failures: 0, last: Some(began), ended_at }, is_wanted);
            return None;
        };
        let waited = began_at.saturating_duration_since(std::mem::replace(&mut place.ended_at, ended_at));
        let since = place.last.replace(began)?;
        let (tip, read) = self.tip?;
        if waited > pending || read < since || evidence.others.is_none_or(|began| began < since) {
            return None;
        }
        place.failures += 1;
        // Something follows, and a reader is not led back.
        let follows = matches!(after, Position::Absent { .. }) || after < Position::At(tip);
        if place.failures < UNREADABLE_FAILURES || !follows {
            return None;
        }
        Some(Position::At(tip))
    }

    fn add(&mut self, at: (ReadKind, Position), place: Place, is_wanted: impl Fn(Position) -> bool) {
        if at.0 == ReadKind::Head {
            // There is one head.
            self.places.retain(|(kind, _), _| *kind != ReadKind::Head);
        } else if self.places.len() >= UNREADABLE_PLACES_MAX {
            self.places.retain(|(kind, after), _| *kind == ReadKind::Head || is_wanted(*after));
        }
        if at.0 == ReadKind::Head || self.places.len() < UNREADABLE_PLACES_MAX {
            self.places.insert(at, place);
        }
    }

    /// A read at the place succeeded, or its readers were told.
    pub(super) fn forget(&mut self, kind: ReadKind, after: Position) {
        self.places.remove(&(kind, after));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;
    use std::time::Duration;

    use super::*;

    /// When the turn of a number is. There is one in a second.
    fn time_of(turn: u64) -> Instant {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        *START + Duration::from_secs(turn)
    }

    fn evidence(began: u64, others: Option<u64>) -> Evidence {
        Evidence { began, began_at: time_of(began), ended_at: time_of(began), others }
    }

    fn at(ms: u64) -> Position {
        Position::At(EntryId { ms, seq: 0 })
    }

    /// A read of the entry after a place fails that began in that turn; another channel was read by one that began in `others`.
    fn fail(unreadable: &mut Unreadable, after: u64, began: u64, others: u64) -> Option<Position> {
        unreadable.failed((ReadKind::Page, at(after)), evidence(began, Some(others)), |_| true)
    }

    #[test]
    fn a_failure_counts_if_the_tip_and_another_channel_were_read_since_it_began_and_before_the_next_one() {
        for (old_tip, old_others, told) in [(0, 0, Some(at(9))), (5, 0, None), (0, 5, None)] {
            let mut unreadable = Unreadable::default();
            let mut last = None;
            for began in (110..=140).step_by(10) {
                // The failure before began ten turns ago.
                unreadable.note_tip(at(9), began - 10 - old_tip);
                last = fail(&mut unreadable, 5, began, began - 10 - old_others);
                assert!(last.is_none() || began == 140, "told at {began}");
            }
            assert_eq!(last, told, "{old_tip} {old_others}");
        }
    }

    #[test]
    fn readers_who_have_come_to_the_tip_are_not_led_back_to_it() {
        for (tip, told) in [(4, None), (5, None), (6, Some(at(6)))] {
            let mut unreadable = Unreadable::default();
            let mut last = None;
            for began in 1..20 {
                unreadable.note_tip(at(tip), began);
                last = last.or(fail(&mut unreadable, 5, began, began));
            }
            assert_eq!(last, told);
        }
    }

    #[test]
    fn the_places_of_a_channel_are_bounded_and_those_that_nobody_wants_go_first() {
        let mut unreadable = Unreadable::default();
        let places = UNREADABLE_PLACES_MAX as u64;
        (0..3 * places).for_each(|after| _ = fail(&mut unreadable, after, 1, 1));
        assert_eq!(unreadable.places.len(), UNREADABLE_PLACES_MAX);
        assert!(unreadable.has(ReadKind::Page, at(0)) && !unreadable.has(ReadKind::Page, at(places)));
        unreadable.failed((ReadKind::Page, at(places)), evidence(2, None), |after| after == at(3));
        assert!(unreadable.has(ReadKind::Page, at(places)) && unreadable.has(ReadKind::Page, at(3)));
        assert_eq!(unreadable.places.len(), 2);
        for after in 0..3 {
            unreadable.failed((ReadKind::Head, at(after)), evidence(2, None), |_| true);
        }
        assert_eq!(unreadable.places.len(), 3, "there is one head");
    }

    /// Reads at a place fail, one in so many seconds, while all else can be read. Returns whether it is given up.
    fn is_given_up(unreadable: &mut Unreadable, after: u64, every: u64) -> bool {
        (1..10).any(|number| {
            let turn = number * every;
            unreadable.note_tip(at(9), turn);
            fail(unreadable, after, turn, turn).is_some()
        })
    }

    // Seen to fail when a failure counts however long nobody has read since.
    #[test]
    fn a_failure_counts_only_if_the_next_read_began_soon_after_it() {
        let soon = UNREADABLE_PENDING.as_secs();
        assert!(is_given_up(&mut Unreadable::default(), 5, soon));
        assert!(!is_given_up(&mut Unreadable::default(), 5, soon + 1));
        // Readers at two places take turns.
        let mut unreadable = Unreadable::default();
        assert!((1..10).any(|number| {
            let turn = number * (soon + 1);
            unreadable.note_tip(at(9), turn);
            fail(&mut unreadable, 4, turn, turn);
            fail(&mut unreadable, 5, turn, turn).is_some()
        }));
    }

    // Seen to fail when places are remembered as long as the channel is followed.
    #[test]
    fn a_place_at_which_nobody_reads_any_more_is_forgotten_with_what_has_counted() {
        let mut unreadable = Unreadable::default();
        let mut fail_at = |after, turn| {
            unreadable.note_tip(at(9), turn);
            let told = fail(&mut unreadable, after, turn, turn);
            (told.is_some(), unreadable.places.len())
        };
        (1..4).for_each(|turn| assert_eq!(fail_at(5, turn), (false, 1)));
        let late = 3 + UNREADABLE_REMEMBERED.as_secs();
        assert_eq!(fail_at(5, late), (false, 1), "it begins anew");
        assert_eq!(fail_at(5, late + 1), (false, 1));
        assert_eq!(fail_at(4, late + 2), (false, 2));
        assert_eq!(fail_at(4, late + 1 + UNREADABLE_REMEMBERED.as_secs()), (false, 1), "the other is forgotten");
    }
}
