//! The tail against a plain list of everything that ever happened.
//!
//! Seen to fail when the tail is broken: a floor that does not follow `pop_front`, a look-up that crosses a seam, an absence
//! that survives its first entry, a copy that does not take over the head.

use bytes::Bytes;
use fanfare_protocol::{Event, GapReason};
use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Append(u64),
    Ephemeral,
    Seam { at: Option<u64>, exact: bool },
    Pop,
    Retract(u64),
    Absent(u64),
    Sync,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1u64..4).prop_map(Step::Append),
        3 => Just(Step::Ephemeral),
        1 => (proptest::option::of(1u64..50), any::<bool>()).prop_map(|(at, exact)| Step::Seam { at, exact }),
        5 => Just(Step::Pop),
        1 => (1u64..4).prop_map(Step::Retract),
        2 => (1u64..100).prop_map(Step::Absent),
        2 => Just(Step::Sync),
    ]
}

fn id(n: u64) -> EntryId {
    EntryId { ms: n, seq: 0 }
}

fn epoch() -> Epoch {
    Epoch::from_bits(7)
}

fn frame() -> Frame {
    Frame::ephemeral(&Event { name: None, data: Bytes::from_static(b"x") })
}

/// What a tail would be if memory were endless.
struct Model {
    /// Everything since the beginning; the first has index 1. `None` is an item without id.
    items: Vec<Option<u64>>,
    segment: u64,
    /// Where the segment begins.
    origin: Position,
    /// Moments of absence, each with the index of what followed.
    absences: Vec<(u64, u64)>,
    newest: u64,
    clock: u64,
}

impl Model {
    fn end(&self) -> u64 {
        self.items.len() as u64 + 1
    }

    fn note_absence(&mut self, position: Position) {
        if let Position::Absent { at_ms, .. } = position {
            self.absences.push((at_ms, self.end()));
        }
    }

    /// Entries of the segment from an index on.
    fn entries_from(&self, index: u64) -> Vec<u64> {
        let skip = usize::try_from(index.max(self.segment) - 1).unwrap();
        self.items[skip..].iter().flatten().copied().collect()
    }

    fn entries_above(&self, n: u64) -> Vec<u64> {
        self.entries_from(self.segment).into_iter().filter(|entry| *entry > n).collect()
    }
}

fn check_look_ups(tail: &Tail, model: &Model) {
    assert_eq!(tail.end(), model.end());
    assert_eq!(tail.locate(tail.head()), Located::Next(tail.end()));
    for n in 0..=model.newest + 1 {
        let is_here = (tail.first()..tail.end()).any(|index| {
            matches!(tail.get(index), Some(Item::Entry { id: found, .. }) if found.ms == n) && index >= model.segment
        });
        assert_eq!(tail.contains(id(n)), is_here);
        match tail.locate(Position::At(id(n))) {
            Located::Next(index) => {
                assert!(index >= tail.first());
                assert_eq!(model.entries_from(index), model.entries_above(n), "from {n}");
            }
            Located::Unknown => assert!(!is_here, "{n} is here and was not found"),
        }
    }
    for (at_ms, next) in &model.absences {
        let position = Position::Absent { at_ms: *at_ms, epoch: epoch() };
        if let Located::Next(index) = tail.locate(position) {
            assert_eq!(model.entries_from(index), model.entries_from(*next), "from the absence at {at_ms}");
        }
        let other = Position::Absent { at_ms: *at_ms, epoch: Epoch::from_bits(8) };
        assert_eq!(tail.locate(other), Located::Unknown);
    }
}

fn check_runs(tail: &Tail) {
    for index in 0..=tail.end() + 1 {
        let run: Vec<_> = tail.from(index).map(std::ptr::from_ref).collect();
        let here = (index.max(1)..tail.end()).map_while(|index| tail.get(index)).map(std::ptr::from_ref);
        assert_eq!(run, if index == 0 { vec![] } else { here.collect() }, "from {index}");
    }
}

