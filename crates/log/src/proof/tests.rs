//! Every trap of a continuity proof, each as a sentence. The simulation of whole nodes (`crates/sim`) holds them against random histories.

use bytes::Bytes;
use fanfare_protocol::{Entry, Epoch, Event};

use super::*;
use crate::archive::{FirstEntry, Tip};

const T: u64 = 1_700_000_000_000;

fn id(n: u64) -> EntryId {
    EntryId { ms: T + n, seq: 0 }
}

fn at(n: u64) -> Position {
    Position::At(id(n))
}

fn epoch() -> Epoch {
    Epoch::from_bits(1)
}

fn absent(at_ms: u64) -> Position {
    Position::Absent { at_ms, epoch: epoch() }
}

fn entry(n: u64, prev: Option<u64>) -> Decoded {
    let prev = prev.map(|prev| if prev == 0 { EntryId::ZERO } else { id(prev) });
    Decoded::Entry(Entry { id: id(n), prev, event: Event { name: None, data: Bytes::new() } })
}

/// A stream of `entries` (id and predecessor, 0 for "created the key") whose last generated id is `last`, read from a
/// position.
fn stream(from: Position, entries: &[(u64, Option<u64>)], last: u64) -> Snapshot {
    let all: Vec<_> = entries.iter().map(|(n, prev)| entry(*n, *prev)).collect();
    let range = all.iter().filter(|entry| !matches!(from, Position::At(from) if id_of(entry) < from));
    Snapshot {
        tip: Tip {
            position: at(last),
            now_ms: T + last,
            epoch: epoch(),
            evicts: false,
            min_life: crate::MinLife::LEAST,
        },
        first: all.first().map(|first| FirstEntry { id: id_of(first), prev: prev_of(first) }),
        untouched: false,
        entries: range.cloned().collect(),
        complete: true,
    }
}

fn no_stream(now_ms: u64) -> Snapshot {
    let tip = Tip { position: absent(now_ms), now_ms, epoch: epoch(), evicts: false, min_life: crate::MinLife::LEAST };
    Snapshot { tip, first: None, untouched: false, entries: Vec::new(), complete: true }
}

fn verdict(position: Position, entries: &[(u64, Option<u64>)], last: u64) -> Verdict {
    prove(position, &stream(position, entries, last))
}

const TRIMMED: Verdict = Verdict::Gap(GapReason::Trimmed);
const RESET: Verdict = Verdict::Gap(GapReason::Reset);
const UNKNOWN: Verdict = Verdict::Gap(GapReason::UnknownPosition);

#[test]
fn the_last_generated_id_continues_even_when_its_entry_is_gone() {
    assert_eq!(verdict(at(5), &[(4, Some(3)), (5, Some(4))], 5), Verdict::Continues);
    assert_eq!(verdict(at(5), &[], 5), Verdict::Continues);
}

#[test]
fn an_entry_that_is_still_there_continues_whatever_its_neighbours_say() {
    assert_eq!(verdict(at(5), &[(5, None), (7, None)], 7), Verdict::Continues);
    assert_eq!(verdict(at(5), &[(5, Some(4))], 7), Verdict::Continues);
}

#[test]
fn a_trimmed_entry_continues_when_the_next_one_names_it() {
    assert_eq!(verdict(at(5), &[(7, Some(5)), (8, Some(7))], 8), Verdict::Continues);
}

#[test]
fn a_position_beyond_the_end_is_of_a_history_that_was_lost() {
    assert_eq!(verdict(at(9), &[(5, Some(4)), (8, Some(5))], 8), RESET);
}

#[test]
fn a_lost_tail_does_not_pass_when_something_was_written_before_the_resume() {
    // A predecessor below the position is not the position: events 9 and 10 were lost, 11 follows 8.
    assert_eq!(verdict(at(10), &[(8, Some(7)), (11, Some(8))], 11), UNKNOWN);
    assert_eq!(verdict(at(10), &[(11, Some(8))], 11), TRIMMED);
}

#[test]
fn a_trim_past_the_position_is_a_gap() {
    assert_eq!(verdict(at(5), &[(8, Some(7)), (9, Some(8))], 9), TRIMMED);
}

#[test]
fn a_stream_whose_entries_were_all_removed_is_a_gap_for_whoever_is_behind() {
    assert_eq!(verdict(at(5), &[], 9), TRIMMED);
}

#[test]
fn a_trim_between_two_pages_is_seen_because_pages_are_inclusive() {
    // The page after 5 brought 6 and 7. Then everything up to 9 was trimmed: read exclusively from 7, 10 looks like the rest.
    assert_eq!(verdict(at(7), &[(10, Some(9))], 10), TRIMMED);
}

#[test]
fn an_entry_without_predecessor_proves_nothing_for_the_one_before_it() {
    assert_eq!(verdict(at(5), &[(7, None)], 7), TRIMMED);
    assert_eq!(verdict(at(5), &[(3, None), (7, None)], 7), UNKNOWN);
}

