//! Which channels a node follows: how many, how long, and what stays of them.

use std::time::Duration;

use fanfare_protocol::Position;

use super::super::*;
use super::scene::{STEP, Scene, name, narrow};
use crate::cursor::Start;
use crate::feed::FeedId;
use crate::payer::Payer;

// Seen to fail when a channel over the limit is made and its readers are refused afterwards.
#[test]
fn what_a_stranger_asks_for_beyond_the_limit_is_never_made_and_nothing_of_it_stays() {
    let mut scene = Scene::new(Options { max_channels: 16, ..Options::default() });
    let first = scene.open(&name("first"), None);
    let stranger = Payer::of(1);
    let open = |scene: &Scene, number: usize| scene.core.open(name(&format!("c{number}")), None, 0, stranger);
    let held: Vec<_> = (0..1000).filter_map(|number| open(&scene, number).ok()).collect();
    scene.rest();
    assert_eq!((held.len(), scene.desired.len(), scene.registry.directory.len()), (13, 14, 14));
    assert!(open(&scene, 5000).is_err_and(|error| error.to_string().contains("as many channels")));
    // Others find the places that the stranger cannot have.
    let second = scene.open(&name("second"), None);
    scene.rest();
    assert_eq!(scene.core.is_open(first.0, &first.1), Ok(true));
    assert_eq!(scene.core.is_open(second.0, &second.1), Ok(true));
    // What the stranger leaves behind is in nobody's way.
    held.iter().for_each(|(view, cursor)| scene.core.close(*view, cursor));
    let others: Vec<_> = (0..12).map(|number| scene.open(&name(&format!("other{number}")), None)).collect();
    scene.rest();
    assert!(others.iter().all(|(view, cursor)| scene.core.is_open(*view, cursor) == Ok(true)));
    assert_eq!(scene.registry.directory.len(), 16);
}

// Seen to fail when a refused channel lingers, and when it is compared.
#[test]
fn a_channel_that_is_refused_is_asked_about_by_nobody_and_goes_with_its_last_reader() {
    let mut scene = Scene::new(Options::default());
    let refuse = |scene: &mut Scene, text: &str| {
        let (channels, detail) = (vec![name(text)], "NOPERM".to_owned());
        let batch = FeedBatch::of(FeedId::FIRST, [FeedEvent::Connected, FeedEvent::Refused { channels, detail }]);
        scene.registry.on_feed(batch, scene.now);
    };
    // The store is not asked: its link is not tended.
    let turn = |scene: &mut Scene| {
        let mut touched = Vec::new();
        scene.hub.take_touched(&mut touched);
        scene.registry.on_touched(&touched, scene.now);
        scene.registry.on_time(scene.now);
        scene.registry.end_turn(scene.now).len()
    };
    let (view, cursor) = scene.open(&name("read"), None);
    let (left, gone) = scene.open(&name("left"), None);
    assert_eq!(turn(&mut scene), 0);
    scene.core.close(left, &gone);
    turn(&mut scene);
    ["read", "left"].into_iter().for_each(|text| refuse(&mut scene, text));
    assert_eq!(scene.registry.directory.len(), 1, "nobody reads the other one any more");
    for _ in 0..40 {
        scene.now += Options::default().reconcile_interval / 20;
        assert_eq!(turn(&mut scene), 0, "nothing is there to be compared");
    }
    scene.core.sync(|_, _| {}, |_| {});
    assert!(scene.core.is_open(view, &cursor).is_err_and(|why| why.to_string().contains("NOPERM")));
    scene.core.close(view, &cursor);
    turn(&mut scene);
    assert_eq!((scene.registry.directory.len(), scene.desired.len()), (0, 0));
}

// Seen to fail when a closed channel leaves its timers and its turn to be compared behind.
#[test]
fn channels_that_come_and_go_leave_nothing_behind() {
    let mut scene = Scene::new(Options { max_channels: 4, ..Options::default() });
    for number in 0..5_000 {
        let (view, cursor) = scene.open(&name(&format!("c{number}")), None);
        scene.core.close(view, &cursor);
        if number % 4 == 0 {
            scene.rest();
        }
    }
    scene.rest();
    assert_eq!((scene.registry.directory.len(), scene.desired.len()), (4, 4));
    let (timers, turns, pages) = scene.registry.resources.left_behind();
    assert!(timers < 2_000 && turns < 2_000 && pages == 0, "{timers} timers, {turns} turns, {pages} pages");
}

