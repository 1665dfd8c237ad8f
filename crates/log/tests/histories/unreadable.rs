//! An entry that cannot be read although all else can: who waits for it is told, and nobody else; and nobody while all else cannot
//! be read either.

use std::time::Duration;

use fanfare_log::memory::{Bell, Fate};
use fanfare_log::{Options, Start};
use fanfare_protocol::{EntryId, GapReason, Position};

use super::world::World;
use super::{CLIENT, HERE, OTHER, SECOND, THIRD, empty_world};

/// In seconds: so long it takes at most until readers are told, with failures that cost no time.
const TOLD_AFTER: u64 = 15;

fn at(id: EntryId) -> Option<Start> {
    Some(Start::At(Position::At(id)))
}

/// A stream of six entries, of which the fourth cannot be read, and another channel that is followed, or not.
fn blocked(is_other_followed: bool) -> (World, Vec<EntryId>) {
    let mut world = empty_world();
    (0..6).for_each(|_| world.publish());
    world.publish_elsewhere();
    if is_other_followed {
        world.connect(OTHER, HERE, None);
    }
    world.settle_down();
    let ids = world.stream();
    world.store.set_unreadable(world.name().clone(), ids[3], true);
    (world, ids)
}

fn told(world: &World) -> u64 {
    world.nodes[0].stats.seams.of(GapReason::Unavailable).get()
}

fn until_told(world: &mut World) {
    while told(world) == 0 {
        world.spend(1);
        assert!(world.elapsed().as_secs() < 300, "nobody is told");
    }
}

#[test]
fn who_waits_for_an_entry_that_cannot_be_read_is_told_and_goes_on_at_the_end() {
    let (mut world, ids) = blocked(true);
    world.connect(CLIENT, HERE, at(ids[0]));
    world.connect(SECOND, HERE, at(ids[4]));
    world.connect(THIRD, HERE, None);
    world.spend(TOLD_AFTER);
    assert_eq!(world.saw(CLIENT), (2, 1));
    assert_eq!(world.last_event_id(CLIENT), Some(Position::At(ids[5])));
    assert_eq!((world.saw(SECOND), world.saw(THIRD)), ((1, 0), (0, 0)), "they are behind it");
    assert_eq!(told(&world), 1);
    world.publish();
    world.settle_down();
    assert!([CLIENT, SECOND, THIRD].iter().all(|client| world.has_newest(*client)));
}

#[test]
fn all_who_wait_at_the_place_are_told_by_one_word_and_those_who_come_soon_after() {
    let (mut world, ids) = blocked(true);
    world.connect(CLIENT, HERE, at(ids[2]));
    world.connect(SECOND, (0, 1), at(ids[2]));
    until_told(&mut world);
    let reads = world.page_reads();
    world.connect(THIRD, HERE, at(ids[2]));
    world.settle_down();
    assert_eq!([CLIENT, SECOND, THIRD].map(|client| world.saw(client)), [(0, 1); 3]);
    assert_eq!((told(&world), world.page_reads()), (1, reads));
}

#[test]
fn readers_at_several_places_before_the_entry_are_told_all() {
    let (mut world, ids) = blocked(true);
    let between = EntryId { seq: 7, ..ids[2] };
    world.connect(CLIENT, HERE, at(ids[2]));
    world.connect(SECOND, HERE, at(between));
    world.connect(THIRD, HERE, at(EntryId { seq: 8, ..between }));
    world.spend(3 * TOLD_AFTER);
    assert_eq!([CLIENT, SECOND, THIRD].map(|client| world.saw(client).1), [1; 3]);
}

#[test]
fn nobody_is_told_while_nothing_else_can_be_read() {
    let (mut world, ids) = blocked(true);
    world.store.set_unreadable(world.name().clone(), ids[3], false);
    world.connect(CLIENT, HERE, at(ids[0]));
    world.store.set_slow(true);
    world.spend(300);
    assert_eq!(world.saw(CLIENT), (0, 0), "it keeps its place");
    world.store.set_slow(false);
    world.spend(8);
    assert_eq!(world.saw(CLIENT), (5, 0));
}

