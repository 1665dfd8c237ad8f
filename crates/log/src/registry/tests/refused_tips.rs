//! Channels whose tips the store refuses.

use std::time::Duration;

use fanfare_protocol::LogName;
use fanfare_protocol::limits::{REFUSED_STREAM_AGE, TIP_REQUESTS_MAX, TIPS_PER_REQUEST_MAX};

use super::super::*;
use super::scene::{Scene, name};
use crate::archive::ArchiveError;
use crate::payer::Payer;

const STRANGER: u64 = 1;

/// More than all requests at a time have room for.
const REFUSED: usize = (TIP_REQUESTS_MAX + 1) * TIPS_PER_REQUEST_MAX;

/// Answers reads of tips, but those of strangers with a refusal. Returns which were asked for, by request.
fn answer(scene: &mut Scene, commands: Vec<Command>, refusal: &ArchiveError) -> Vec<Vec<LogName>> {
    let mut requests = Vec::new();
    for command in commands {
        let Command::Tips { keys, names } = command else { panic!("{command:?}") };
        if is_refused(&names[0]) {
            scene.registry.on_tips(&keys, Ok(names.iter().map(|_| Err(refusal.clone())).collect()), scene.now);
        } else {
            scene.answer(Command::Tips { keys, names: names.clone() });
        }
        requests.push(names);
    }
    requests
}

fn is_refused(name: &LogName) -> bool {
    name.name().as_str().starts_with("locked")
}

/// A node whose stranger follows channels that the store refused to tell the tips of once, and may be asked about again.
fn besieged(refusal: &ArchiveError) -> Scene {
    let mut scene = Scene::new(Options::default());
    for number in 0..REFUSED {
        scene.core.open(name(&format!("locked{number}")), None, 0, Payer::of(STRANGER)).unwrap();
    }
    let mut asked = 0;
    while asked < REFUSED {
        let commands = scene.turn();
        asked += answer(&mut scene, commands, refusal).iter().map(Vec::len).sum::<usize>();
    }
    assert!(scene.turn().is_empty(), "they back off");
    scene.now += Duration::from_secs(1);
    scene
}

// Seen to fail when they stand in one line with all others: both requests that may be under way are theirs.
#[test]
fn what_was_refused_before_keeps_no_other_channel_waiting() {
    for refusal in [ArchiveError::Denied("NOPERM".into()), ArchiveError::WrongType] {
        let mut scene = besieged(&refusal);
        let refused = scene.turn();
        assert_eq!(refused.len(), 1, "one request at a time asks for such: {refused:?}");
        let (view, cursor) = scene.core.open(name("quiet"), None, 0, Payer::of(2)).unwrap();
        let commands: Vec<_> = (0..3).flat_map(|_| scene.turn()).collect();
        assert_eq!(answer(&mut scene, commands, &refusal), [[name("quiet")]]);
        scene.core.sync(|_, _| {}, |_| {});
        assert_eq!(scene.core.is_open(view, &cursor), Ok(true));
        // All others have their turn, one request after the other.
        let mut asked = answer(&mut scene, refused, &refusal).concat().len();
        while asked < REFUSED {
            let commands = scene.turn();
            let requests = answer(&mut scene, commands, &refusal);
            assert_eq!(requests.len(), 1);
            asked += requests[0].len();
        }
    }
}

/// The reads that a node begins in some turns, by request.
fn begun(scene: &mut Scene) -> Vec<Command> {
    (0..3).flat_map(|_| scene.turn()).collect()
}

// Seen to fail when only the log of a channel knows that it was refused, and when nothing is forgotten.
#[test]
fn a_name_that_was_refused_is_asked_about_apart_when_it_comes_again_and_is_forgotten_after_a_while() {
    let refusal = ArchiveError::Denied("NOPERM".into());
    let mut scene = Scene::new(Options::default());
    let stranger = |scene: &Scene| scene.open(&name("locked"), None);
    let (view, cursor) = stranger(&scene);
    let commands = begun(&mut scene);
    answer(&mut scene, commands, &refusal);
    scene.core.close(view, &cursor);
    scene.turn();
    assert_eq!(scene.registry.directory.len(), 0, "nothing is left of its channel");
    let (view, cursor) = stranger(&scene);
    let _quiet = scene.open(&name("quiet"), None);
    let commands = begun(&mut scene);
    assert_eq!(answer(&mut scene, commands, &refusal), [[name("quiet")], [name("locked")]]);
    scene.core.close(view, &cursor);
    scene.turn();
    scene.now += REFUSED_STREAM_AGE;
    stranger(&scene);
    let _other = scene.open(&name("other"), None);
    let commands = begun(&mut scene);
    let [Command::Tips { names, .. }] = commands.as_slice() else { panic!("{commands:?}") };
    assert!(names.contains(&name("locked")) && names.contains(&name("other")), "{names:?}");
}

// Seen to fail when a channel counts as refused for ever.
#[test]
fn what_is_not_refused_any_more_is_a_channel_like_any_other() {
    let refusal = ArchiveError::Denied("NOPERM".into());
    let mut scene = besieged(&refusal);
    let mut asked = 0;
    while asked < REFUSED {
        for command in scene.turn() {
            let Command::Tips { keys, .. } = &command else { panic!("{command:?}") };
            asked += keys.len();
            scene.answer(command);
        }
    }
    assert_eq!(scene.registry.stats().refused.get(), 0);
    scene.lose_link();
    let parts: Vec<_> = scene.turn().iter().map(|command| matches!(command, Command::Tips { .. })).collect();
    assert_eq!(parts, vec![true; TIP_REQUESTS_MAX], "they are compared as others are");
}
