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
    let mut scene = Scene::new(Options { budget: PAGE_BYTES * 3 / 2, ..narrow(1) });
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