#[test]
fn the_failures_of_an_outage_do_not_count_when_it_is_over() {
    let (mut world, ids) = blocked(true);
    world.connect(CLIENT, HERE, at(ids[2]));
    world.store.set_slow(true);
    world.spend(60);
    world.store.set_slow(false);
    let before = world.page_reads();
    until_told(&mut world);
    let reads = world.page_reads() - before;
    assert!(reads >= 3, "told after {reads} reads");
}

#[test]
fn nobody_is_told_while_no_other_channel_shows_that_the_archive_can_be_read() {
    let (mut world, ids) = blocked(false);
    world.connect(CLIENT, HERE, at(ids[2]));
    world.spend(120);
    assert_eq!(world.saw(CLIENT), (0, 0));
    world.connect(OTHER, HERE, None);
    world.spend(3 * TOLD_AFTER);
    assert_eq!(world.saw(CLIENT), (0, 1));
}

#[test]
fn an_entry_that_can_be_read_again_is_delivered_also_to_who_comes_after_others_were_told() {
    let (mut world, ids) = blocked(true);
    world.connect(CLIENT, HERE, at(ids[2]));
    world.spend(TOLD_AFTER);
    assert_eq!(world.saw(CLIENT), (0, 1));
    world.store.set_unreadable(world.name().clone(), ids[3], false);
    world.spend(10);
    world.connect(SECOND, HERE, at(ids[2]));
    world.settle_down();
    assert_eq!(world.saw(SECOND), (3, 0));
}

#[test]
fn who_is_live_is_told_when_the_tail_cannot_be_repaired_and_the_tail_goes_on() {
    let (mut world, ids) = blocked(true);
    world.connect(CLIENT, HERE, None);
    world.settle_down();
    world.store.next_push(Fate::Lose);
    world.publish();
    let lost = *world.stream().last().unwrap();
    world.store.set_unreadable(world.name().clone(), lost, true);
    // It names the lost one as its predecessor.
    world.publish();
    world.spend(2 * TOLD_AFTER);
    assert_eq!(world.saw(CLIENT), (0, 1));
    let heads = world.head_reads();
    (0..3).for_each(|_| world.publish());
    world.settle_down();
    assert_eq!((world.saw(CLIENT), world.head_reads()), ((3, 1), heads), "by pushes");
    // Who held the place elsewhere is told by a page.
    world.connect(SECOND, HERE, at(ids[5]));
    world.spend(2 * TOLD_AFTER);
    assert_eq!(world.saw(SECOND).1, 1);
    assert_eq!(told(&world), 2);
    world.publish();
    world.settle_down();
    assert!(world.has_newest(CLIENT) && world.has_newest(SECOND));
}

#[test]
fn a_place_at_the_end_of_the_stream_is_never_given_up() {
    let mut world = World::new(&Options::default(), 1 << 20);
    (0..3).for_each(|_| world.publish());
    world.publish_elsewhere();
    world.connect(OTHER, HERE, None);
    let end = *world.stream().last().unwrap();
    world.connect(CLIENT, HERE, at(end));
    world.settle_down();
    world.store.set_slow(true);
    world.connect(SECOND, HERE, at(EntryId { seq: end.seq + 1, ..end }));
    world.spend(TOLD_AFTER);
    assert_eq!(told(&world), 0);
}

// Seen to fail when such a reader begins at the end without a word.
#[test]
fn who_asked_for_the_newest_entries_is_told_when_the_first_of_them_cannot_be_read() {
    let mut world = empty_world();
    // The first of them names no predecessor, so that such a reader has no place until it has that one.
    (0..6).for_each(|_| world.xadd(Bell::Silent));
    world.publish_elsewhere();
    world.connect(OTHER, HERE, None);
    let ids = world.stream();
    world.store.set_unreadable(world.name().clone(), ids[0], true);
    world.connect(CLIENT, HERE, Some(Start::Newest(6)));
    world.spend(TOLD_AFTER);
    assert_eq!(world.saw(CLIENT), (0, 1));
    assert_eq!(world.last_event_id(CLIENT), Some(Position::At(ids[5])));
    world.publish();
    world.settle_down();
    assert_eq!(world.saw(CLIENT), (1, 1));
}

