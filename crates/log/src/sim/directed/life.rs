//! The life of a channel and of its stream.

use std::time::Duration;

use bytes::Bytes;
use fanfare_protocol::Position;

use super::{CHANNEL, CLIENT, HERE, SECOND, THIRD, live, stage};
use crate::cursor::Start;
use crate::memory::Bell;
use crate::options::Options;
use crate::sim::world::World;

#[test]
fn a_channel_stays_open_for_its_linger_and_then_closes() {
    let mut world = live(1);
    let linger = Options::default().linger.as_secs();
    world.leave(CLIENT);
    world.spend(linger - 1);
    world.publish(CHANNEL);
    world.connect_to(CLIENT, HERE, None);
    world.settle_down();
    assert_eq!((world.entries(CLIENT), world.page_reads()), (1, 0), "a reconnect is served from the tail");
    world.leave(CLIENT);
    world.spend(linger + 1);
    assert_eq!(world.nodes[0].stats.channels.get(), 0);
    world.store.publish_ephemeral(&world.names[CHANNEL], Bytes::from_static(b"x"));
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
        let (view, cursor) = log.open(&"c0".parse().unwrap(), None, 9);
        log.close(view, &cursor);
    });
    world.turn(0);
    world.connect_to(CLIENT, HERE, None);
    world.nodes[0].touch(&touched);
    world.settle_down();
    assert_eq!(world.nodes[0].stats.channels.get(), 1, "it came back");
    world.spend(2 * Options::default().linger.as_secs());
    world.connect_to(SECOND, (0, 1), None);
    world.settle_down();
    world.publish(CHANNEL);
    world.settle_down();
    assert!(world.has_all(CLIENT) && world.has_all(SECOND), "the push did not find the channel");
    assert_eq!(world.nodes[0].stats.channels.get(), 1);
}

#[test]
fn after_a_failover_nobody_is_sent_into_the_lost_history() {
    let mut world = live(4);
    let first = world.store.entries(&world.names[CHANNEL])[0].id;
    let replica = world.replicate();
    (0..6).for_each(|_| world.publish(CHANNEL));
    world.settle_down();
    // On another node the pages are read that the lost part is on.
    world.connect_to(SECOND, (1, 0), Some(Start::At(Position::At(first))));
    world.settle_down();
    world.fail_over(&replica);
    world.store.disconnect_all();
    world.publish(CHANNEL);
    world.settle_down();
    world.connect_to(THIRD, (1, 1), Some(Start::At(Position::At(first))));
    world.settle_down();
    assert_eq!(world.clients[THIRD].1.gaps(), 0, "{:?}", world.clients[THIRD].1.saw);
    assert_eq!(world.entries(THIRD), 4);
    assert_eq!(world.clients[CLIENT].1.gaps(), 1);
    assert!([CLIENT, SECOND, THIRD].iter().all(|client| world.has_all(*client)));
}

#[test]
fn pages_of_two_histories_do_not_send_a_reader_round() {
    let mut world = World::stage(&Options { tail_entries: 1, ..Options::default() }, 1 << 20);
    (0..4).for_each(|_| world.publish(CHANNEL));
    world.connect_to(CLIENT, HERE, None);
    world.settle_down();
    let replica = world.replicate();
    (0..6).for_each(|_| world.publish(CHANNEL));
    let entries = world.store.entries(&world.names[CHANNEL]);
    let (first, tenth) = (Position::At(entries[0].id), Position::At(entries[9].id));
    world.connect_to(SECOND, HERE, Some(Start::At(first)));
    world.settle_down();
    for _ in 0..2 {
        world.publish(CHANNEL);
        world.settle_down();
    }
    world.fail_over(&replica);
    // Its position is beyond the end now, and it is sent back to where the page of the lost history goes on.
    world.connect_to(THIRD, HERE, Some(Start::At(tenth)));
    world.read(THIRD);
    world.turn(0);
    world.work_on_newest(0);
    world.work_on_newest(0);
    world.sync(0, 0);
    (0..4).for_each(|_| world.read(THIRD));
    assert_eq!((world.entries(THIRD), world.clients[THIRD].1.gaps()), (0, 1));
    world.publish(CHANNEL);
    world.settle_down();
    assert!(world.has_all(THIRD));
}

#[test]
fn ids_below_the_head_are_no_duplicates() {
    let mut world = live(3);
    world.flush();
    world.turn_back(Duration::from_secs(5));
    (0..2).for_each(|_| world.publish(CHANNEL));
    world.settle_down();
    assert_eq!(world.clients[CLIENT].1.gaps(), 1);
    world.publish(CHANNEL);
    world.settle_down();
    assert_eq!((world.entries(CLIENT), world.clients[CLIENT].1.gaps()), (1, 1));
    assert!(world.has_all(CLIENT));
}