// Seen to fail when a closed log says itself who wanted pages of it: what was wanted is forgotten with the last reader.
#[test]
fn readers_that_go_while_they_wait_for_a_page_leave_no_turn_behind() {
    let mut scene = Scene::new(Options { max_channels: 4, ..narrow(1) });
    let mut most = 0;
    for number in 0..200 {
        let channel = name(&format!("c{number}"));
        let start = Start::At(Position::At(scene.publish(&channel, 20)));
        let readers: Vec<_> =
            [1, 2].map(|payer| scene.core.open(&channel, Some(start), 0, Payer::of(payer)).unwrap()).into();
        scene.rest();
        readers.into_iter().for_each(|mut reader| {
            scene.read(&mut reader);
            scene.turn().into_iter().for_each(|command| _ = scene.answer(command));
            scene.core.close(reader.0, &reader.1);
        });
        scene.rest();
        most = most.max(scene.registry.resources.left_behind().2);
    }
    assert!((1..=2 * 4).contains(&most), "{most} turns of four channels and two payers");
}

#[test]
fn a_reader_that_comes_back_while_its_channel_lingers_costs_nothing_and_a_later_one_does() {
    let linger = Duration::from_secs(3);
    let mut scene = Scene::new(Options { linger, ..Options::default() });
    scene.publish(&name("a"), 1);
    let come = |scene: &mut Scene| {
        let before = scene.subscriptions;
        let reader = scene.open(&name("a"), None);
        let reads = scene.rest();
        assert_eq!(scene.core.is_open(reader.0, &reader.1), Ok(true));
        scene.core.close(reader.0, &reader.1);
        scene.rest();
        (scene.subscriptions - before, reads)
    };
    assert_eq!(come(&mut scene), (1, 1), "a new channel is subscribed to and primed by one tip");
    scene.now += linger / 3 * 2;
    assert_eq!(come(&mut scene), (0, 0));
    scene.now += linger / 2;
    scene.rest();
    assert!(scene.desired.contains(&name("a")), "the time counts from the last reader");
    scene.now += linger / 2;
    scene.rest();
    assert!(!scene.desired.contains(&name("a")));
    assert_eq!(come(&mut scene), (1, 1));
}

// Seen to fail when the answer is kept: after a failover the stream may have entries again that had been trimmed.
#[test]
fn where_the_newest_entries_begin_is_asked_once_and_again_after_the_link_was_lost() {
    let mut scene = Scene::new(Options { tail_entries: 1, ..Options::default() });
    scene.publish(&name("a"), 5);
    let _first = scene.open(&name("a"), None);
    scene.rest();
    let asked = |scene: &mut Scene| {
        let (view, mut cursor) = scene.open(&name("a"), Some(Start::Newest(3)));
        scene.core.sync(|_, _| {}, |_| {});
        scene.core.resolve_start(view, &mut cursor);
        let mut asked = 0;
        for command in scene.turn() {
            if let Command::Newest { key, name, count } = command {
                asked += 1;
                scene.registry.on_newest(key, scene.store.newest_now(&name, count), scene.now);
            }
        }
        asked
    };
    assert_eq!((asked(&mut scene), asked(&mut scene)), (1, 0));
    let lost = FeedBatch::of(FeedId::FIRST, [FeedEvent::Disconnected]);
    scene.registry.on_feed(lost, scene.now);
    assert_eq!((asked(&mut scene), asked(&mut scene)), (1, 0));
}

// Seen to fail when closed channels take part in the sweeps: the fewer are left, the longer the last one waits.
#[test]
fn a_channel_is_compared_within_its_interval_however_many_others_have_closed() {
    let mut scene = Scene::new(Options { linger: Duration::ZERO, ..Options::default() });
    let others: Vec<_> = (0..200).map(|number| scene.open(&name(&format!("c{number}")), None)).collect();
    scene.rest();
    scene.publish(&name("last"), 1);
    let _reader = scene.open(&name("last"), None);
    scene.rest();
    others.iter().for_each(|(view, cursor)| scene.core.close(*view, cursor));
    scene.rest();
    let mut asked = 0;
    let until = scene.now + Options::default().reconcile_interval * 5 / 4;
    while scene.now < until {
        scene.now += STEP * 10;
        for command in scene.turn() {
            let Command::Tips { names, .. } = &command else { panic!("nobody asked for {command:?}") };
            assert_eq!(*names, [name("last")]);
            asked += 1;
            scene.answer(command);
        }
    }
    assert!(asked > 0, "the only channel was not compared for an interval");
}
