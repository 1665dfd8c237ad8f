//! The life of a channel and of its stream.

use std::time::Duration;

use bytes::Bytes;
use fanfare_log::memory::Bell;
use fanfare_log::{Options, Payer, Start};
use fanfare_protocol::Position;

use super::world::World;
use super::{CLIENT, HERE, OTHER, SECOND, THIRD, empty_world, live};

#[test]
fn a_channel_stays_open_for_its_linger_and_then_closes() {
    let mut world = live(1);
    let linger = Options::default().linger.as_secs();
    world.leave(CLIENT);
    world.spend(linger - 1);
    world.publish();
    world.connect(CLIENT, HERE, None);
    world.settle_down();
    assert_eq!((world.saw(CLIENT).0, world.page_reads()), (1, 0), "a reconnect is served from the tail");
    world.leave(CLIENT);
    world.spend(linger + 1);
    assert_eq!(world.nodes[0].stats.channels.get(), 0);
    world.store.publish_ephemeral(world.name(), Bytes::from_static(b"x"));
    world.turn(0);
    assert_eq!(world.nodes[0].stats.ephemerals.get(), 0, "nobody subscribes any more");
}

#[test]
fn a_late_touch_of_a_forgotten_channel_does_not_tear_its_successor_down() {
    let mut world = live(1);
    world.leave(CLIENT);
    world.settle_down();
    // The linger ends while a thread opens and closes the channel once more, unseen: its touch comes late.
    world.pass(Options::default().linger);
    let touched = world.nodes[0].take_touched_after(|log| {
        let (view, cursor) =
            log.open("c0".parse::<fanfare_protocol::ChannelName>().unwrap(), None, 9, Payer::NODE).unwrap();
        log.close(view, &cursor);
    });
    world.turn(0);
    world.connect(CLIENT, HERE, None);
    world.nodes[0].touch_late(touched);
    world.settle_down();
    assert_eq!(world.nodes[0].stats.channels.get(), 1, "it came back");
    world.spend(2 * Options::default().linger.as_secs());
    world.connect(SECOND, (0, 1), None);
    world.settle_down();
    world.publish();
    world.settle_down();
    assert!(world.has_newest(CLIENT) && world.has_newest(SECOND), "the push did not find the channel");
    assert_eq!(world.nodes[0].stats.channels.get(), 1);
}

#[test]
fn after_a_failover_nobody_is_sent_into_the_lost_history() {
    let mut world = live(4);
    let first = world.stream()[0];
    let replica = world.store.checkpoint();
    (0..6).for_each(|_| world.publish());
    world.settle_down();
    // On another node the pages are read that the lost part is on.
    world.connect(SECOND, (1, 0), Some(Start::At(Position::At(first))));
    world.settle_down();
    world.fail_over(&replica);
    world.store.disconnect_all();
    world.publish();
    world.settle_down();
    world.connect(THIRD, (1, 1), Some(Start::At(Position::At(first))));
    world.settle_down();
    assert_eq!(world.saw(THIRD).1, 0, "{:?}", world.last_event_id(THIRD));
    assert_eq!(world.saw(THIRD).0, 4);
    assert_eq!(world.saw(CLIENT).1, 1);
    assert!([CLIENT, SECOND, THIRD].iter().all(|client| world.has_newest(*client)));
}

#[test]
fn pages_of_two_histories_do_not_send_a_reader_round() {
    let mut world = World::new(&Options { tail_entries: 1, ..Options::default() }, 1 << 20);
    (0..4).for_each(|_| world.publish());
    world.connect(CLIENT, HERE, None);
    world.settle_down();
    let replica = world.store.checkpoint();
    (0..6).for_each(|_| world.publish());
    let entries = world.stream();
    let (first, tenth) = (Position::At(entries[0]), Position::At(entries[9]));
    world.connect(SECOND, HERE, Some(Start::At(first)));
    world.settle_down();
    for _ in 0..2 {
        world.publish();
        world.settle_down();
    }
    world.fail_over(&replica);
    // Its position is beyond the end now, and it is sent back to where the page of the lost history goes on.
    world.connect(THIRD, HERE, Some(Start::At(tenth)));
    world.read(THIRD);
    world.turn(0);
    world.work_on_newest(0);
    world.work_on_newest(0);
    world.sync(0, 0);
    (0..4).for_each(|_| world.read(THIRD));
    assert_eq!(world.saw(THIRD), (0, 1));
    world.publish();
    world.settle_down();
    assert!(world.has_newest(THIRD));
}