#[test]
fn a_quiet_stream_that_expires_and_comes_back_makes_no_gap() {
    let mut world = stage();
    world.publish_for(CHANNEL, Duration::from_secs(60));
    world.connect_to(CLIENT, HERE, None);
    world.spend(200);
    world.beat(CLIENT);
    assert!(matches!(world.clients[CLIENT].1.last_event_id(), Some(Position::Absent { .. })));
    world.leave(CLIENT);
    world.publish(CHANNEL);
    world.connect_to(CLIENT, (1, 0), None);
    world.settle_down();
    assert_eq!((world.entries(CLIENT), world.clients[CLIENT].1.gaps()), (1, 0));
}

#[test]
fn a_stream_that_expires_while_the_feed_is_away_makes_a_gap_for_it_may_have_held_more() {
    let mut world = stage();
    world.publish_for(CHANNEL, Duration::from_secs(60));
    world.connect_to(CLIENT, HERE, None);
    world.spend(50);
    world.nodes[0].link.disconnect();
    // A plain producer does not extend the stream's life.
    world.xadd(Bell::Silent);
    for _ in 0..300 {
        world.pass(Duration::from_millis(200));
        world.run_node(0);
    }
    world.settle_down();
    assert_eq!(world.clients[CLIENT].1.gaps(), 1);
}

#[test]
fn a_quiet_channel_of_a_store_that_evicts_makes_no_gap() {
    let mut world = stage();
    world.store.set_evicts(true);
    world.connect_to(CLIENT, HERE, None);
    world.spend(300);
    world.publish(CHANNEL);
    world.settle_down();
    assert_eq!((world.entries(CLIENT), world.clients[CLIENT].1.gaps()), (1, 0));
}

#[test]
fn a_position_of_an_absence_that_this_node_did_not_watch_is_placed_by_one_read() {
    let mut world = stage();
    world.connect_to(CLIENT, HERE, None);
    world.settle_down();
    world.leave(CLIENT);
    world.pass(Duration::from_secs(20));
    world.connect_to(SECOND, (1, 0), None);
    world.settle_down();
    world.connect_to(CLIENT, (1, 0), None);
    world.settle_down();
    assert_eq!(world.nodes[1].stats.page_reads.get(), 1);
    world.publish(CHANNEL);
    world.settle_down();
    assert_eq!((world.entries(CLIENT), world.clients[CLIENT].1.gaps()), (1, 0));
}

#[test]
fn a_node_that_follows_as_many_channels_as_it_may_refuses_and_takes_the_next_when_there_is_room() {
    let mut world =
        World::stage(&Options { max_channels: 1, linger: Duration::from_secs(1), ..Options::default() }, 1 << 20);
    world.connect_to(CLIENT, HERE, None);
    world.settle_down();
    // Of the other channel.
    world.connect_to(1, HERE, None);
    world.settle_down();
    assert!(world.is_refused(1));
    world.leave(CLIENT);
    world.spend(3);
    assert!(!world.is_refused(1));
    assert_eq!(world.nodes[0].stats.refused.get(), 0);
}

// Seen to fail when a gap is told to a reader who has been promised nothing.
#[test]
fn the_newest_entries_may_vanish_before_they_are_read_without_a_gap_for_who_asked_for_them() {
    for trims in [true, false] {
        let mut world = stage();
        (0..2).for_each(|_| world.xadd(Bell::Silent));
        world.connect_to(CLIENT, HERE, Some(Start::Newest(5)));
        // The node knows which entry is the oldest of the newest ones, and has not read it yet.
        while world.page_reads() < 2 {
            world.nodes[0].link.tend();
            world.turn(0);
            if world.page_reads() < 2 && world.nodes[0].is_reading() {
                world.work(0);
            }
            world.sync(0, 0);
            world.read(CLIENT);
        }
        if trims {
            world.store.trim(&world.names[CHANNEL], 0);
        } else {
            world.flush();
        }
        world.settle_down();
        assert_eq!((world.entries(CLIENT), world.clients[CLIENT].1.gaps()), (0, 0));
        assert!(world.clients[CLIENT].1.last_event_id().is_some(), "it is told where it is");
        world.publish(CHANNEL);
        world.settle_down();
        assert_eq!((world.entries(CLIENT), world.clients[CLIENT].1.gaps()), (1, 0));
    }
}