fn check_newest(tail: &Tail, model: &Model) {
    for count in 0..6 {
        let Some((index, position)) = tail.newest_from(count) else { continue };
        let given = model.entries_from(index);
        let Located::Next(from) = tail.locate(position) else { panic!("{position} is not a place") };
        assert_eq!(model.entries_from(from), given, "a reader at {position} would get something else");
        if given.len() != count {
            assert!(given.len() < count && tail.absence.is_some(), "{count} wanted, {given:?} given");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn whatever_happens_to_a_tail_look_ups_tell_what_a_plain_list_would(
        steps in proptest::collection::vec(step(), 0..80),
        starts_absent in any::<bool>(),
    ) {
        let origin = if starts_absent { Position::Absent { at_ms: 1, epoch: epoch() } } else { Position::At(id(5)) };
        let mut tail = Tail::new(origin);
        let mut copy = tail.clone();
        let newest = newest_of(origin).ms;
        let mut model = Model { items: vec![], segment: 1, origin, absences: vec![], newest, clock: 1 };
        model.note_absence(origin);
        let mut charged = 0;
        for step in steps {
            match step {
                Step::Append(n) => {
                    model.newest += n;
                    charged += tail.push_entry(id(model.newest), frame());
                    model.items.push(Some(model.newest));
                }
                Step::Ephemeral => {
                    charged += tail.push_ephemeral(frame());
                    model.items.push(None);
                }
                Step::Seam { at, exact } => {
                    model.clock += 1;
                    let resume = at.map_or(Position::Absent { at_ms: model.clock, epoch: epoch() }, |n| Position::At(id(n)));
                    charged += tail.push_seam(Seam { reason: GapReason::Reset, after: tail.head(), resume }, exact);
                    model.items.push(None);
                    (model.segment, model.origin, model.newest) = (model.end(), resume, at.unwrap_or(0));
                    model.absences.clear();
                    model.note_absence(resume);
                }
                Step::Pop => charged -= tail.pop_front(),
                Step::Retract(n) => {
                    if matches!(tail.head(), Position::At(_)) {
                        model.newest += n;
                        tail.move_head(Position::At(id(model.newest)));
                    }
                }
                Step::Absent(ms) => {
                    model.clock += ms;
                    let head = Position::Absent { at_ms: model.clock, epoch: epoch() };
                    tail.move_head(head);
                    model.note_absence(head);
                }
                Step::Sync => check_copy(&mut copy, &tail),
            }
            check_look_ups(&tail, &model);
            check_newest(&tail, &model);
            check_runs(&tail);
            let here = (tail.first()..tail.end()).map(|index| tail.get(index).unwrap().cost());
            assert_eq!(tail.bytes(), here.sum::<usize>());
            assert_eq!(tail.held_bytes(), charged, "what was charged and not released is held");
            assert!(tail.held_bytes() < tail.bytes() + 64 * 200, "evicted items go with their chunk");
        }
        check_copy(&mut copy, &tail);
    }
}

fn check_copy(copy: &mut Tail, tail: &Tail) {
    let had = copy.end();
    let mut fresh = 0;
    copy.catch_up(tail, |_| fresh += 1);
    assert_eq!(fresh, tail.end() - had.max(tail.first()), "each new item is told once");
    assert_eq!(format!("{copy:?}"), format!("{tail:?}"));
}

#[test]
fn a_cursor_before_an_ephemeral_event_gets_it_with_the_next_entry() {
    let mut tail = Tail::new(Position::At(id(1)));
    tail.push_ephemeral(frame());
    tail.push_entry(id(2), frame());
    assert_eq!(tail.locate(Position::At(id(1))), Located::Next(1));
}

#[test]
fn after_everything_was_evicted_only_the_head_is_a_place() {
    let mut tail = Tail::new(Position::At(id(1)));
    tail.push_entry(id(2), frame());
    tail.push_entry(id(3), frame());
    tail.pop_front();
    tail.pop_front();
    assert_eq!(tail.locate(Position::At(id(3))), Located::Next(3));
    assert_eq!(tail.locate(Position::At(id(2))), Located::Unknown);
}

#[test]
fn every_moment_of_a_watched_absence_is_a_place_and_none_before_it_is() {
    let at = |at_ms| Position::Absent { at_ms, epoch: epoch() };
    let mut tail = Tail::new(at(100));
    tail.move_head(at(200));
    assert_eq!(tail.locate(at(150)), Located::Next(1));
    assert_eq!(tail.locate(at(99)), Located::Unknown);
    assert_eq!(tail.locate(at(201)), Located::Unknown);
    assert!(tail.widen_absence(90, 150, epoch()));
    assert_eq!(tail.locate(at(95)), Located::Next(1));
    assert!(!tail.widen_absence(10, 80, epoch()), "a time that does not touch the known absence says nothing");
    tail.push_entry(id(300), frame());
    assert!(!tail.widen_absence(50, 300, epoch()), "the stream exists");
    assert_eq!(tail.locate(at(150)), Located::Next(1));
    tail.pop_front();
    assert_eq!(tail.locate(at(150)), Located::Unknown, "what followed is gone");
}

#[test]
fn a_position_that_the_store_never_had_is_not_where_a_new_reader_starts() {
    let mut tail = Tail::new(Position::At(id(1)));
    let resume = Position::At(EntryId { ms: 4, seq: u64::MAX });
    tail.push_seam(Seam { reason: GapReason::Trimmed, after: Position::At(id(1)), resume }, false);
    tail.push_entry(id(5), frame());
    tail.push_entry(id(6), frame());
    assert_eq!(tail.newest_from(1), Some((3, Position::At(id(5)))));
    assert_eq!(tail.newest_from(2), None);
}

// Seen to fail when any floor is a place: whoever holds the id of a lost entry goes on in silence.
#[test]
fn a_made_up_position_before_an_entry_places_nobody_who_holds_it() {
    let at = |seq| Position::At(EntryId { ms: 4, seq });
    let mut tail = Tail::new(at(2));
    // Entry 4-2 was lost with its stream's end. 4-3, whose publisher recorded no predecessor, follows something else.
    tail.push_seam(Seam { reason: GapReason::UnknownPosition, after: at(2), resume: at(2) }, false);
    tail.push_entry(EntryId { ms: 4, seq: 3 }, frame());
    assert_eq!(tail.locate(at(2)), Located::Unknown);
    assert_eq!(tail.locate_before(EntryId { ms: 4, seq: 3 }), Located::Next(2), "nothing was promised to this one");
}

// Seen to fail when a reader waits at the end in silence: it would be told of a gap after a place that it never held.
#[test]
fn a_reader_before_an_entry_that_is_not_here_has_no_place_even_if_the_entry_would_be_next() {
    let mut tail = Tail::new(Position::At(id(1)));
    tail.push_entry(id(2), frame());
    let next = EntryId { seq: id(2).seq + 1, ..id(2) };
    assert_eq!(tail.locate(Position::At(id(2))), Located::Next(tail.end()));
    assert_eq!(tail.locate_before(next), Located::Unknown);
}

/// A tail with so many items, each evicted beyond `kept`.
fn long_tail(items: u64, kept: usize) -> Tail {
    let mut tail = Tail::new(Position::At(id(0)));
    for n in 1..=items {
        tail.push_entry(id(n), frame());
        while tail.len() > kept {
            tail.pop_front();
        }
    }
    tail
}

// Seen to fail when chunks stay short.
#[test]
fn copies_share_the_items_and_stay_small() {
    let tail = long_tail(10_000, 4_096);
    let copies = [tail.clone(), tail.clone()];
    let last = |tail: &Tail| std::ptr::from_ref(tail.get(tail.end() - 1).unwrap());
    assert!(copies.iter().all(|copy| std::ptr::eq(last(copy), last(&tail))));
    assert!(tail.items.chunks() <= 4_096 / 64 + 2, "{} chunks", tail.items.chunks());
}

#[test]
fn what_was_evicted_and_still_takes_memory_is_a_small_part() {
    for (items, kept) in [(10_000, 4_096), (1_000, 100), (500, 40)] {
        let tail = long_tail(items, kept);
        let evicted = tail.held_bytes() - tail.bytes();
        assert!(evicted * 8 <= tail.bytes() + tail.bytes() / 4, "{evicted} of {} bytes", tail.bytes());
    }
    let empty = long_tail(10, 0);
    assert_eq!((empty.held_bytes(), empty.items.chunks()), (0, 0));
}

// Seen to fail when a chunk takes items however large they are.
#[test]
fn large_items_go_by_themselves() {
    let large = |n| {
        let event = Event { name: None, data: Bytes::from(vec![b'x'; 100_000]) };
        Frame::entry(id(n), &event)
    };
    let mut tail = Tail::new(Position::At(id(0)));
    (1..=50).for_each(|n| _ = tail.push_entry(id(n), large(n)));
    (1..50).for_each(|_| _ = tail.pop_front());
    assert!(tail.held_bytes() < 200_000, "{} bytes for one item", tail.held_bytes());
}

// Seen to fail when a slot that is taken is left as it is.
#[test]
fn a_copy_that_goes_its_own_way_does_not_disturb_its_source() {
    let mut tail = long_tail(3, 10);
    let mut other = tail.clone();
    other.push_entry(id(7), frame());
    tail.push_entry(id(4), frame());
    let ids = |tail: &Tail| -> Vec<_> { tail.from(1).map(|item| item.order().ms).collect() };
    assert_eq!((ids(&tail), ids(&other)), (vec![1, 2, 3, 4], vec![1, 2, 3, 7]));
}

// What precedes the newest entries is looked for from them on, not from the tail's front.
#[test]
fn the_newest_entries_of_a_long_tail_begin_after_the_one_before_them() {
    let mut tail = long_tail(5_000, 4_096);
    tail.push_ephemeral(frame());
    assert_eq!(tail.newest_from(1), Some((5_000, Position::At(id(4_999)))));
    assert_eq!(tail.newest_from(70), Some((4_931, Position::At(id(4_930)))));
}
