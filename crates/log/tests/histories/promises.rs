//! Streams of which the operator has promised how long they live at least: an absence proves something for as long.
//!
//! Seen to fail where an absence proves something for a minute whatever was promised, where a stream that will expire early is not
//! noted, and where one that was deleted is not.

use std::time::Duration;

use fanfare_log::memory::Bell;
use fanfare_log::{BrokenBy, MinLives, Options};
use fanfare_protocol::Pattern;

use super::world::World;
use super::{CLIENT, HERE, SECOND};

const THERE: (usize, usize) = (1, 0);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
const WEEK: Duration = Duration::from_secs(7 * 86_400);

/// Longer than the feed takes to be sure of an expiry.
const COMPARED: u64 = 38;

/// Two nodes, and a store without streams. The streams of all channels live a week at least, as the operator says.
fn promised() -> (World, MinLives) {
    let min_lives = MinLives::new([(Pattern::parse("c*").unwrap(), WEEK)]);
    (World::new(&Options { min_lives: min_lives.clone(), ..Options::default() }, 1 << 20), min_lives)
}

/// A client waits for the first event of a stream that does not exist, and goes.
fn away(world: &mut World) {
    world.connect(CLIENT, HERE, None);
    world.settle_down();
    world.leave(CLIENT);
    world.settle_down();
}

/// The client comes back, to another node.
fn back(world: &mut World) -> (usize, usize) {
    world.connect(CLIENT, THERE, None);
    world.settle_down();
    world.saw(CLIENT)
}

#[test]
fn a_client_away_for_a_day_from_a_channel_on_which_nothing_happened_hears_of_no_gap() {
    let (mut world, lives) = promised();
    away(&mut world);
    world.pass(DAY);
    assert_eq!(back(&mut world), (0, 0));
    world.publish();
    world.settle_down();
    assert_eq!(world.saw(CLIENT), (1, 0));
    assert_eq!([BrokenBy::Expiry, BrokenBy::End].map(|by| lives.broken(by)), [0, 0]);
}

#[test]
fn without_a_promise_it_does() {
    let mut world = super::empty_world();
    away(&mut world);
    world.pass(DAY);
    assert_eq!(back(&mut world), (0, 1));
}

#[test]
fn what_was_published_while_the_client_was_away_for_days_is_all_that_it_gets() {
    for is_plain in [false, true] {
        let (mut world, _) = promised();
        away(&mut world);
        for _ in 0..5 {
            world.pass(DAY);
            if is_plain { world.xadd(Bell::Silent) } else { world.publish_for(Some(WEEK)) }
        }
        assert_eq!(back(&mut world), (5, 0));
    }
}

#[test]
fn a_plain_producers_stream_that_was_trimmed_is_a_gap() {
    let (mut world, _) = promised();
    away(&mut world);
    (0..3).for_each(|_| world.xadd(Bell::Silent));
    world.trim(2);
    world.pass(HOUR);
    assert_eq!(back(&mut world), (2, 1));
}

#[test]
fn after_the_promised_life_an_absence_proves_nothing() {
    let (mut world, _) = promised();
    away(&mut world);
    world.pass(WEEK);
    assert_eq!(back(&mut world), (0, 1));
}

#[test]
fn a_promise_is_worth_nothing_in_another_life_of_the_data_and_where_keys_are_evicted() {
    let (mut world, _) = promised();
    away(&mut world);
    world.publish();
    world.flush();
    assert_eq!(back(&mut world), (0, 1));
    let (mut world, _) = promised();
    away(&mut world);
    world.pass(HOUR);
    world.store.set_evicts(true);
    assert_eq!(back(&mut world), (0, 1));
}

#[test]
fn a_stream_that_is_seen_to_expire_sooner_than_promised_is_counted_and_told_to_who_was_away() {
    let (mut world, lives) = promised();
    away(&mut world);
    world.pass(HOUR);
    // Somebody else is there, and so a node that sees the stream.
    world.connect(SECOND, HERE, None);
    world.settle_down();
    world.publish_for(Some(HOUR));
    world.spend(COMPARED);
    assert_eq!(lives.broken(BrokenBy::Expiry), 1);
    world.pass(HOUR);
    world.spend(COMPARED);
    assert_eq!(back(&mut world), (0, 1));
    assert_eq!(lives.broken(BrokenBy::End), 0, "it is known");
    // From now on the promise counts again.
    world.leave(CLIENT);
    world.leave(SECOND);
    world.pass(DAY);
    assert_eq!(back(&mut world).1, 1);
}

#[test]
fn a_stream_that_is_deleted_sooner_than_promised_is_counted_and_told_to_who_was_away() {
    let (mut world, lives) = promised();
    away(&mut world);
    world.pass(HOUR);
    world.connect(SECOND, HERE, None);
    world.settle_down();
    world.publish();
    world.settle_down();
    world.delete();
    world.spend(COMPARED);
    assert_eq!(lives.broken(BrokenBy::End), 1);
    assert_eq!(world.saw(SECOND), (1, 1));
    assert_eq!(back(&mut world), (0, 1));
}

#[test]
fn a_followed_stream_that_has_lived_as_long_as_promised_expires_without_a_word() {
    let (mut world, lives) = promised();
    world.connect(CLIENT, HERE, None);
    world.settle_down();
    world.publish_for(Some(WEEK));
    world.settle_down();
    world.pass(WEEK - Duration::from_secs(100));
    world.spend(100 + COMPARED);
    world.beat(CLIENT);
    world.publish();
    world.settle_down();
    assert_eq!(world.saw(CLIENT), (2, 0));
    assert_eq!([BrokenBy::Expiry, BrokenBy::End].map(|by| lives.broken(by)), [0, 0]);
}
