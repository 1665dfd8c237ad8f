//! The checker: what each connection must receive next on each of its channels.

use std::ops::Range;

use super::cell::{Cell, Doubt};
use super::excuses::Excuses;
use super::holes::Holes;
use crate::disturbances::Disturbances;
use crate::integrity::Integrity;
use crate::latency::Latency;
use crate::publish::Span;

/// An event that came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Delivery {
    /// The index of the cell over all connections.
    pub(crate) cell: usize,
    /// The index of its channel.
    pub(crate) channel: u32,
    /// The number of the event in its channel.
    pub(crate) number: u64,
    /// Whether the connection is slow.
    pub(crate) slow: bool,
}

/// Everything that is counted over all connections of a worker.
#[derive(Debug)]
pub(crate) struct Checker {
    pub(crate) integrity: Integrity,
    pub(crate) disturbances: Disturbances,
    pub(crate) measured: u64,
    pub(crate) latencies: Latency,
    watch: Option<Watch>,
    excuses: Excuses,
    /// What is missing, to tell a late event from a doubled one.
    missed: Holes,
    /// What is missing and excused.
    excused: Holes,
}

#[derive(Clone, Copy, Debug)]
struct Watch {
    sequence: u64,
    slow: bool,
    behind: u64,
    told: bool,
}

impl Checker {
    pub(crate) fn new() -> Self {
        Self {
            integrity: Integrity::default(),
            disturbances: Disturbances::default(),
            measured: 0,
            latencies: Latency::new(),
            watch: None,
            excuses: Excuses::default(),
            missed: Holes::default(),
            excused: Holes::default(),
        }
    }

    /// Forgets what was measured, not what was judged.
    pub(crate) fn measure(&mut self) {
        self.measured = 0;
        self.latencies.0.reset();
    }

    /// Watches for `sequence` in all `cells`: pairs of a cell and whether it belongs to a slow connection.
    pub(crate) fn watch<'a>(&mut self, sequence: u64, slow: bool, cells: impl Iterator<Item = (&'a Cell, bool)>) {
        let behind = cells.filter(|(cell, is_slow)| cell.next <= sequence && (slow || !is_slow)).count() as u64;
        self.watch = Some(Watch { sequence, slow, behind, told: false });
    }

    /// The event that is watched for, once, when all have it.
    pub(crate) fn reached(&mut self) -> Option<u64> {
        let watch = self.watch.as_mut().filter(|watch| watch.behind == 0 && !watch.told)?;
        watch.told = true;
        Some(watch.sequence)
    }

    /// Cells that do not have what is watched for.
    pub(crate) fn behind(&self) -> u64 {
        self.watch.map_or(0, |watch| watch.behind)
    }

    /// An event has come to `cell`, which is the one that the delivery names.
    pub(crate) fn take(&mut self, cell: &mut Cell, delivery: Delivery) {
        let Delivery { cell: index, channel, number, slow } = delivery;
        if number < cell.next {
            self.take_old(index, number);
            return;
        }
        if number > cell.next {
            self.skip(index, channel, cell.next..number, cell.doubt);
        }
        if let Some(watch) = &mut self.watch
            && (cell.next..=number).contains(&watch.sequence)
            && (watch.slow || !slow)
        {
            watch.behind -= 1;
        }
        *cell = Cell { next: number + 1, doubt: Doubt::None };
        self.integrity.delivered += 1;
        self.measured += 1;
    }

    /// From now on these events are excused, and those of them that are missing already count as if they had been.
    /// `channel_of` tells the channel of a cell.
    pub(crate) fn excuse(&mut self, spans: &[Span], channel_of: impl Fn(usize) -> u32) {
        spans.iter().for_each(|span| self.excuses.add(span));
        for (cell, holes) in self.missed.iter_mut() {
            for hole in std::mem::take(holes) {
                let (excused, rest) = self.excuses.split(channel_of(cell), hole);
                holes.extend(rest);
                for range in excused {
                    self.integrity.lost -= length(&range);
                    self.integrity.excused += length(&range);
                    self.excused.add(cell, range);
                }
            }
        }
    }

    fn skip(&mut self, cell: usize, channel: u32, missing: Range<u64>, doubt: Doubt) {
        if doubt == Doubt::Fresh {
            return;
        }
        let (excused, rest) = self.excuses.split(channel, missing);
        for range in excused {
            self.integrity.excused += length(&range);
            self.excused.add(cell, range);
        }
        for range in rest {
            if doubt == Doubt::None {
                self.integrity.lost += length(&range);
                self.missed.add(cell, range);
            } else {
                self.integrity.announced += length(&range);
            }
        }
    }

    /// An event that is not the next one: late if it was missed before, else doubled. One that was excused may be late.
    fn take_old(&mut self, cell: usize, number: u64) {
        if self.missed.fill(cell, number) {
            self.integrity.lost -= 1;
            self.integrity.out_of_order += 1;
        } else if self.excused.fill(cell, number) {
            self.integrity.excused -= 1;
        } else {
            self.integrity.doubled += 1;
            return;
        }
        self.integrity.delivered += 1;
        self.measured += 1;
    }

    pub(crate) fn latency(&mut self, microseconds: u64) {
        self.latencies.0.saturating_record(microseconds.max(1));
    }
}

