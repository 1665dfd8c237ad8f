//! What is known of the gateway's own logs, which are known by reads only.

use std::time::Duration;

use fanfare_protocol::LogName;

use super::super::*;
use super::scene::{STEP, Scene, narrow};
use crate::publish::AppendRequest;

fn append(scene: &Scene) {
    let (log, keep) = (LogName::revoked().name().clone(), Duration::from_secs(60));
    let request = AppendRequest { log, data: "{}".into(), keep, max_entries: usize::MAX };
    scene.store.append_now(&request).unwrap();
}

// Fails when only a tip confirms a log that is its head: while it grows all the time none is.
#[test]
fn a_log_that_grows_faster_than_it_is_compared_is_confirmed_on_a_new_link() {
    let mut scene = Scene::new(narrow(1));
    let (view, _cursor) = scene.open(&LogName::revoked(), None);
    scene.rest();
    let before = scene.core.coverage(view).link.unwrap();
    scene.lose_link();
    let is_confirmed = (0..50).any(|_| {
        append(&scene);
        let commands = scene.turn();
        // Before any answer.
        append(&scene);
        for command in commands {
            scene.answer(command);
        }
        scene.turn_core();
        scene.core.coverage(view).link.is_some_and(|link| link > before)
    });
    assert!(is_confirmed, "{:?}", scene.core.coverage(view));
}

// Fails when any read confirms.
#[test]
fn a_read_that_began_on_another_link_confirms_nothing_on_this_one() {
    let mut scene = Scene::new(narrow(1));
    let (view, _cursor) = scene.open(&LogName::revoked(), None);
    scene.rest();
    let before = scene.core.coverage(view).link.unwrap();
    append(&scene);
    let old = scene.turn();
    assert!(matches!(&old[..], [Command::Head { .. }]), "{old:?}");
    scene.lose_link();
    // The subscription is acknowledged on the next one before the answer comes.
    let tips: Vec<_> = (0..3).flat_map(|_| scene.turn()).collect();
    assert!(!tips.is_empty());
    for command in old {
        scene.answer(command);
    }
    scene.turn_core();
    assert_eq!(scene.core.coverage(view).link, None);
    for command in tips {
        scene.answer(command);
    }
    scene.rest();
    assert!(scene.core.coverage(view).link.is_some_and(|link| link > before));
}

// Fails when a read shows what rang after it began.
#[test]
fn what_has_rung_is_unread_until_a_read_that_began_afterwards_has_shown_it() {
    let mut scene = Scene::new(narrow(1));
    let (view, _cursor) = scene.open(&LogName::revoked(), None);
    scene.rest();
    let unread_since = |scene: &Scene| {
        scene.turn_core();
        scene.core.coverage(view).unread_since
    };
    assert_eq!(unread_since(&scene), None);
    let first = scene.now;
    append(&scene);
    let reads = scene.turn();
    assert_eq!(unread_since(&scene), Some(first));
    scene.now += STEP;
    let second = scene.now;
    append(&scene);
    assert!(scene.turn().is_empty(), "one read at a time");
    assert_eq!(unread_since(&scene), Some(first));
    for read in reads {
        scene.answer(read);
    }
    // Whatever the answer holds: it was asked for before.
    assert_eq!(unread_since(&scene), Some(second));
    scene.rest();
    assert_eq!(unread_since(&scene), None);
}

// Fails when a proof is told before what came ahead of it, and when it is told with the next change only.
#[test]
fn a_proof_of_the_feed_is_told_with_everything_that_arrived_before_it() {
    let mut scene = Scene::new(narrow(1));
    let (view, _cursor) = scene.open(&LogName::revoked(), None);
    scene.rest();
    let coverage = |scene: &Scene| {
        scene.turn_core();
        scene.core.coverage(view)
    };
    assert_eq!((coverage(&scene).proven, coverage(&scene).unread_since), (None, None));
    let first = scene.probe();
    scene.turn();
    assert_eq!((coverage(&scene).proven, coverage(&scene).unread_since), (Some(first), None));
    append(&scene);
    let second = scene.probe();
    scene.turn();
    assert_eq!((coverage(&scene).proven, coverage(&scene).unread_since), (Some(second), Some(scene.now)));
}

// Fails when what arrives late counts from its arrival: it would have the patience once more.
#[test]
fn what_arrives_after_the_feed_was_unproven_for_long_is_unread_since_then() {
    let mut scene = Scene::new(narrow(1));
    let (view, _cursor) = scene.open(&LogName::revoked(), None);
    scene.rest();
    let proven = scene.probe();
    scene.turn();
    for (after_ms, since_ms) in [(600, 600), (5_000, 700)] {
        scene.now = proven + Duration::from_millis(after_ms);
        append(&scene);
        let reads = scene.turn();
        scene.turn_core();
        let since = proven + Duration::from_millis(since_ms);
        assert_eq!(scene.core.coverage(view).unread_since, Some(since), "after {after_ms} ms");
        for read in reads {
            scene.answer(read);
        }
        scene.rest();
    }
}
