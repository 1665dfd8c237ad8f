//! Rounds against the rule that they keep: who waited for a change when it was noted is woken once, in pieces of any size.
//!
//! Seen to fail when a change in the middle of a round ends it where it would have ended, when it begins the round anew from
//! the first slot (those behind wait for ever), and when a slot that is added does not lengthen the round.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn woken(set: &mut CursorSet, grown: bool) -> Vec<u32> {
    let mut woken = Vec::new();
    set.note(grown);
    set.wake(usize::MAX, |reader| woken.push(reader.session));
    woken
}

#[test]
fn a_page_wakes_those_who_wait_for_one_and_an_event_wakes_everybody_once() {
    let mut set = CursorSet::default();
    let (live, behind, _busy) = (set.insert(1.into()), set.insert(2.into()), set.insert(3.into()));
    set.arm(live);
    set.arm_for_archive(behind);
    assert_eq!(woken(&mut set, false), [2]);
    assert!(woken(&mut set, false).is_empty());
    set.arm_for_archive(behind);
    assert_eq!(woken(&mut set, true), [1, 2]);
    assert!(woken(&mut set, true).is_empty());
}

#[test]
fn events_that_keep_coming_do_not_keep_those_behind_waiting() {
    let mut set = CursorSet::default();
    let slots: Vec<u32> = (0..100).map(|session| set.insert(session.into())).collect();
    let mut last = [0; 100];
    for turn in 1..=100 {
        // Who was woken reads and is armed again before the next turn.
        slots.iter().for_each(|slot| set.arm(*slot));
        set.note(true);
        set.wake(10, |reader| last[reader.session as usize] = turn);
    }
    assert!(last.iter().all(|last| *last > 90), "{last:?}");
}

#[test]
fn a_slot_is_small_because_every_channel_of_every_session_has_one() {
    assert_eq!(size_of::<Slot>(), 8);
}

#[derive(Debug, Clone)]
enum Step {
    Insert,
    Remove(prop::sample::Index),
    Arm(prop::sample::Index, bool),
    Note(bool),
    Wake(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        3 => Just(Step::Insert),
        1 => index().prop_map(Step::Remove),
        6 => (index(), any::<bool>()).prop_map(|(index, archive)| Step::Arm(index, archive)),
        2 => any::<bool>().prop_map(Step::Note),
        4 => (1usize..5).prop_map(Step::Wake),
    ]
}

#[derive(Debug, Default)]
struct Model {
    /// Slot and session of each reader.
    readers: Vec<(u32, u32)>,
    /// Those who were armed, by session, and whether for the archive.
    armed: Vec<(u32, bool)>,
    /// Those who were armed for what was noted and have not been woken since.
    due: BTreeSet<u32>,
}

impl Model {
    fn apply(&mut self, set: &mut CursorSet, step: &Step, session: u32) {
        match step {
            Step::Insert => self.readers.push((set.insert(session.into()), session)),
            Step::Remove(index) if !self.readers.is_empty() => {
                let (slot, session) = self.readers.swap_remove(index.index(self.readers.len()));
                set.remove(slot);
                set.remove(slot);
                self.forget(session);
            }
            Step::Arm(index, archive) if !self.readers.is_empty() => {
                let (slot, session) = self.readers[index.index(self.readers.len())];
                if *archive {
                    set.arm_for_archive(slot);
                } else {
                    set.arm(slot);
                }
                // A session that is due looks at everything when it arms again.
                self.forget(session);
                self.armed.push((session, *archive));
            }
            Step::Remove(_) | Step::Arm(..) => {}
            Step::Note(grown) => {
                set.note(*grown);
                self.due
                    .extend(self.armed.iter().filter(|(_, archive)| *archive || *grown).map(|(session, _)| *session));
            }
            Step::Wake(most) => {
                let mut woken = Vec::new();
                assert_eq!(set.wake(*most, |reader| woken.push(reader.session)), woken.len());
                assert!(woken.len() <= *most);
                for session in woken {
                    assert!(self.armed.iter().any(|(armed, _)| *armed == session), "{session} waits for nothing");
                    self.forget(session);
                }
            }
        }
    }

    fn forget(&mut self, session: u32) {
        self.armed.retain(|(armed, _)| *armed != session);
        self.due.remove(&session);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_000) })]

    #[test]
    fn every_reader_that_waits_for_a_change_is_woken_by_the_end_of_the_round(
        steps in proptest::collection::vec(step(), 0..120),
    ) {
        let (mut set, mut model) = (CursorSet::default(), Model::default());
        for (session, step) in (0..).zip(&steps) {
            model.apply(&mut set, step, session);
            prop_assert_eq!(set.len(), model.readers.len());
        }
        model.apply(&mut set, &Step::Wake(usize::MAX), 0);
        prop_assert!(model.due.is_empty() && !set.is_waking(), "{:?} were left out", model.due);
    }
}
