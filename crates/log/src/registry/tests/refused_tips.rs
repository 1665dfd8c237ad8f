//! Channels whose tips the store refuses.

use std::time::Duration;

use fanfare_protocol::LogName;
use fanfare_protocol::limits::{TIP_REQUESTS_MAX, TIPS_PER_REQUEST_MAX};

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