fn length(range: &Range<u64>) -> u64 {
    range.end - range.start
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANNEL: u32 = 3;

    fn event(number: u64) -> Delivery {
        Delivery { cell: 0, channel: CHANNEL, number, slow: false }
    }

    fn after(steps: &[Step]) -> Integrity {
        let (mut checker, mut cell) = (Checker::new(), Cell::NEW);
        for step in steps {
            match step {
                Step::Event(number) => checker.take(&mut cell, event(*number)),
                Step::Doubt(doubt) => cell.doubt = *doubt,
                Step::Excuse(first, last) => {
                    let span = Span { channel: CHANNEL, first: *first, last: *last };
                    checker.excuse(&[span], |_| CHANNEL);
                }
            }
        }
        checker.integrity
    }

    enum Step {
        Event(u64),
        Doubt(Doubt),
        Excuse(u64, u64),
    }
    use Step::{Doubt as In, Event as E, Excuse as X};

    #[test]
    fn a_contiguous_run_is_right() {
        let integrity = after(&[E(1), E(2), E(3)]);
        assert_eq!(integrity, Integrity { delivered: 3, ..Integrity::default() });
        assert!(integrity.holds());
    }

    // Seen to fail when a later event is taken for the next one.
    #[test]
    fn a_missing_event_is_lost_unless_a_gap_announced_it() {
        let lost = after(&[E(1), E(4)]);
        assert_eq!((lost.lost, lost.announced, lost.holds()), (2, 0, false));
        let announced = after(&[E(1), In(Doubt::Gap), E(4), E(5)]);
        assert_eq!((announced.lost, announced.announced, announced.holds()), (0, 2, true));
        let twice = after(&[E(1), In(Doubt::Gap), E(4), E(6)]);
        assert_eq!((twice.lost, twice.announced), (1, 2), "one gap excuses one hole");
        let fresh = after(&[E(1), In(Doubt::Fresh), E(9)]);
        assert_eq!((fresh.lost, fresh.announced, fresh.holds()), (0, 0, true));
    }

    // Seen to fail when missing events are not remembered: the late one then counts as doubled.
    #[test]
    fn a_late_event_is_out_of_order_and_a_second_one_doubled() {
        let late = after(&[E(1), E(4), E(3), E(2), E(5)]);
        assert_eq!((late.lost, late.out_of_order, late.doubled, late.delivered), (0, 2, 0, 5));
        let doubled = after(&[E(1), E(1), E(2), E(1)]);
        assert_eq!((doubled.doubled, doubled.out_of_order, doubled.delivered), (2, 0, 2));
        assert!(!late.holds() && !doubled.holds());
    }

    // Seen to fail when an excuse is passed over, when it excuses more than it names, and when what is missing by then stays
    // lost.
    #[test]
    fn what_is_excused_may_be_missing_and_nothing_else() {
        for steps in [[E(1), X(2, 3), E(5)], [E(1), E(5), X(2, 3)]] {
            let integrity = after(&steps);
            assert_eq!((integrity.lost, integrity.excused, integrity.delivered), (1, 2, 2), "{integrity:?}");
        }
        let kept = after(&[E(1), X(2, 3), E(2), E(4)]);
        assert_eq!((kept.lost, kept.excused, kept.delivered, kept.holds()), (0, 1, 3, true));
        let announced = after(&[E(1), X(2, 3), In(Doubt::Gap), E(6)]);
        assert_eq!((announced.announced, announced.excused), (2, 2));
    }

    // Seen to fail when every excused event that comes again is let pass.
    #[test]
    fn what_is_excused_may_come_late_but_not_twice() {
        let late = after(&[E(1), X(2, 3), E(4), E(3)]);
        assert_eq!((late.excused, late.delivered, late.holds()), (1, 3, true));
        let twice = after(&[E(1), X(2, 3), E(4), E(3), E(3)]);
        assert_eq!((twice.doubled, twice.delivered), (1, 3));
        let again = after(&[E(1), X(2, 3), E(2), E(2)]);
        assert_eq!((again.doubled, again.delivered), (1, 2));
    }

    // Seen to fail when cells that passed the event already are counted too.
    #[test]
    fn a_watch_ends_when_the_last_cell_has_the_event_or_a_later_one() {
        let mut checker = Checker::new();
        let mut cells = [Cell::NEW, Cell::NEW, Cell::NEW, Cell::NEW];
        let to = |cell, number| Delivery { cell, slow: cell == 3, ..event(number) };
        checker.take(&mut cells[0], to(0, 1));
        checker.watch(1, false, cells.iter().zip([false, false, false, true]));
        assert_eq!((checker.behind(), checker.reached()), (2, None));
        checker.take(&mut cells[3], to(3, 1));
        checker.take(&mut cells[1], to(1, 1));
        assert_eq!((checker.behind(), checker.reached()), (1, None));
        checker.take(&mut cells[2], to(2, 5));
        assert_eq!((checker.behind(), checker.reached(), checker.reached()), (0, Some(1), None));
    }
}
