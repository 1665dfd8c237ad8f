//! What operators are told of channels for which something is awaited.

use std::time::Duration;

use super::super::*;
use super::back_off::{behind_and_live, fail};
use super::scene::{Scene, name};
use crate::archive::ArchiveError;
use crate::payer::Payer;
use crate::stats::Waiting;

/// How many there are, and for how many milliseconds the first has been.
fn seen(scene: &Scene, of: impl Fn(&IngestStats) -> &Waiting) -> (u64, Option<u64>) {
    let waiting = of(scene.registry.stats());
    let now = u64::try_from((scene.now - scene.registry.resources.began).as_millis()).unwrap();
    (waiting.channels.get(), waiting.since_ms.get().checked_sub(1).map(|since| now - since))
}

#[test]
fn a_channel_is_unprimed_from_its_first_reader_until_its_end_is_known_or_it_is_refused() {
    let mut scene = Scene::new(Options::default());
    let _readers = ["a", "b"].map(|text| scene.core.open(name(text), None, 0, Payer::NODE).unwrap());
    let failed = (0..3).map(|_| scene.turn()).collect::<Vec<_>>().into_iter().flatten().collect();
    scene.now += Duration::from_millis(20);
    fail(&mut scene, failed);
    scene.turn();
    assert_eq!(seen(&scene, |stats| &stats.unprimed), (2, Some(20)));
    assert_eq!(seen(&scene, |stats| &stats.failing), (2, Some(0)));
    let key = scene.registry.directory.named(&name("a")).unwrap().channel.key;
    scene.registry.resources.schedule.tip_begun();
    scene.registry.on_tips(&[key], Ok(vec![Err(ArchiveError::Denied("NOPERM".into()))]), scene.now);
    scene.turn();
    assert_eq!((seen(&scene, |stats| &stats.unprimed).0, scene.registry.stats().refused.get()), (1, 1));
    scene.now += Duration::from_secs(6);
    scene.rest();
    assert_eq!(seen(&scene, |stats| &stats.unprimed), (0, None), "both have been read");
    assert_eq!(seen(&scene, |stats| &stats.failing), (0, None));
    assert_eq!((scene.registry.stats().refused.get(), scene.registry.stats().channels_opened.get()), (0, 2));
}

// Seen to count as a refusal of Redis, for which the alert blames the ACL.
#[test]
fn a_key_of_another_type_is_no_refusal_by_the_acl() {
    let mut scene = Scene::new(Options::default());
    let _reader = scene.core.open(name("a"), None, 0, Payer::NODE).unwrap();
    (0..3).for_each(|_| drop(scene.turn()));
    let key = scene.registry.directory.named(&name("a")).unwrap().channel.key;
    for (error, counts) in [
        (ArchiveError::WrongType, (0, 1)),
        (ArchiveError::WrongType, (0, 1)),
        (ArchiveError::Denied("NOPERM".into()), (1, 0)),
    ] {
        scene.registry.resources.schedule.tip_begun();
        scene.registry.on_tips(&[key], Ok(vec![Err(error)]), scene.now);
        let stats = scene.registry.stats();
        assert_eq!((stats.refused.get(), stats.wrong_type.get()), counts);
    }
}

#[test]
fn a_channel_is_paging_while_a_page_is_wanted_and_counts_from_the_last_one() {
    let (mut scene, mut readers) = behind_and_live();
    scene.core.sync(|_, _| {}, |_| {});
    scene.read(&mut readers[0]);
    let commands = scene.turn();
    assert!(commands.iter().any(|command| matches!(command, Command::Page { .. })), "{commands:?}");
    scene.now += Duration::from_millis(30);
    scene.turn();
    assert_eq!(seen(&scene, |stats| &stats.paging), (1, Some(30)));
    for command in commands {
        scene.answer(command);
    }
    scene.turn();
    assert_eq!(seen(&scene, |stats| &stats.paging), (0, None));
}
