//! Pages of which a session has sent a part of an entry.

use super::super::*;
use super::scene::{PAGE_BYTES, Scene, name, narrow};
use crate::core_log::ViewKey;
use crate::cursor::Cursor;
use crate::pages::PagePin;
use crate::payer::Payer;
use crate::view::Next;

/// What a session does that has sent a part of the entry that comes next: the cursor stays. `None`: there is no page for it.
fn pin(scene: &Scene, (view, cursor): &mut (ViewKey, Cursor)) -> Option<PagePin> {
    scene.core.sync(|_, _| {}, |_| {});
    scene.core.next(*view, cursor, |_, _, next| match next {
        Next::Page(served) => Some(PagePin::of(&served.page)),
        _ => None,
    })
}

/// More than the budget holds is published elsewhere, and what is wanted is read.
fn press(scene: &mut Scene) {
    scene.publish(&name("other"), 12);
    for command in scene.turn() {
        scene.answer(command);
    }
    scene.turn();
    scene.registry.assert_accounts();
}

// Seen to fail when a page that was taken once may go, and when a pin outlives its session.
#[test]
fn a_page_stays_while_a_session_is_in_the_middle_of_an_entry_and_no_longer() {
    let mut scene = Scene::new(Options { budget: PAGE_BYTES * 3, ..narrow(1) });
    let mut reader = scene.readers(1, 100).remove(0);
    scene.publish(&name("other"), 1);
    let _other = scene.core.open(name("other"), None, 0, Payer::of(2)).unwrap();
    scene.rest();
    let reads = |scene: &Scene| scene.registry.resources.stats.page_reads.get();
    assert!(pin(&scene, &mut reader).is_none());
    press(&mut scene);
    let mut pinned = pin(&scene, &mut reader);
    assert!(pinned.is_some());
    for _ in 0..20 {
        press(&mut scene);
        // The client takes another piece.
        pinned = pin(&scene, &mut reader).or_else(|| panic!("the page is gone"));
    }
    assert_eq!(reads(&scene), 1);
    drop(pinned);
    press(&mut scene);
    assert!(pin(&scene, &mut reader).is_none(), "it is in nobody's way any more");
    press(&mut scene);
    assert_eq!(reads(&scene), 2);
}

// Seen to fail when as many as may be read at a time are spared however large they are, and when what is spared takes the place of the
// newest.
#[test]
fn what_is_published_stays_in_memory_although_pinned_pages_are_larger_than_all_of_it() {
    let mut scene = Scene::new(Options { budget: PAGE_BYTES * 5 / 2, ..narrow(4) });
    let mut readers = scene.readers(4, 100);
    scene.publish(&name("live"), 1);
    let _live = scene.open(&name("live"), None);
    scene.rest();
    assert!(readers.iter_mut().all(|reader| pin(&scene, reader).is_none()));
    for command in scene.turn() {
        scene.answer(command);
    }
    let pins: Vec<_> = readers.iter_mut().filter_map(|reader| pin(&scene, reader)).collect();
    assert_eq!(pins.len(), 4);
    scene.publish(&name("live"), 1);
    scene.turn();
    let live = scene.registry.directory.named(&name("live")).unwrap();
    assert_eq!(live.channel.lock().tail.as_ref().unwrap().len(), 1);
    assert!(pin(&scene, &mut readers[0]).is_some(), "the first of them stays");
    assert!(pin(&scene, &mut readers[1]).is_none());
    scene.registry.assert_accounts();
}

// Seen to fail when pinned pages may have all of the room.
#[test]
fn pinned_pages_leave_half_of_the_room_of_pages_to_those_that_readers_share() {
    // Room for eight pages.
    let mut scene = Scene::new(Options { budget: PAGE_BYTES * 8 * 8, archive_bytes_per_second: 1 << 30, ..narrow(1) });
    let mut readers = scene.readers(12, 20);
    let mut pins = Vec::new();
    for (number, reader) in readers.iter_mut().enumerate() {
        assert!(pin(&scene, reader).is_none());
        for command in scene.turn() {
            scene.answer(command);
        }
        // The last two have nothing half out.
        pins.extend(pin(&scene, reader).filter(|_| number < 10));
        scene.turn();
    }
    assert_eq!(pins.len(), 10);
    let mut is_kept = |number: usize| pin(&scene, &mut readers[number]).is_some();
    assert!(is_kept(0), "the first that is pinned");
    assert!(!is_kept(5), "one for which there is no room");
    assert!(is_kept(10) && is_kept(11), "those that are shared");
}
