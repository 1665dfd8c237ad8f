//! Single rules of the pages; that they give what the stream would, the simulation of whole nodes (`crates/sim`) holds against random histories.

use bytes::Bytes;
use fanfare_protocol::{ChannelName, Entry, Epoch, Event, LogName};

use super::*;
use crate::archive::{FirstEntry, Tip};

fn id(n: u64) -> EntryId {
    EntryId { ms: n, seq: 0 }
}

fn at(n: u64) -> Position {
    Position::At(id(n))
}

/// Reads a stream that holds `ids`, each naming the one before it, from a position.
fn insert(pages: &mut Pages, after: u64, ids: &[u64], last: u64) {
    let entries: Vec<_> = ids
        .iter()
        .map(|&n| Entry { id: id(n), prev: Some(id(n - 1)), event: Event { name: None, data: Bytes::new() } })
        .collect();
    let snapshot = Snapshot {
        tip: Tip {
            position: at(last),
            now_ms: last,
            epoch: Epoch::from_bits(1),
            evicts: false,
            min_life: crate::MinLife::LEAST,
        },
        first: entries.first().map(|entry| FirstEntry { id: entry.id, prev: entry.prev }),
        untouched: false,
        entries: entries.into_iter().filter(|entry| entry.id >= id(after)).map(Decoded::Entry).collect(),
        complete: true,
    };
    let page = Page::new(pages.allocate(), &LogName::from(ChannelName::parse("c").unwrap()), at(after), &snapshot);
    pages.insert(page);
}

fn ids(served: &Served) -> Vec<u64> {
    served.entries().iter().map(|entry| entry.id.ms).collect()
}

#[test]
fn a_page_serves_every_position_among_its_entries_but_the_last() {
    let mut pages = Pages::default();
    insert(&mut pages, 5, &[4, 5, 6, 7, 8], 8);
    assert_eq!(ids(&pages.serve(at(5)).unwrap()), [6, 7, 8]);
    assert_eq!(ids(&pages.serve(at(7)).unwrap()), [8]);
    assert!(pages.serve(at(8)).is_none(), "what follows the last may have come since");
    assert!(pages.serve(at(4)).is_none());
}

#[test]
fn a_page_that_begins_with_the_oldest_entry_tells_older_positions_of_their_gap() {
    let mut pages = Pages::default();
    insert(&mut pages, 5, &[6, 7], 7);
    let served = pages.serve(at(3)).unwrap();
    let seam = served.seam.clone().unwrap();
    assert_eq!((seam.reason, seam.after, seam.resume), (GapReason::Trimmed, at(3), at(5)));
    assert_eq!(ids(&served), [6, 7]);
    assert!(pages.serve(at(5)).unwrap().seam.is_none());
}

#[test]
fn a_page_that_leads_beyond_the_end_goes_when_the_end_is_seen() {
    let mut pages = Pages::default();
    insert(&mut pages, 5, &[5, 6, 7, 8, 9], 9);
    assert!(pages.agree(at(9)).is_empty());
    // A failover lost 9.
    assert_eq!(pages.agree(at(8)).len(), 1);
    assert!(pages.serve(at(5)).is_none());
}

#[test]
fn a_page_that_puts_a_position_beyond_the_end_goes_when_it_is_not() {
    let mut pages = Pages::default();
    insert(&mut pages, 9, &[5, 6, 7, 8], 8);
    assert_eq!(pages.serve(at(9)).unwrap().seam.unwrap().resume, at(8));
    assert!(pages.agree(at(8)).is_empty());
    // The primary with 9 is back.
    assert_eq!(pages.agree(at(9)).len(), 1);
    assert!(pages.serve(at(9)).is_none());
}

#[test]
fn where_the_last_entries_were_retracted_the_reader_goes_on_from_the_end() {
    let mut pages = Pages::default();
    insert(&mut pages, 5, &[4, 5], 7);
    let served = pages.serve(at(5)).unwrap();
    assert!(served.entries().is_empty() && served.seam.is_none());
    assert_eq!(served.skip(), Some(at(7)));
}

#[test]
fn a_removed_page_serves_nobody_and_gives_its_bytes_back_once() {
    let mut pages = Pages::default();
    insert(&mut pages, 5, &[5, 6, 7], 7);
    assert_eq!(pages.remove(1), Some(pages_bytes(&[6, 7])));
    assert_eq!(pages.remove(1), None);
    assert!(pages.serve(at(5)).is_none() && pages.serve(at(6)).is_none());
}

fn pages_bytes(entries: &[u64]) -> usize {
    let event = Event { name: None, data: Bytes::new() };
    let entry = |n: &u64| Frame::entry(id(*n), &event).heap_bytes() + size_of::<PageEntry>();
    entries.iter().map(entry).sum::<usize>() + 256
}

#[test]
fn positions_that_nobody_gave_do_not_fill_a_channel_with_pages() {
    let tip = Tip {
        position: Position::At(EntryId { ms: 5, seq: 0 }),
        now_ms: 100,
        epoch: Epoch::from_bits(7),
        evicts: false,
        min_life: crate::MinLife::LEAST,
    };
    let snapshot = Snapshot { tip, first: None, untouched: false, entries: Vec::new(), complete: true };
    let channel = LogName::from(ChannelName::parse("a").unwrap());
    let beyond = |seq| Position::At(EntryId { ms: 6, seq });
    let mut pages = Pages::default();
    let most = PAGES_MAX as u64;
    let mut dropped = 0;
    for seq in 0..most + 3 {
        let number = pages.allocate();
        pages.insert(Page::new(number, &channel, beyond(seq), &snapshot));
        dropped += usize::from(pages.bound().is_some());
    }
    assert_eq!((dropped, pages.by_number.len(), pages.by_after.len()), (3, PAGES_MAX, PAGES_MAX));
    assert!(pages.serve(beyond(2)).is_none() && pages.serve(beyond(most + 2)).is_some());
}
