//! Streams that do not exist: expired, evicted, not created yet.

use std::time::Duration;

use fanfare_log::memory::{Bell, Fate};
use fanfare_protocol::Position;

use super::world::World;
use super::{CLIENT, HERE, SECOND, empty_world, live};

/// More than any interval of the reconcile, less than the minute for which an absence proves something.
const RECONCILED: u64 = 38;
/// After so long the newest entry may have expired.
const OLD: u64 = 70;
const MINUTE: Duration = Duration::from_secs(60);

/// A client waits for the first event of a stream that does not exist.
fn waiting() -> World {
    let mut world = empty_world();
    world.connect(CLIENT, HERE, None);
    world.settle_down();
    world
}

/// The same in a store that evicts: the first event comes and is evicted while the feed is away.
fn evicted_unseen() -> World {
    let mut world = empty_world();
    world.store.set_evicts(true);
    world.connect(CLIENT, HERE, None);
    world.settle_down();
    world.nodes[0].link.disconnect();
    world.publish();
    world.delete();
    world
}

/// While the archive cannot be read an event comes without its push, and its stream expires. Then it can be read again.
fn lose_an_event_that_expires(world: &mut World) {
    world.store.next_push(Fate::Lose);
    world.publish_for(Some(MINUTE));
    world.spend(OLD);
    world.store.fail_reads(0);
    world.spend(RECONCILED);
}

#[test]
fn a_quiet_stream_that_expires_and_comes_back_makes_no_gap() {
    let mut world = empty_world();
    world.publish_for(Some(Duration::from_secs(60)));
    world.connect(CLIENT, HERE, None);
    world.spend(200);
    world.beat(CLIENT);
    assert!(matches!(world.last_event_id(CLIENT), Some(Position::Absent { .. })));
    world.leave(CLIENT);
    world.publish();
    world.connect(CLIENT, (1, 0), None);
    world.settle_down();
    assert_eq!(world.saw(CLIENT), (1, 0));
}

#[test]
fn a_stream_that_expires_while_the_feed_is_away_makes_a_gap_for_it_may_have_held_more() {
    let mut world = empty_world();
    world.publish_for(Some(Duration::from_secs(60)));
    world.connect(CLIENT, HERE, None);
    world.spend(50);
    world.nodes[0].link.disconnect();
    // A plain producer does not extend the stream's life.
    world.xadd(Bell::Silent);
    for _ in 0..300 {
        world.pass(Duration::from_millis(200));
        world.run_node(0);
    }
    world.settle_down();
    assert_eq!(world.saw(CLIENT).1, 1);
}

#[test]
fn a_quiet_channel_of_a_store_that_evicts_makes_no_gap() {
    let mut world = empty_world();
    world.store.set_evicts(true);
    world.connect(CLIENT, HERE, None);
    world.spend(300);
    world.publish();
    world.settle_down();
    assert_eq!(world.saw(CLIENT), (1, 0));
}

#[test]
fn a_position_of_an_absence_that_this_node_did_not_watch_is_placed_by_one_read() {
    let mut world = waiting();
    world.leave(CLIENT);
    world.pass(Duration::from_secs(20));
    world.connect(SECOND, (1, 0), None);
    world.settle_down();
    world.connect(CLIENT, (1, 0), None);
    world.settle_down();
    assert_eq!(world.nodes[1].stats.page_reads.get(), 1);
    world.publish();
    world.settle_down();
    assert_eq!(world.saw(CLIENT), (1, 0));
}

#[test]
fn where_streams_are_evicted_nothing_is_trusted_while_the_feed_is_away() {
    let mut world = evicted_unseen();
    // The reconcile goes on without the feed.
    for _ in 0..40 {
        world.pass(Duration::from_secs(1));
        world.run_node(0);
    }
    world.settle_down();
    assert_eq!(world.saw(CLIENT).1, 1);
}

