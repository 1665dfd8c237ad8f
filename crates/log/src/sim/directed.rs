//! Single stories, told to the end: what chance meets too seldom, and what costs reads or wakes instead of events.

use std::time::Duration;

use bytes::Bytes;
use fanfare_protocol::{Event, Position};

use super::truth::Saw;
use super::world::World;
use crate::cursor::Place;
use crate::memory::{Bell, Fate};
use crate::options::Options;

const CHANNEL: usize = 0;
/// A client of the channel, and two more.
const CLIENT: usize = 0;
const SECOND: usize = 2;
const THIRD: usize = 4;
const HERE: (usize, usize) = (0, 0);

fn stage() -> World {
    World::stage(&Options::default())
}

/// A stream with `count` entries and a client that is live.
fn live(count: usize) -> World {
    let mut world = stage();
    (0..count).for_each(|_| world.publish(CHANNEL));
    world.connect_to(CLIENT, HERE, None);
    world.settle_down();
    world
}

impl World {
    fn xadd(&mut self, bell: Bell) {
        let event = Event { name: None, data: Bytes::from_static(b"plain") };
        let id = self.backend.xadd(&self.names[CHANNEL], event, bell);
        let now = self.store_ms();
        self.truths[CHANNEL].published(id, now);
    }

    fn entries(&self, client: usize) -> usize {
        self.clients[client].1.saw.iter().filter(|saw| matches!(saw, Saw::Entry(_))).count()
    }

    fn has_all(&self, client: usize) -> bool {
        self.clients[client].1.has_all(&self.truths[CHANNEL])
    }

    fn head_reads(&self) -> u64 {
        self.nodes[0].stats.head_reads.get()
    }

    fn page_reads(&self) -> u64 {
        self.nodes[0].stats.page_reads.get()
    }

    fn spend(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.pass(Duration::from_secs(1));
            self.settle_down();
        }
    }
}

#[test]
fn an_event_published_through_the_function_needs_no_read() {
    let mut world = live(1);
    (0..5).for_each(|_| world.publish(CHANNEL));
    world.settle_down();
    assert_eq!((world.entries(CLIENT), world.head_reads(), world.page_reads()), (5, 0, 0));
}

#[test]
fn a_lost_push_is_repaired_by_the_next_one() {
    let mut world = live(1);
    world.backend.next_push(Fate::Lose);
    (0..2).for_each(|_| world.publish(CHANNEL));
    world.settle_down();
    assert_eq!((world.entries(CLIENT), world.head_reads()), (2, 1));
    assert!(world.has_all(CLIENT));
}

#[test]
fn a_lost_last_push_is_found_within_the_reconcile_interval() {
    let mut world = live(1);
    world.backend.next_push(Fate::Lose);
    world.publish(CHANNEL);
    // The interval is jittered by up to a quarter.
    world.spend(38);
    assert!(world.has_all(CLIENT));
}

#[test]
fn a_doubled_push_is_dropped_without_a_read() {
    let mut world = live(1);
    world.backend.next_push(Fate::Double);
    world.publish(CHANNEL);
    world.settle_down();
    assert_eq!((world.entries(CLIENT), world.head_reads()), (1, 0));
    assert_eq!(world.nodes[0].stats.duplicates.get(), 1);
}

#[test]
fn the_doorbells_of_a_turn_cost_one_read() {
    let mut world = live(1);
    (0..50).for_each(|_| world.xadd(Bell::Doorbell));
    world.settle_down();
    assert_eq!((world.entries(CLIENT), world.head_reads()), (50, 1));
}

#[test]
fn a_doorbell_that_rings_during_a_read_is_answered_by_another_at_once() {
    let mut world = live(1);
    world.xadd(Bell::Doorbell);
    world.turn(0);
    world.work(0);
    world.xadd(Bell::Doorbell);
    world.turn(0);
    world.settle_down();
    assert_eq!((world.entries(CLIENT), world.head_reads()), (2, 2));
}

#[test]
fn a_keyspace_notification_waits_for_its_push_and_reads_only_if_none_comes() {
    let mut world = live(1);
    world.xadd(Bell::Keyspace);
    world.settle_down();
    assert_eq!(world.head_reads(), 0, "its push may be on the way");
    world.pass(Duration::from_millis(6));
    world.settle_down();
    assert_eq!((world.entries(CLIENT), world.head_reads()), (1, 1));
}

