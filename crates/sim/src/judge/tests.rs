//! What the judge says of single stories, and what the record takes positions for.

use fanfare_protocol::{EntryId, Epoch, Position};

use super::*;
use crate::truth::Truth;

fn id(ms: u64) -> EntryId {
    EntryId { ms, seq: 0 }
}

/// The entries 1 to 5, of which the first three are gone.
fn trimmed() -> Truth {
    let truth = Truth::default();
    (1..=5).for_each(|n| truth.append("a", id(n), Some(n.to_string()), n));
    (1..=3).for_each(|n| truth.lose("a", id(n)));
    truth
}

/// What is wrong when a client at `at` is told of a gap after `after`, and of the entries 4 and 5.
fn breaches(truth: &Truth, at: u64, after: Option<u64>, reason: &str) -> Vec<String> {
    let places = |n: u64| truth.places("a", Position::At(id(n)), 9);
    let event = |n: u64| Sight::Event { data: n.to_string(), id: None };
    let next = Some(id(4).to_string());
    let gap = Sight::Gap { reason: reason.into(), after: after.map(places), next, resume: None };
    judge(&[Sight::Connected, Sight::Primed(places(at)), gap, event(4), event(5)], &truth.history("a"), true).breaches
}

// Seen to fail when the place that a gap names is not looked at.
#[test]
fn a_gap_names_the_place_where_the_client_is() {
    let truth = trimmed();
    assert!(breaches(&truth, 2, Some(2), "trimmed").is_empty());
    for after in [Some(1), Some(3), None] {
        assert_eq!(breaches(&truth, 2, after, "trimmed").len(), 1, "after {after:?}");
    }
    truth.retract("a", id(3));
    assert!(breaches(&truth, 2, Some(3), "trimmed").is_empty(), "nothing is left between");
    assert!(breaches(&truth, 3, Some(2), "trimmed").is_empty(), "nothing is left between");
}

// Seeds 1002067 and 1083455. Seen to fail when a later life has no place for who knows of an absence only.
#[test]
fn who_knows_that_there_was_no_stream_goes_on_from_there_in_any_later_life() {
    let truth = Truth::default();
    truth.append("a", id(1), Some("1".into()), 1);
    truth.lose("a", id(1));
    let absence = truth.places("a", Position::Absent { at_ms: 5, epoch: Epoch::from_bits(1) }, 9);
    truth.rewrite("a", None);
    [6, 7].into_iter().for_each(|n| truth.append("a", id(n), Some(n.to_string()), n));
    let missed = |data: &[&str]| {
        let events = data.iter().map(|data| Sight::Event { data: (*data).into(), id: None });
        let story: Vec<_> = [Sight::Connected, Sight::Primed(absence.clone())].into_iter().chain(events).collect();
        judge(&story, &truth.history("a"), true).breaches
    };
    assert!(missed(&["6", "7"]).is_empty());
    assert!(missed(&["7"])[0].contains("after 1 entries that are missing"));
}

// Seen to fail when whoever has seen all of a life may go on in the next.
#[test]
fn who_has_seen_what_a_failover_lost_is_told() {
    let truth = Truth::default();
    (1..=3).for_each(|n| truth.append("a", id(n), Some(n.to_string()), n));
    let seen = truth.places("a", Position::At(id(3)), 9);
    (1..=3).for_each(|n| truth.lose("a", id(n)));
    truth.rewrite("a", Some(Place { life: 0, behind: 2, absent: None }));
    truth.append("a", id(9), Some("9".into()), 9);
    for data in [&["9"][..], &["1", "2", "9"]] {
        let events = data.iter().map(|data| Sight::Event { data: (*data).into(), id: None });
        let story: Vec<_> = [Sight::Connected, Sight::Primed(seen.clone())].into_iter().chain(events).collect();
        assert_eq!(judge(&story, &truth.history("a"), true).breaches.len(), 1);
    }
}

// Seen to fail when an absence counts as a place behind what had been there.
#[test]
fn a_reset_may_bring_a_deleted_stream_back_to_who_knows_of_its_absence_only() {
    let truth = Truth::default();
    truth.append("a", id(1), Some("1".into()), 1);
    truth.retract_all("a");
    truth.rewrite("a", Some(Place { life: 0, behind: 1, absent: None }));
    let absence = truth.places("a", Position::Absent { at_ms: 5, epoch: Epoch::from_bits(1) }, 9);
    let entry = truth.places("a", Position::At(id(1)), 9);
    let gap =
        Sight::Gap { reason: "reset".into(), after: Some(entry.clone()), next: Some(id(1).to_string()), resume: None };
    let event = Sight::Event { data: "1".into(), id: None };
    for (places, breaches) in [(absence, 0), (entry, 1)] {
        let story = [Sight::Connected, Sight::Primed(places), gap.clone(), event.clone()];
        assert_eq!(judge(&story, &truth.history("a"), true).breaches.len(), breaches);
    }
}

// Seen to fail when only the last setting of the clock is considered.
#[test]
fn an_absence_may_be_of_any_time_at_which_the_clock_said_so() {
    let truth = Truth::default();
    truth.append("a", id(100), Some("a".into()), 100);
    truth.append("a", id(200), Some("b".into()), 200);
    truth.clock_was_set(210, 120);
    let behind = |at_ms| {
        let places = truth.places("a", Position::Absent { at_ms, epoch: Epoch::from_bits(1) }, 250);
        places.iter().map(|place| place.behind).collect::<Vec<_>>()
    };
    assert_eq!(behind(50), [0]);
    assert_eq!(behind(150), [1, 2]);
    assert_eq!(behind(250), [2]);
}
