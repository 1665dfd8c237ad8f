//! Whose turn it is to have something read.

use fanfare_protocol::Position;
use fanfare_protocol::limits::{TIP_REQUESTS_MAX, TIPS_OF_NODE, TIPS_PER_REQUEST_MAX};

use super::super::*;
use super::scene::{STEP, Scene, behind, name, narrow};
use crate::cursor::Start;
use crate::payer::Payer;

#[test]
fn two_channels_whose_readers_are_behind_take_turns() {
    let mut scene = Scene::new(narrow(1));
    let mut readers = scene.readers(2, 200);
    let mut turns = Vec::new();
    for _ in 0..600 {
        scene.core.sync(|_, _| {}, |_| {});
        readers.iter_mut().for_each(|reader| scene.read(reader));
        let commands = scene.turn();
        turns.extend(commands.into_iter().filter_map(|command| scene.answer(command)).map(|(_, key)| key));
        scene.now += STEP;
    }
    assert!(turns.len() >= 20, "{turns:?}");
    assert!(turns.windows(2).all(|pair| pair[0] != pair[1]), "{turns:?}");
}

// Seen to fail when tips are read in the order in which channels came.
#[test]
fn the_channel_of_one_payer_is_not_held_up_by_the_new_channels_of_another() {
    let mut scene = Scene::new(Options::default());
    let open = |scene: &Scene, number: usize, payer| scene.core.open(name(&format!("c{number}")), None, 0, payer);
    let most = TIP_REQUESTS_MAX * TIPS_PER_REQUEST_MAX;
    let _many: Vec<_> = (0..4 * most).map(|number| open(&scene, number, Payer::of(1))).collect();
    // They are desired, then acknowledged and asked for.
    scene.turn();
    let mut commands = scene.turn();
    assert_eq!(commands.len(), TIP_REQUESTS_MAX);
    let last = open(&scene, 9_999, Payer::of(2)).unwrap();
    scene.turn();
    scene.turn();
    scene.answer(commands.remove(0));
    let next = scene.turn().remove(0);
    scene.answer(next);
    scene.core.sync(|_, _| {}, |_| {});
    assert_eq!(scene.core.is_open(last.0, &last.1), Ok(true));
}

// Seen to fail when the node takes its turn among those who open channels: one comparison for one channel of each of them.
#[test]
fn the_comparisons_of_a_node_are_not_held_up_by_those_who_open_channels() {
    let mut scene = Scene::new(Options::default());
    let _followed: Vec<_> = (0..TIPS_PER_REQUEST_MAX).map(|n| scene.open(&name(&format!("own{n}")), None)).collect();
    scene.rest();
    for number in 0..2 * TIPS_PER_REQUEST_MAX as u64 {
        scene.core.open(name(&format!("new{number}")), None, 0, Payer::of(1 + number)).unwrap();
    }
    // They are desired. All are acknowledged and asked for at once after the link was lost.
    scene.turn();
    scene.lose_link();
    let commands = scene.turn();
    let parts = commands.iter().map(|command| match command {
        Command::Tips { names, .. } => {
            let is_own = |log: &&LogName| log.name().as_str().starts_with("own");
            (names.len(), names.iter().filter(is_own).count())
        }
        other => panic!("{other:?}"),
    });
    // The rest of a request goes by turns, of which the node has one in five hundred.
    let parts: Vec<_> = parts.collect();
    assert_eq!(parts.len(), TIP_REQUESTS_MAX);
    for (all, own) in parts {
        assert!(all == TIPS_PER_REQUEST_MAX && (TIPS_OF_NODE - 1..=TIPS_OF_NODE + 1).contains(&own), "{own} of {all}");
    }
}

// Fails when they wait for their turn: whoever needs a grant waits for what they say.
#[test]
fn the_gateways_own_logs_are_compared_and_read_before_any_channel() {
    let mut scene = Scene::new(narrow(1));
    let mut logs: Vec<_> = (0..100).map(|number| name(&format!("c{number}"))).collect();
    logs.push(LogName::revoked());
    let _readers: Vec<_> = logs.iter().map(|log| scene.open(log, None)).collect();
    scene.rest();
    scene.lose_link();
    let commands = (0..9).map(|_| scene.turn()).find(|commands| !commands.is_empty()).unwrap();
    assert!(matches!(&commands[0], Command::Tips { names, .. } if names[0] == LogName::revoked()), "{:?}", commands[0]);
    for command in commands {
        scene.answer(command);
    }
    scene.rest();
    logs.iter().for_each(|log| scene.ring(log));
    let commands = scene.turn();
    assert!(matches!(&commands[..], [Command::Head { request, .. }, ..] if request.log == LogName::revoked()));
}

// Seen to fail when turns go by channel.
#[test]
fn who_wants_pages_of_many_channels_does_not_hold_up_who_wants_one() {
    const MANY: usize = 32;
    let mut scene = Scene::new(narrow(1));
    let names: Vec<_> = (0..=MANY).map(|number| name(&format!("c{number}"))).collect();
    let firsts: Vec<_> = names.iter().map(|name| scene.publish(name, 50)).collect();
    let open = |scene: &Scene, number: usize, payer| {
        scene.core.open(&names[number], Some(Start::At(Position::At(firsts[number]))), 0, payer).unwrap()
    };
    let mut readers: Vec<_> = (0..MANY).map(|number| open(&scene, number, Payer::of(1))).collect();
    readers.push(open(&scene, MANY, Payer::of(2)));
    scene.rest();
    scene.core.sync(|_, _| {}, |_| {});
    readers.iter_mut().for_each(|reader| scene.read(reader));
    let key = readers.len();
    let mut pages = Vec::new();
    for _ in 0..50 {
        scene.now += STEP * 10;
        let commands = scene.turn();
        pages.extend(commands.into_iter().filter_map(|command| scene.answer(command)).map(|(_, key)| key));
    }
    assert!(pages.len() >= 3 && pages[..2].contains(&key), "the pages of {pages:?}, not of {key}");
}

// Seen to fail when the next want is the next one in ascending order: the first reader's next one always is.
#[test]
fn a_reader_far_behind_has_its_turn_beside_one_that_reads_on_ahead_of_it() {
    for payers in [[1, 1], [1, 2]] {
        let (mut scene, ids, _live) = behind(200);
        let at = |entries: usize| Start::At(Position::At(ids[entries]));
        let [ahead, far] = payers.map(Payer::of);
        let mut ahead = scene.core.open(name("long"), Some(at(20)), 0, ahead).unwrap();
        let mut far = scene.core.open(name("long"), Some(at(0)), 0, far).unwrap();
        let mut pages = [0, 0];
        for _ in 0..400 {
            scene.now += STEP;
            scene.core.sync(|_, _| {}, |_| {});
            scene.read(&mut ahead);
            scene.read(&mut far);
            for command in scene.turn() {
                if let Command::Page { request, .. } = &command {
                    pages[usize::from(Start::At(request.after) == far.1.at)] += 1;
                }
                scene.answer(command);
            }
        }
        assert!(pages[1] * 2 >= pages[0] && pages[0] >= 4, "{pages:?} pages");
    }
}
