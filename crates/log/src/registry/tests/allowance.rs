//! What may be read for readers who are behind: bytes in a second, and bytes that stay.

use std::time::Duration;

use fanfare_protocol::Position;

use super::super::*;
use super::scene::{PAGE_BYTES, PER_SECOND, STEP, Scene, name, narrow};
use crate::archive::ArchiveError;
use crate::cursor::Start;

#[test]
fn readers_who_are_behind_cause_no_more_bytes_to_be_read_than_the_rate_allows() {
    let mut scene = Scene::new(narrow(8));
    let mut readers = scene.readers(8, 100);
    let (mut bytes, mut steps) = (0, 0);
    while steps < 1000 {
        scene.core.sync(|_, _| {}, |_| {});
        readers.iter_mut().for_each(|reader| scene.read(reader));
        // All reads of a turn are started before the first is answered.
        let commands = scene.turn();
        bytes +=
            commands.into_iter().filter_map(|command| scene.answer(command)).map(|(bytes, _)| bytes).sum::<usize>();
        // A second's worth is saved up at the beginning, and the last page may cost more than what is left.
        let allowed = PER_SECOND + PER_SECOND * steps / 100 + PAGE_BYTES;
        assert!(bytes <= allowed, "{bytes} bytes after {steps} steps, not {allowed}");
        scene.now += STEP;
        steps += 1;
    }
    assert!(bytes >= 8 * PER_SECOND, "only {bytes} bytes in ten seconds");
}

// Seen to fail when the refill of the allowance is waited for although no read may start: a deadline that lies in the past, so that
// the ingest takes one turn after the other until Redis answers.
#[test]
fn while_as_many_reads_as_may_be_are_in_flight_nothing_is_due_until_one_is_answered() {
    let mut scene = Scene::new(narrow(4));
    let mut readers = scene.readers(8, 100);
    let is_page = |command: &Command| matches!(command, Command::Page { .. });
    scene.core.sync(|_, _| {}, |_| {});
    readers.iter_mut().for_each(|reader| scene.read(reader));
    let in_flight = scene.turn();
    assert_eq!(in_flight.iter().filter(|command| is_page(command)).count(), 4);
    // What they have reserved has been earned again.
    scene.now += Duration::from_secs(1);
    assert!(!scene.turn().iter().any(is_page));
    assert!(scene.registry.deadline() > scene.now);
    for command in in_flight {
        scene.answer(command);
    }
    assert!(scene.turn().iter().any(is_page));
}

// Seen to fail when reads of where the newest entries begin are free.
#[test]
fn newest_entries_cause_no_more_bytes_to_be_read_than_the_rate_allows() {
    let mut scene = Scene::new(narrow(8));
    let names: Vec<_> = (0..8).map(|number| name(&format!("c{number}"))).collect();
    names.iter().for_each(|name| _ = scene.publish(name, 20));
    let _live: Vec<_> = names.iter().map(|name| scene.open(name, None)).collect();
    scene.rest();
    let (mut bytes, mut asked) = (0, 0);
    for step in 0..500 {
        // Each time of a number that nobody has asked for.
        let open = |name| scene.open(name, Some(Start::Newest(1 + step % 19)));
        let mut readers: Vec<_> = names.iter().map(open).collect();
        scene.core.sync(|_, _| {}, |_| {});
        readers.iter_mut().for_each(|(view, cursor)| _ = scene.core.resolve_start(*view, cursor));
        for command in scene.turn() {
            if let Command::Newest { key, name, count } = command {
                let read = scene.store.newest_now(&name, count).unwrap();
                bytes += read.bytes;
                asked += 1;
                scene.registry.on_newest(key, Ok(read), scene.now);
            }
        }
        readers.iter().for_each(|(view, cursor)| scene.core.close(*view, cursor));
        // What follows moves the head: the answers are forgotten.
        if step % 10 == 0 {
            names.iter().for_each(|name| _ = scene.publish(name, 1));
        }
        let allowed = PER_SECOND + PER_SECOND * step as usize / 100 + 8 * 20 * 4_000;
        assert!(bytes <= allowed, "{bytes} bytes after {step} steps, not {allowed}");
        scene.now += STEP;
    }
    assert!(asked > 8 && bytes > 2 * PER_SECOND, "{asked} reads of {bytes} bytes");
}

// Seen to fail when only a page that is of use, or that failed, gives back what was reserved: four of these end all reading.
#[test]
fn a_page_whose_log_is_gone_gives_back_what_was_reserved_for_it() {
    let mut scene = Scene::new(narrow(1));
    for number in 0..20 {
        let channel = name(&format!("c{number}"));
        let first = scene.publish(&channel, 20);
        let mut reader = scene.open(&channel, Some(Start::At(Position::At(first))));
        scene.rest();
        scene.core.sync(|_, _| {}, |_| {});
        scene.read(&mut reader);
        let commands = scene.turn();
        let [Command::Page { key, .. }] = commands[..] else { panic!("{number}: {commands:?}") };
        scene.registry.close(key);
        scene.registry.on_page(key, Err(ArchiveError::Unavailable("no link".into())), scene.now);
    }
}

// Seen to fail when all that was reserved is given back: Redis reads for them as fast as pages fail.
#[test]
fn pages_that_do_not_arrive_are_charged_what_was_reserved_for_them() {
    let mut scene = Scene::new(narrow(8));
    let mut readers = scene.readers(8, 100);
    let (mut asked, mut steps) = (0, 0);
    while steps < 1000 {
        scene.core.sync(|_, _| {}, |_| {});
        readers.iter_mut().for_each(|reader| scene.read(reader));
        for command in scene.turn() {
            match command {
                Command::Page { key, .. } => {
                    asked += 1;
                    scene.registry.on_page(key, Err(ArchiveError::Timeout), scene.now);
                    // A new subscription ends the wait.
                    scene.lose_link();
                }
                other => _ = scene.answer(other),
            }
        }
        scene.now += STEP;
        steps += 1;
        let allowed = (PER_SECOND + PER_SECOND * steps / 100) / PAGE_BYTES + 1;
        assert!(asked <= allowed, "{asked} pages after {steps} steps, not {allowed}");
    }
    assert!(asked >= 30, "only {asked} pages in ten seconds");
}

// Seen to fail when pages may have the whole budget: one reader fills it.
#[test]
fn pages_that_were_read_stay_within_their_part_of_the_budget() {
    let budget = 4 << 20;
    let mut scene = Scene::new(Options { budget, page_bytes: PAGE_BYTES, ..Options::default() });
    let mut readers = scene.readers(1, 2000);
    let (mut bytes, mut most) = (0, 0);
    for _ in 0..1000 {
        scene.core.sync(|_, _| {}, |_| {});
        readers.iter_mut().for_each(|reader| scene.read(reader));
        let commands = scene.turn();
        most = most.max(scene.registry.resources.stats.tail_bytes.get());
        bytes +=
            commands.into_iter().filter_map(|command| scene.answer(command)).map(|(bytes, _)| bytes).sum::<usize>();
        scene.registry.assert_accounts();
    }
    assert!(bytes > budget, "{bytes} bytes were read");
    assert!(most <= (budget / 8 + 2 * PAGE_BYTES) as u64, "{most} bytes stayed");
}