// Seen to fail when the head that was read is sealed: the other channel's reader is told of a gap that is none.
#[test]
fn a_read_that_shows_whether_others_can_be_read_believes_no_expiry_before_its_time() {
    let mut world = World::new(&Options { feed_lags: true, ..Options::default() }, 1 << 20);
    (0..6).for_each(|_| world.publish());
    world.publish_elsewhere_for(Some(Duration::from_secs(60)));
    world.connect(OTHER, HERE, None);
    world.spend(60);
    let ids = world.stream();
    world.store.set_unreadable(world.name().clone(), ids[3], true);
    let before = world.head_reads();
    world.connect(CLIENT, HERE, at(ids[2]));
    world.spend(2 * TOLD_AFTER);
    assert_eq!(world.saw(OTHER), (0, 0), "a message may be on the way");
    assert_eq!(world.saw(CLIENT).1, 1);
    assert!(world.head_reads() >= before + 3, "the other channel's head is read");
    world.beat(OTHER);
    assert!(!world.last_event_id(OTHER).unwrap().is_absent());
    prove(&mut world);
    world.beat(OTHER);
    assert!(world.last_event_id(OTHER).unwrap().is_absent());
    assert_eq!(world.saw(OTHER), (0, 0));
}

/// A probe of the feed comes back that began after everything before.
fn prove(world: &mut World) {
    world.pass(Duration::from_millis(1));
    world.nodes[0].link.probe_begun(world.now());
    world.settle_down();
}

// Seen to fail when each read of the head lets the reader ask again, who then asks for the head: round and round.
#[test]
fn a_reader_ahead_of_a_head_that_seems_to_have_expired_waits_until_that_is_proven_or_something_rings() {
    for rings in [false, true] {
        let mut world = World::new(&Options { feed_lags: true, ..Options::default() }, 1 << 20);
        world.publish_for(Some(Duration::from_secs(60)));
        let id = world.stream()[0];
        world.connect(CLIENT, HERE, None);
        world.spend(59);
        if rings {
            world.store.next_push(Fate::Delay);
            world.xadd(Bell::Doorbell);
        }
        world.spend(2);
        let ahead = EntryId { ms: id.ms + 60_500, seq: 0 };
        world.connect(SECOND, HERE, at(ahead));
        world.spend(3);
        assert!(world.head_reads() <= 3, "{} reads", world.head_reads());
        assert_eq!((world.saw(CLIENT), world.saw(SECOND)), ((0, 0), (0, 0)));
        if rings {
            world.nodes[0].link.release();
        } else {
            prove(&mut world);
        }
        world.spend(1);
        assert_eq!(world.saw(CLIENT).1, usize::from(rings));
        assert_eq!(world.saw(SECOND).1, 1, "it is told");
    }
}

/// Lets a client wait at the entry while something breaks after every so many failed reads, for two minutes.
fn broken_after_reads(reads: u64, mut break_it: impl FnMut(&mut World)) -> World {
    let (mut world, ids) = blocked(true);
    world.connect(CLIENT, HERE, at(ids[2]));
    let mut due = world.page_reads() + reads;
    while told(&world) == 0 && world.elapsed().as_secs() < 120 {
        world.pass(Duration::from_millis(100));
        if world.page_reads() >= due {
            due = world.page_reads() + reads;
            break_it(&mut world);
        }
        world.settle_down();
    }
    world
}

// Seen to fail when a loss of the feed, or a connection that broke, forgets what has counted.
#[test]
fn failures_that_have_counted_are_kept_when_the_feed_is_lost_or_a_connection_breaks() {
    let world = broken_after_reads(2, |world| world.nodes[0].link.disconnect());
    assert_eq!((told(&world), world.saw(CLIENT)), (1, (0, 1)));
    let world = broken_after_reads(2, |world| {
        world.store.set_offline(true);
        world.spend(2);
        world.store.set_offline(false);
    });
    assert_eq!((told(&world), world.saw(CLIENT)), (1, (0, 1)));
}

// Seen to fail when a failure counts although the feed was lost after it.
#[test]
fn a_failure_after_which_the_feed_was_lost_does_not_count() {
    let world = broken_after_reads(1, |world| world.nodes[0].link.disconnect());
    assert_eq!((told(&world), world.saw(CLIENT)), (0, (0, 0)));
}
