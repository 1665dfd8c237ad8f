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

/// Entries of one life: 1 to `last`, of which nothing is left in the stream.
fn over(last: u64) -> Truth {
    let truth = Truth::default();
    (1..=last).for_each(|n| truth.append("a", id(n), Some(n.to_string()), n));
    (1..=last).for_each(|n| truth.lose("a", id(n)));
    truth
}

/// What is wrong when a client at this place of the first life sees these entries, and of no gap.
fn silent(truth: &Truth, behind: usize, data: &[&str]) -> Vec<String> {
    let place = Place { life: 0, behind, absent: false };
    let events = data.iter().map(|data| Sight::Event { data: (*data).into(), id: None });
    let story: Vec<_> = [Sight::Connected, Sight::Primed(vec![place])].into_iter().chain(events).collect();
    judge(&story, &truth.history("a"), true).breaches
}

// Nothing is missing for it, also where a node would have to say `$gap`. Seen to fail when no way leads from one life to the next.
#[test]
fn a_reader_goes_on_behind_a_flush_if_it_has_had_everything() {
    let truth = over(2);
    truth.rewrite("a", None);
    truth.append("a", id(1), Some("3".into()), 1);
    assert!(silent(&truth, 2, &["3"]).is_empty());
    assert!(silent(&truth, 1, &["3"])[0].contains("after 1 entries that are missing"));
}

// What a failover lost is not over: whoever saw it is told. Seen to fail when every life is taken for over.
#[test]
fn a_reader_does_not_go_on_behind_a_failover_that_lost_what_it_had() {
    let truth = Truth::default();
    truth.append("a", id(1), Some("1".into()), 1);
    truth.rewrite("a", None);
    truth.append("a", id(3), Some("3".into()), 3);
    assert_eq!(silent(&truth, 1, &["3"]).len(), 1);
}

// Seen to fail when the beginning of a life may be what an earlier one had.
#[test]
fn what_comes_back_with_a_failover_is_not_given_twice_in_silence() {
    let truth = over(3);
    truth.rewrite("a", Some(Place { life: 0, behind: 2, absent: false }));
    truth.append("a", id(9), Some("9".into()), 9);
    assert_eq!(silent(&truth, 3, &["1", "2", "9"]).len(), 1);
}

// Seen to fail when an absence counts as a place behind what had been there.
#[test]
fn a_reset_may_bring_a_deleted_stream_back_to_who_knows_of_its_absence_only() {
    let truth = Truth::default();
    truth.append("a", id(1), Some("1".into()), 1);
    truth.retract_all("a");
    truth.rewrite("a", Some(Place { life: 0, behind: 1, absent: false }));
    let absence = truth.places("a", Position::Empty { at_ms: 5, epoch: Epoch::from_bits(1) }, 9);
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
        let places = truth.places("a", Position::Empty { at_ms, epoch: Epoch::from_bits(1) }, 250);
        places.iter().map(|place| place.behind).collect::<Vec<_>>()
    };
    assert_eq!(behind(50), [0]);
    assert_eq!(behind(150), [1, 2]);
    assert_eq!(behind(250), [2]);
}
