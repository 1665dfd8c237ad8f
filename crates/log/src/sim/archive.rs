//! Proofs and pages under random histories, without any node: whatever they let pass must be the true continuation.

use std::time::Duration;

use fanfare_protocol::{EntryId, Position};

use super::scenario::run_with;
use super::world::{CALM, Weather, World};
use crate::archive::ReadRequest;
use crate::pages::{Page, Pages};
use crate::proof::{Verdict, id_of, prove};

const CHANNEL: usize = 0;

/// Positions that a client may hold: everything that ever was one.
#[derive(Default)]
struct Held(Vec<Position>);

impl Held {
    fn note(&mut self, world: &World) {
        let position = world.store.tip_now(&world.names[CHANNEL]).unwrap().position;
        if !self.0.contains(&position) {
            self.0.push(position);
        }
    }
}

fn request(world: &mut World, after: Position) -> ReadRequest {
    let max_entries = 1 + world.rng.below(5);
    ReadRequest { channel: world.names[CHANNEL].clone(), after, max_entries, max_bytes: 1 << 20 }
}

fn happen(world: &mut World, held: &mut Held) {
    match world.rng.below(20) {
        0..9 => world.publish(CHANNEL),
        9..11 if world.weather.plain => world.publish_plain(CHANNEL),
        11..15 if world.weather.destruction => world.destroy(CHANNEL),
        15..17 => world.pass(Duration::from_millis(1)),
        17 => world.pass(Duration::from_secs(25)),
        _ => {}
    }
    held.note(world);
}

const WEATHERS: [Weather; 3] = [
    Weather { destruction: true, plain: true, ..CALM },
    Weather { destruction: true, expiry: true, ..CALM },
    Weather { plain: true, ..CALM },
];

#[test]
fn a_proof_never_passes_over_anything() {
    for weather in WEATHERS {
        run_with(150, weather, |world| {
            let mut held = Held::default();
            for _ in 0..60 {
                happen(world, &mut held);
                for &position in &held.0 {
                    let request = request(world, position);
                    let snapshot = world.store.read_now(&request).unwrap();
                    if prove(position, &snapshot) == Verdict::Continues {
                        let ids: Vec<_> = snapshot.entries.iter().map(id_of).collect();
                        world.truths[CHANNEL].assert_run(position, &after(position, ids), snapshot.complete);
                    }
                }
            }
        });
    }
}

#[test]
fn without_destruction_every_position_that_ever_was_continues() {
    run_with(100, CALM, |world| {
        let mut held = Held::default();
        for _ in 0..60 {
            happen(world, &mut held);
            for &position in held.0.iter().filter(|position| matches!(position, Position::At(_))) {
                let request = request(world, position);
                let snapshot = world.store.read_now(&request).unwrap();
                assert_eq!(prove(position, &snapshot), Verdict::Continues, "{position}");
            }
        }
    });
}

#[test]
fn pages_give_any_reader_what_the_stream_would_or_nothing() {
    for weather in WEATHERS {
        run_with(150, weather, |world| {
            let mut held = Held::default();
            let mut pages = Pages::default();
            for _ in 0..60 {
                happen(world, &mut held);
                if world.rng.chance(40) {
                    let position = held.0[world.rng.below(held.0.len())];
                    let request = request(world, position);
                    let snapshot = world.store.read_now(&request).unwrap();
                    pages.agree(snapshot.tip.position);
                    let page = Page::new(pages.allocate(), &request.channel, position, &snapshot);
                    if !page.is_fleeting() {
                        pages.insert(page);
                    }
                }
                check_pages(world, &pages, &held);
            }
        });
    }
}

fn check_pages(world: &World, pages: &Pages, held: &Held) {
    let truth = &world.truths[CHANNEL];
    for &position in &held.0 {
        let Some(served) = pages.serve(position) else { continue };
        let ids: Vec<_> = served.entries().iter().map(|entry| entry.id).collect();
        if served.seam.is_none() {
            assert!(!ids.is_empty() || served.skip().is_some(), "a page with nothing to say to {position}");
            truth.assert_run(position, &ids, false);
            if let Some(Position::At(end)) = served.skip() {
                truth.assert_run(position, &[end], false);
            }
        }
        // After a gap, too, what follows is one run.
        if let Some((first, rest)) = ids.split_first() {
            truth.assert_run(Position::At(*first), rest, false);
        }
    }
}

/// A range is inclusive.
fn after(position: Position, ids: Vec<EntryId>) -> Vec<EntryId> {
    ids.into_iter().filter(|id| !matches!(position, Position::At(after) if *id <= after)).collect()
}