#[test]
fn ids_below_the_head_are_no_duplicates() {
    let mut world = live(3);
    world.flush();
    world.turn_back(Duration::from_secs(5));
    (0..2).for_each(|_| world.publish());
    world.settle_down();
    assert_eq!(world.saw(CLIENT).1, 1);
    world.publish();
    world.settle_down();
    assert_eq!(world.saw(CLIENT), (1, 1));
    assert!(world.has_newest(CLIENT));
}

// Seen to fail when a channel keeps its place while it lingers.
#[test]
fn a_node_that_follows_as_many_channels_as_it_may_refuses_one_more_until_a_reader_leaves() {
    let mut world = World::new(&Options { max_channels: 1, ..Options::default() }, 1 << 20);
    world.connect(CLIENT, HERE, None);
    world.settle_down();
    // Of the other channel.
    assert!(!world.try_connect(OTHER, HERE, None));
    world.settle_down();
    assert_eq!((world.nodes[0].stats.channels.get(), world.nodes[0].stats.channels_refused.get()), (1, 1));
    world.leave(CLIENT);
    assert!(world.try_connect(OTHER, HERE, None), "what lingers gives up its place at once");
    world.settle_down();
    assert_eq!(world.nodes[0].stats.channels.get(), 1);
    world.leave(OTHER);
    // The channel that gave up its place comes back as another log.
    world.connect(CLIENT, HERE, None);
    world.settle_down();
    world.publish();
    world.settle_down();
    assert!(world.has_newest(CLIENT));
}

// Seen to fail when a gap is told to a reader who has been promised nothing.
#[test]
fn the_newest_entries_may_vanish_before_they_are_read_without_a_gap_for_who_asked_for_them() {
    for trims in [true, false] {
        let mut world = empty_world();
        (0..2).for_each(|_| world.xadd(Bell::Silent));
        world.connect(CLIENT, HERE, Some(Start::Newest(5)));
        // The node knows which entry is the oldest of the newest ones, and has not read it yet.
        for _ in 0..100 {
            world.nodes[0].link.tend();
            world.turn(0);
            if world.page_reads() < 2 && world.nodes[0].is_reading() {
                world.work(0);
            }
            world.sync(0, 0);
            world.read(CLIENT);
        }
        assert_eq!(world.page_reads(), 2);
        if trims {
            world.store.trim(world.name(), 0);
        } else {
            world.flush();
        }
        world.settle_down();
        assert_eq!(world.saw(CLIENT), (0, 0));
        assert!(world.last_event_id(CLIENT).is_some(), "it is told where it is");
        world.publish();
        world.settle_down();
        assert_eq!(world.saw(CLIENT), (1, 0));
    }
}

#[test]
fn a_newest_entry_that_was_lost_before_it_came_here_is_not_waited_for() {
    let mut world = empty_world();
    world.xadd(Bell::Silent);
    let replica = world.store.checkpoint();
    world.connect(CLIENT, HERE, None);
    world.settle_down();
    // In the same millisecond: the head is right before it. The entry at the head goes, and with it what tells so.
    world.xadd(Bell::Silent);
    world.store.trim(world.name(), 1);
    world.connect(SECOND, HERE, Some(Start::Newest(1)));
    world.read(SECOND);
    world.turn(0);
    (0..2).for_each(|_| world.work(0));
    world.fail_over(&replica);
    world.settle_down();
    assert_eq!(world.saw(SECOND), (0, 0));
    assert_eq!(world.last_event_id(SECOND), world.last_event_id(CLIENT));
    world.publish();
    world.settle_down();
    assert_eq!((world.saw(CLIENT), world.saw(SECOND)), ((1, 0), (1, 0)));
}
