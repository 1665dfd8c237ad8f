//! How long a channel waits after a read that failed.

use super::super::reads::BackOff;
use super::super::*;
use super::scene::{Scene, name};
use crate::archive::ArchiveError;
use crate::core_log::ViewKey;
use crate::cursor::Cursor;
use crate::payer::Payer;

/// Fails what was asked. Returns the number of channels, one for each kind of read.
pub(super) fn fail(scene: &mut Scene, commands: Vec<Command>) -> usize {
    let (now, failure) = (scene.now, ArchiveError::Timeout);
    let fail = |command| match command {
        Command::Tips { keys, .. } => {
            scene.registry.on_tips(&keys, Err(failure.clone()), now);
            keys.len()
        }
        Command::Head { key, .. } => {
            scene.registry.on_head(key, Err(failure.clone()), now);
            1
        }
        Command::Page { key, .. } => {
            scene.registry.on_page(key, Err(failure.clone()), now);
            1
        }
        Command::Newest { key, .. } => {
            scene.registry.on_newest(key, Err(failure.clone()), now);
            1
        }
    };
    commands.into_iter().map(fail).sum()
}

// Seen to fail when a channel waits on although the link is back.
#[test]
fn a_fresh_subscription_ends_the_wait_of_its_channel() {
    let mut scene = Scene::new(Options::default());
    let _reader = scene.core.open(name("a"), None, 0, Payer::NODE).unwrap();
    scene.rest();
    for _ in 0..5 {
        scene.lose_link();
        let failed = (0..3).map(|_| scene.turn()).collect::<Vec<_>>().into_iter().flatten().collect();
        assert_eq!(fail(&mut scene, failed), 1, "it is compared at once");
        assert!(scene.turn().is_empty(), "it waits");
    }
}

// Seen to fail when a channel has one wait for all its reads: a reader whose page fails holds up the repair of the tail.
#[test]
fn a_page_that_fails_holds_up_neither_the_head_nor_the_comparison() {
    let (mut scene, mut readers) = behind_and_live();
    let (channel, now) = (name("c0"), scene.now);
    let mut failed = 0;
    for round in 0..10 {
        scene.core.sync(|_, _| {}, |_| {});
        readers.iter_mut().for_each(|reader| scene.read(reader));
        scene.ring(&channel);
        let commands = scene.turn();
        assert!(commands.iter().any(|command| matches!(command, Command::Head { .. })), "round {round}: {commands:?}");
        for command in commands {
            match command {
                Command::Page { key, .. } => {
                    failed += 1;
                    scene.registry.on_page(key, Err(ArchiveError::Timeout), now);
                }
                other => _ = scene.answer(other),
            }
        }
    }
    assert_eq!(failed, 1, "the page waits");
}

/// A channel with a reader at its beginning, which is behind, and one at its end.
pub(super) fn behind_and_live() -> (Scene, Vec<(ViewKey, Cursor)>) {
    let mut scene = Scene::new(Options { tail_entries: 1, ..Options::default() });
    let mut readers = scene.readers(1, 5);
    readers.push(scene.core.open(name("c0"), None, 1, Payer::NODE).unwrap());
    scene.rest();
    (scene, readers)
}

#[test]
fn the_timer_of_a_wait_that_was_cut_short_does_not_end_the_next_one() {
    let mut back_off = BackOff::default();
    let first = back_off.begin().unwrap();
    assert!(back_off.begin().is_none(), "one wait at a time");
    assert!(back_off.cut_short() && !back_off.is_active());
    let second = back_off.begin().unwrap();
    assert!(second > first);
    assert!(!back_off.timer_fired() && back_off.is_active(), "the timer of the first");
    assert!(back_off.timer_fired() && !back_off.is_active());
    back_off.begin().unwrap();
    assert!(back_off.cut_short());
    assert!(!back_off.timer_fired(), "there is no wait to end");
}