// Seen to fail when only a tip shows that no message was missed: the gap is told again at each comparison.
#[test]
fn where_streams_are_evicted_an_absence_that_is_in_doubt_is_told_once() {
    let mut world = empty_world();
    world.store.set_evicts(true);
    world.connect(CLIENT, HERE, None);
    world.settle_down();
    world.nodes[0].link.disconnect();
    world.settle_down();
    world.spend(4 * RECONCILED);
    assert_eq!(world.saw(CLIENT), (0, 1));
    world.publish();
    world.settle_down();
    assert_eq!(world.saw(CLIENT), (1, 1));
}

#[test]
fn a_young_stream_that_is_gone_was_deleted() {
    let mut world = live(3);
    world.delete();
    world.spend(RECONCILED);
    assert_eq!(world.saw(CLIENT).1, 1);
}

#[test]
fn an_old_stream_that_is_gone_with_everything_else_did_not_expire() {
    let mut world = live(3);
    world.spend(OLD);
    world.flush();
    world.spend(RECONCILED);
    assert_eq!(world.saw(CLIENT).1, 1);
}

#[test]
fn an_old_stream_that_is_gone_from_a_store_that_evicts_did_not_expire() {
    for since_it_was_old in [false, true] {
        let mut world = live(3);
        world.store.set_evicts(!since_it_was_old);
        world.spend(OLD);
        world.store.set_evicts(true);
        world.delete();
        world.spend(RECONCILED);
        assert_eq!(world.saw(CLIENT).1, 1);
    }
}

#[test]
fn a_stream_that_expires_while_the_archive_cannot_be_read_may_have_held_more() {
    let mut world = empty_world();
    world.publish_for(Some(MINUTE));
    world.connect(CLIENT, HERE, None);
    world.settle_down();
    world.store.fail_reads(usize::MAX);
    world.spend(30);
    lose_an_event_that_expires(&mut world);
    assert_eq!(world.saw(CLIENT), (0, 1));
}

#[test]
fn a_stream_that_came_and_went_while_the_archive_could_not_be_read_makes_a_gap() {
    let mut world = waiting();
    world.store.fail_reads(usize::MAX);
    lose_an_event_that_expires(&mut world);
    assert_eq!(world.saw(CLIENT), (0, 1));
}

#[test]
fn a_stream_that_came_and_went_with_everything_else_makes_a_gap() {
    for comes_again in [false, true] {
        let mut world = waiting();
        world.store.next_push(Fate::Lose);
        world.publish();
        world.flush();
        if comes_again {
            world.publish();
        }
        world.spend(RECONCILED);
        assert_eq!(world.saw(CLIENT), (usize::from(comes_again), 1));
    }
}

#[test]
fn a_stream_that_was_evicted_while_the_feed_was_away_and_came_again_makes_a_gap() {
    let mut world = evicted_unseen();
    world.nodes[0].link.tend();
    world.publish();
    world.settle_down();
    assert_eq!(world.saw(CLIENT), (1, 1));
}

#[test]
fn an_event_that_is_announced_during_a_look_at_a_stream_about_to_expire_is_not_forgotten() {
    let mut world = empty_world();
    world.publish_for(Some(MINUTE));
    let end = world.now() + MINUTE;
    world.connect(CLIENT, HERE, None);
    world.settle_down();
    let looks = (0..RECONCILED * 10).any(|_| {
        world.pass(Duration::from_millis(100));
        world.turn(0);
        world.nodes[0].is_reading()
    });
    assert!(looks);
    // The store says where the stream ends. Before that arrives there is more in it, and then it expires.
    world.work(0);
    world.pass(end - Duration::from_millis(100) - world.now());
    world.xadd(Bell::Doorbell);
    world.turn(0);
    world.work(0);
    world.pass(Duration::from_millis(200));
    world.settle_down();
    assert_eq!(world.saw(CLIENT), (0, 1));
}