#[test]
fn a_page_serves_everybody_who_needs_it() {
    let mut world = stage();
    (0..20).for_each(|_| world.publish(CHANNEL));
    let first = world.backend.entries(&world.names[CHANNEL])[0].id;
    for client in [CLIENT, SECOND, THIRD] {
        world.connect_to(client, (0, client / SECOND % 2), Some(Place::At(Position::At(first))));
    }
    world.settle_down();
    assert_eq!([CLIENT, SECOND, THIRD].map(|client| world.entries(client)), [19; 3]);
    assert_eq!(world.page_reads(), 1);
}

#[test]
fn a_page_for_one_reader_does_not_wake_those_who_are_live() {
    let mut world = live(20);
    let first = world.backend.entries(&world.names[CHANNEL])[0].id;
    world.connect_to(SECOND, HERE, Some(Place::At(Position::At(first))));
    world.read(SECOND);
    world.turn(0);
    world.work(0);
    world.work(0);
    world.turn(0);
    world.sync(0, 0);
    let awake = |client: usize| world.readers[client].as_ref().unwrap().awake;
    assert!(awake(SECOND) && !awake(CLIENT));
}

#[test]
fn a_channel_stays_open_for_its_linger_and_then_closes() {
    let mut world = live(1);
    let linger = Options::default().linger.as_secs();
    world.disconnect(CLIENT);
    world.spend(linger - 1);
    world.publish(CHANNEL);
    world.connect_to(CLIENT, HERE, None);
    world.settle_down();
    assert_eq!((world.entries(CLIENT), world.page_reads()), (1, 0), "a reconnect is served from the tail");
    world.disconnect(CLIENT);
    world.spend(linger + 1);
    assert_eq!(world.nodes[0].stats.channels.get(), 0);
    world.backend.publish_ephemeral(&world.names[CHANNEL], Bytes::from_static(b"x"));
    world.turn(0);
    assert_eq!(world.nodes[0].stats.ephemerals.get(), 0, "nobody subscribes any more");
}

#[test]
fn a_late_touch_of_a_forgotten_channel_does_not_tear_its_successor_down() {
    let mut world = live(1);
    world.disconnect(CLIENT);
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
    world.spend(2 * Options::default().linger.as_secs());
    world.publish(CHANNEL);
    world.settle_down();
    assert!(world.has_all(CLIENT), "the push did not find the channel");
    assert_eq!(world.nodes[0].stats.channels.get(), 1);
}

#[test]
fn after_a_failover_nobody_is_sent_into_the_lost_history() {
    let mut world = live(4);
    let first = world.backend.entries(&world.names[CHANNEL])[0].id;
    let replica = world.replicate();
    (0..6).for_each(|_| world.publish(CHANNEL));
    world.settle_down();
    // On another node the pages are read that the lost part is on.
    world.connect_to(SECOND, (1, 0), Some(Place::At(Position::At(first))));
    world.settle_down();
    world.fail_over(&replica);
    world.backend.disconnect_all();
    world.publish(CHANNEL);
    world.settle_down();
    world.connect_to(THIRD, (1, 1), Some(Place::At(Position::At(first))));
    world.settle_down();
    assert_eq!(world.clients[THIRD].1.gaps(), 0, "{:?}", world.clients[THIRD].1.saw);
    assert_eq!(world.entries(THIRD), 4);
    assert_eq!(world.clients[CLIENT].1.gaps(), 1);
    assert!([CLIENT, SECOND, THIRD].iter().all(|client| world.has_all(*client)));
}

#[test]
fn a_quiet_stream_that_expires_and_comes_back_makes_no_gap() {
    let mut world = stage();
    world.publish_for(CHANNEL, Duration::from_secs(60));
    world.connect_to(CLIENT, HERE, None);
    world.spend(200);
    world.beat(CLIENT);
    assert!(matches!(world.clients[CLIENT].1.last_event_id(), Some(Position::Empty { .. })));
    world.disconnect(CLIENT);
    world.publish(CHANNEL);
    world.connect_to(CLIENT, (1, 0), None);
    world.settle_down();
    assert_eq!((world.entries(CLIENT), world.clients[CLIENT].1.gaps()), (1, 0));
}

#[test]
fn a_quiet_channel_of_a_store_that_evicts_makes_no_gap() {
    let mut world = stage();
    world.backend.set_evicts(true);
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
    world.disconnect(CLIENT);
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
    let mut world = World::stage(&Options { max_channels: 1, linger: Duration::from_secs(1), ..Options::default() });
    world.connect_to(CLIENT, HERE, None);
    world.settle_down();
    // Of the other channel.
    world.connect_to(1, HERE, None);
    world.settle_down();
    assert!(world.is_refused(1));
    world.disconnect(CLIENT);
    world.spend(3);
    assert!(!world.is_refused(1));
    assert_eq!(world.nodes[0].stats.refused.get(), 0);
}