#[test]
fn a_recreated_stream_does_not_continue_an_entry_of_the_old_one() {
    assert_eq!(verdict(at(5), &[(7, Some(0)), (8, Some(7))], 8), RESET);
    let mut untouched = stream(at(5), &[(7, None)], 7);
    untouched.untouched = true;
    assert_eq!(prove(at(5), &untouched), RESET);
}

#[test]
fn a_position_of_another_channel_between_two_entries_is_unknown() {
    assert_eq!(verdict(at(6), &[(5, Some(4)), (7, Some(5))], 7), UNKNOWN);
}

#[test]
fn an_entry_in_a_stream_that_is_gone_is_a_reset() {
    assert_eq!(prove(at(5), &no_stream(T + 6)), RESET);
}

#[test]
fn an_entry_too_large_to_deliver_names_its_predecessor_all_the_same() {
    let mut snapshot = stream(at(5), &[], 7);
    snapshot.entries = vec![Decoded::TooLarge { id: id(7), prev: Some(id(5)), bytes: 9 }];
    assert_eq!(prove(at(5), &snapshot), Verdict::Continues);
}

#[test]
fn absence_continues_with_the_entry_that_created_the_stream() {
    assert_eq!(verdict(absent(T), &[(3, Some(0)), (4, Some(3))], 4), Verdict::Continues);
    assert_eq!(verdict(absent(T), &[(0, Some(0))], 0), Verdict::Continues, "in the very millisecond of the absence");
}

#[test]
fn absence_proves_nothing_once_a_stream_could_have_come_and_gone() {
    assert_eq!(verdict(absent(T), &[(59_999, Some(0))], 59_999), Verdict::Continues);
    assert_eq!(verdict(absent(T), &[(60_000, Some(0))], 60_000), RESET);
    assert_eq!(prove(absent(T), &no_stream(T + 59_999)), Verdict::Continues);
    assert_eq!(prove(absent(T), &no_stream(T + 60_000)), RESET);
}

#[test]
fn absence_does_not_continue_with_a_stream_that_was_there_before() {
    assert_eq!(verdict(absent(T + 5), &[(3, Some(0)), (8, Some(3))], 8), RESET);
    assert_eq!(prove(absent(T + 5), &no_stream(T + 4)), RESET, "the clock went back");
}

#[test]
fn absence_does_not_continue_when_the_first_entries_are_gone() {
    assert_eq!(verdict(absent(T), &[(4, Some(3))], 4), TRIMMED);
    assert_eq!(verdict(absent(T), &[(4, None)], 4), TRIMMED);
    assert_eq!(verdict(absent(T), &[], 4), TRIMMED);
}

// Seen to fail when the reason is `trimmed` wherever the oldest entry does not say that it created the key.
#[test]
fn absence_followed_by_a_stream_from_before_it_is_a_reset_whatever_is_left_of_that_stream() {
    assert_eq!(verdict(absent(T + 5), &[(3, Some(2)), (8, Some(3))], 8), RESET, "a failover undid the deletion");
    assert_eq!(verdict(absent(T + 5), &[(3, None)], 3), RESET);
    assert_eq!(verdict(absent(T + 5), &[], 3), RESET, "and what came back was trimmed");
    assert_eq!(verdict(absent(T + 5), &[(8, Some(3))], 8), TRIMMED, "nothing is left from before");
    assert_eq!(verdict(absent(T + 5), &[(5, Some(3))], 5), TRIMMED, "in the very millisecond of the absence");
}

#[test]
fn absence_continues_with_a_plain_producers_first_entry_only_if_nothing_was_ever_removed() {
    let mut snapshot = stream(absent(T), &[(4, None)], 4);
    assert_eq!(prove(absent(T), &snapshot), TRIMMED);
    snapshot.untouched = true;
    assert_eq!(prove(absent(T), &snapshot), Verdict::Continues);
    assert_eq!(prove(absent(T + 5), &snapshot), RESET);
    let mut named = stream(absent(T), &[(4, Some(3))], 4);
    named.untouched = true;
    assert_eq!(prove(absent(T), &named), TRIMMED);
}

#[test]
fn absence_proves_nothing_where_keys_are_evicted_or_after_a_flush() {
    let mut evicting = stream(absent(T), &[(3, Some(0))], 3);
    evicting.tip.evicts = true;
    assert_eq!(prove(absent(T), &evicting), RESET);
    let mut flushed = stream(absent(T), &[(3, Some(0))], 3);
    flushed.tip.epoch = Epoch::from_bits(2);
    assert_eq!(prove(absent(T), &flushed), RESET);
}

#[test]
fn zero_as_a_predecessor_proves_nothing_for_a_position_of_zero() {
    assert_eq!(prove(Position::At(EntryId::ZERO), &stream(at(0), &[(3, Some(0))], 3)), RESET);
}
