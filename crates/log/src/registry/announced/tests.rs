//! What a read shows of entries that messages have named.

use bytes::Bytes;
use fanfare_protocol::{Decoded, Entry, Epoch, Event};

use super::*;
use crate::archive::{FirstEntry, Tip};

fn id(ms: u64) -> EntryId {
    EntryId { ms, seq: 0 }
}

fn at(ms: u64) -> Position {
    Position::At(id(ms))
}

/// What a read from 10, which the stream still holds, shows of one that ends at `tip`: these entries, each with the one before it as its
/// predecessor.
fn shows(tip: Position, entries: &[u64], complete: bool) -> Snapshot {
    let event = || Event { name: None, data: Bytes::from_static(b"x") };
    let before = [10].into_iter().chain(entries.iter().copied());
    let decoded = before
        .zip(entries)
        .map(|(prev, ms)| Decoded::Entry(Entry { id: id(*ms), prev: Some(id(prev)), event: event() }));
    let tip =
        Tip { position: tip, now_ms: 100, epoch: Epoch::from_bits(7), evicts: false, min_life: crate::MinLife::LEAST };
    let first = Some(FirstEntry { id: id(10), prev: None });
    Snapshot { tip, first, untouched: false, entries: decoded.collect(), complete }
}

/// How many of the entries that messages named, each with its predecessor, a read from 10 shows not to be there.
fn unfounded(named: &[(u64, u64)], snapshot: &Snapshot) -> (usize, Announced) {
    let mut announced = Announced::default();
    named.iter().for_each(|(entry, prev)| announced.add(id(*entry), Some(id(*prev))));
    announced.begin_read();
    let effect = announced.compare(at(10), snapshot);
    let count = effect.map_or(0, |effect| match effect {
        Effect::Unfounded { count, .. } => count,
        other => panic!("{other:?}"),
    });
    (count, announced)
}

#[test]
fn an_entry_that_was_read_is_founded_and_one_that_the_stream_lacks_is_not() {
    let stream = shows(at(13), &[11, 13], true);
    assert_eq!(unfounded(&[(11, 10), (13, 11)], &stream).0, 0);
    assert_eq!(unfounded(&[(12, 11)], &stream).0, 1, "between two entries there is nothing");
    assert_eq!(unfounded(&[(14, 13), (11, 10), (15, 13)], &stream).0, 2, "behind the end there is nothing");
    assert_eq!(unfounded(&[(11, 9)], &stream).0, 1, "it has another predecessor");
    assert_eq!(unfounded(&[(9, 8)], &stream).0, 0, "what stands before the head was not read");
    let absent = Position::Absent { at_ms: 100, epoch: Epoch::from_bits(7) };
    assert_eq!(unfounded(&[(11, 10)], &shows(absent, &[], true)).0, 1);
}

// Seen to fail when everything that a whole read does not show counts as never stored.
#[test]
fn an_entry_that_may_have_been_trimmed_since_is_not_unfounded() {
    let trimmed =
        Snapshot { first: Some(FirstEntry { id: id(13), prev: Some(id(12)) }), ..shows(at(15), &[13, 15], true) };
    assert_eq!(unfounded(&[(11, 10), (12, 11), (15, 13)], &trimmed).0, 0);
    assert_eq!(
        unfounded(&[(14, 13), (16, 15)], &trimmed).0,
        2,
        "the stream reaches over the one and not as far as the other"
    );
    let emptied = Snapshot { first: None, ..shows(at(15), &[], true) };
    assert_eq!((unfounded(&[(11, 10), (15, 11)], &emptied).0, unfounded(&[(16, 15)], &emptied).0), (0, 1));
}

#[test]
fn what_a_page_has_not_come_to_is_looked_for_in_the_next_one() {
    let (count, mut announced) = unfounded(&[(11, 10), (12, 11), (20, 13)], &shows(at(20), &[11, 13], false));
    assert_eq!(count, 1, "12 would stand between");
    announced.begin_read();
    assert!(announced.was_asked());
    assert!(announced.compare(at(13), &shows(at(20), &[13, 20], true)).is_none());
    announced.begin_read();
    assert!(!announced.was_asked());
}

// Fails if everything that was named is compared.
#[test]
fn a_read_says_nothing_of_what_was_named_after_it_began() {
    let (_, mut announced) = unfounded(&[], &shows(at(10), &[], true));
    announced.begin_read();
    announced.add(id(11), Some(id(10)));
    assert!(!announced.was_asked());
    assert!(announced.compare(at(10), &shows(at(10), &[], true)).is_none());
    announced.begin_read();
    assert!(announced.compare(at(10), &shows(at(10), &[], true)).is_some());
}

#[test]
fn so_many_are_remembered_and_no_more() {
    let mut announced = Announced::default();
    (0..10 * ANNOUNCED_MAX as u64).for_each(|number| announced.add(id(number), None));
    assert_eq!(announced.named.len(), ANNOUNCED_MAX);
}

// Seen to fail when only messages that are remembered make a read one that was asked for.
#[test]
fn a_read_behind_more_messages_than_are_remembered_is_one_that_they_asked_for() {
    let mut announced = Announced::default();
    (11..=10 + ANNOUNCED_MAX as u64).for_each(|number| announced.add(id(number), None));
    announced.begin_read();
    announced.add(id(900), None);
    assert!(announced.compare(at(10), &shows(at(10 + ANNOUNCED_MAX as u64), &[], true)).is_some());
    announced.begin_read();
    assert!(announced.was_asked(), "by the one that came while the list was full");
    assert!(announced.compare(at(800), &shows(at(900), &[850], false)).is_none());
    announced.begin_read();
    announced.begin_read();
    assert!(announced.was_asked(), "the page ended before it");
    assert!(announced.compare(at(850), &shows(at(900), &[900], true)).is_none());
    announced.begin_read();
    assert!(!announced.was_asked());
}

// Fails if only the entries are forgotten: what is named next counts as named before the read began.
#[test]
fn what_was_named_before_a_loss_is_not_looked_for_after_it() {
    let (_, mut announced) = unfounded(&[], &shows(at(10), &[], true));
    announced.add(id(11), Some(id(10)));
    announced.begin_read();
    announced.forget();
    announced.add(id(12), Some(id(10)));
    assert!(announced.compare(at(10), &shows(at(10), &[], true)).is_none());
}
