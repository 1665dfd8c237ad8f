//! What the judge says where time, lost answers and several lives of a stream come together.

use super::{Finding, Judge, Standing, Step};
use crate::fact::{Fact, Place};
use crate::history::History;
use crate::{Gap, Ruling};

/// Entries 1-0 "e1" to 4-0 "e4"; a crash at 10 lost all but the first two; then 11-0 "e11".
fn rewritten() -> History {
    let mut history = entries(4);
    history.begin(facts(2), 10);
    history.insert(1, Fact::new("11-0", "e11"));
    history
}

fn event(id: &str, data: &str) -> Step {
    Step::Event { data: data.to_owned(), own_id: Some(id.to_owned()) }
}

fn gap(reason: &str, next: &str) -> Step {
    let (channel, reason, next) = ("c".to_owned(), reason.to_owned(), Some(next.to_owned()));
    Step::Gap(Gap { channel, reason, after: None, next, entry: None, own_id: None })
}

/// A gap with nothing after it yet, which carries this position.
fn gap_to(reason: &str, place: &str) -> Step {
    let (channel, reason, own_id) = ("c".to_owned(), reason.to_owned(), Some(place.to_owned()));
    Step::Gap(Gap { channel, reason, after: None, next: None, entry: None, own_id })
}

/// Entries 1-0 "e1" and so on.
fn facts(last: u64) -> impl Iterator<Item = Fact> {
    (1..=last).map(|id| Fact::new(&format!("{id}-0"), &format!("e{id}")))
}

fn entries(last: u64) -> History {
    let mut history = History::default();
    facts(last).for_each(|fact| history.insert(0, fact));
    history
}

/// Breaches and rulings of a client of one channel that begins at `place` at time 20.
fn judge(history: &mut History, place: &str, steps: &[Step]) -> (usize, Vec<Ruling>) {
    let steps: Vec<Step> = [Step::Place(place.to_owned())].iter().chain(steps).cloned().collect();
    judge_by(Judge::new(true, Standing::New), history, &steps)
}

fn judge_by(mut judge: Judge, history: &mut History, steps: &[Step]) -> (usize, Vec<Ruling>) {
    let (mut breaches, mut rulings) = (0, Vec::new());
    for step in steps {
        for finding in judge.take(history, step, Some(20)) {
            match finding {
                Finding::Breach(_) => breaches += 1,
                Finding::Ruled(_, ruling) => rulings.push(ruling),
                Finding::Event | Finding::Announced(_) => {}
            }
        }
    }
    (breaches, rulings)
}

// Seen to fail when a place in the common part of two lives counts in the later one only.
#[test]
fn from_the_common_part_a_client_may_read_what_was_lost_but_then_needs_a_gap() {
    let history = &mut rewritten();
    assert_eq!(judge(history, "2-0", &[event("11-0", "e11")]), (0, vec![]));
    let lost = [event("3-0", "e3"), event("11-0", "e11")];
    assert_eq!(judge(history, "2-0", &lost), (1, vec![]), "silently into the other life");
    let told = [event("3-0", "e3"), gap("reset", "11-0"), event("11-0", "e11")];
    assert_eq!(judge(history, "2-0", &told), (0, vec![Ruling::Rewritten]));
}

// Seen to fail when the event of a lost answer counts as one that nobody published.
#[test]
fn an_event_whose_publisher_got_no_answer_is_accepted_at_the_id_that_a_client_saw() {
    let history = &mut rewritten();
    assert_eq!(judge(history, "4-0", &[event("5-0", "e5")]).0, 1, "nobody has published it");
    history.doubt(0, "e5");
    assert_eq!(judge(history, "4-0", &[event("5-0", "e5")]).0, 0);
    assert_eq!(judge(history, "4-0", &[event("5-0", "e5"), event("11-0", "e11")]).0, 1, "it was lost since");
}

// Seen to fail when such an entry is put into the life in which its first attempt began.
#[test]
fn an_attempt_without_an_answer_may_arrive_when_the_stream_and_its_dedup_key_are_gone() {
    let history = &mut entries(2);
    history.doubt(0, "e2");
    history.begin([], 10);
    history.insert(1, Fact::new("13-0", "e13"));
    let steps = [gap("reset", "12-0"), event("12-0", "e2"), event("13-0", "e13")];
    assert_eq!(judge(history, "2-0", &steps), (0, vec![Ruling::Rewritten]));
    assert_eq!(judge(history, "2-0", &[event("12-0", "e2")]).0, 1, "in another life of the stream without a gap");
}

// Seen to fail when the newest life that has the client's place decides.
#[test]
fn a_deletion_of_which_clients_were_told_is_a_fact_even_if_it_was_undone_since() {
    let history = &mut entries(3);
    history.begin([], 10);
    history.insert(1, Fact::new("11-0", "e11"));
    history.begin(facts(3), 12);
    let told = [gap("reset", "11-0"), event("11-0", "e11")];
    assert_eq!(judge(history, "3-0", &told), (0, vec![Ruling::Rewritten]));
    let back = [gap("reset", "3-0"), event("3-0", "e3")];
    assert_eq!(judge(history, "11-0", &back), (0, vec![Ruling::Rewritten]));
}

// Seen to fail when the gap of an over-limit entry does not count as the entry that another gap announced.
#[test]
fn an_over_limit_entry_may_be_what_follows_a_gap() {
    let mut history = History::default();
    for id in [1, 2, 4] {
        history.insert(0, Fact::new(&format!("{id}-0"), &format!("e{id}")));
    }
    history.insert(0, Fact { too_large: true, ..Fact::new("3-0", "e3") });
    let over = Step::Gap(Gap {
        channel: "c".to_owned(),
        reason: "too_large".to_owned(),
        after: None,
        next: None,
        entry: Some("3-0".to_owned()),
        own_id: Some("3-0".to_owned()),
    });
    let steps = [gap("trimmed", "3-0"), over.clone(), event("4-0", "e4")];
    assert_eq!(judge(&mut history, "1-0", &steps), (0, vec![Ruling::TooLarge, Ruling::Trimmed]));
    assert_eq!(judge(&mut history, "1-0", &[over]).0, 1, "2-0 is missing");
}

// Seen to fail when observations of the stream are not asked.
#[test]
fn a_gap_over_entries_that_the_stream_still_had_is_false() {
    let mut history = entries(4);
    let steps = [gap("trimmed", "4-0"), event("4-0", "e4")];
    assert_eq!(judge(&mut history, "1-0", &steps), (0, vec![Ruling::Trimmed]));
    history.present_life_mut().observe(21, Some((2, 0)));
    assert_eq!(judge(&mut history, "1-0", &steps), (0, vec![Ruling::Wide]));
    let nothing = [gap("trimmed", "2-0"), event("2-0", "e2")];
    assert_eq!(judge(&mut history, "1-0", &nothing), (0, vec![Ruling::Unexplained]));
}

// Seen to fail when the end of an expired life counts as that of a deleted one, when the place of the client in it does not
// matter, when the two rulings are one, and when no stream is ended early, or every one.
#[test]
fn whoever_has_read_an_expired_stream_to_its_end_goes_on_and_others_need_a_gap() {
    let history = &mut entries(3);
    history.expire(10);
    history.insert(1, Fact::new("11-0", "e11"));
    let next = [event("11-0", "e11")];
    let told = [gap("reset", "11-0"), event("11-0", "e11")];
    assert_eq!(judge(history, "3-0", &next), (0, vec![]));
    assert_eq!(judge(history, "3-0", &told), (0, vec![Ruling::Renewed]));
    assert_eq!(judge(history, "2-0", &next), (1, vec![]), "3-0 was withheld");
    assert_eq!(judge(history, "2-0", &told), (0, vec![Ruling::Expired]));
    // A second life that expires holds what must be seen, too, unless somebody ended it before publishers may.
    for (lived, breaches) in [(60_000, 1), (59_999, 0)] {
        let history = &mut history.clone();
        history.expire_by_hand(11 + lived);
        history.insert(2, Fact::new("90000-0", "e90"));
        let judge = |steps: &[Step]| {
            let from_the_end = Judge::new(true, Standing::At(vec![Place { life: 0, id: (3, 0) }]));
            judge_by(from_the_end, &mut history.clone(), steps).0
        };
        assert_eq!(judge(&[event("90000-0", "e90")]), breaches, "11-0 was withheld");
        assert_eq!(judge(&[event("11-0", "e11"), event("90000-0", "e90")]), 0);
    }
    let deleted = &mut entries(3);
    deleted.begin([], 10);
    deleted.insert(1, Fact::new("11-0", "e11"));
    assert_eq!(judge(deleted, "3-0", &next), (1, vec![]), "what it had read was taken away");
}

// Seen to fail when every gap `lagging` is right, and when none is.
#[test]
fn a_client_may_be_skipped_ahead_only_when_what_comes_next_is_older_than_the_limit() {
    let judge_with = |limit: Option<u64>, steps: &[Step]| {
        let judge = Judge::new(true, Standing::At(vec![Place { life: 0, id: (1, 0) }]));
        let judge = if let Some(limit) = limit { judge.with_max_behind_ms(limit) } else { judge };
        judge_by(judge, &mut entries(5), steps)
    };
    let skipped = [gap_to("lagging", "4-0"), event("5-0", "e5")];
    assert_eq!(judge_with(Some(18), &skipped), (0, vec![Ruling::Lagging]), "2-0 is 18 ms old at 20");
    assert_eq!(judge_with(Some(19), &skipped), (0, vec![Ruling::Hasty]));
    assert_eq!(judge_with(None, &skipped), (0, vec![Ruling::Hasty]));
    let again = [gap_to("lagging", "4-0"), event("3-0", "e3")];
    assert_eq!(judge_with(Some(18), &again).0, 1, "the gap says that it goes on after 4-0");
}

// Seen to fail when only gaps that are followed by an entry are looked at.
#[test]
fn no_gap_takes_a_client_back_to_what_it_has_seen() {
    assert_eq!(judge(&mut entries(4), "3-0", &[gap_to("unknown_position", "2-0")]).0, 1);
    assert_eq!(judge(&mut entries(4), "3-0", &[gap_to("unknown_position", "3-0")]).0, 0);
    let lost_its_place = [Step::Connected(String::new()), gap_to("unknown_position", "2-0")];
    assert_eq!(
        judge(&mut entries(4), "3-0", &lost_its_place),
        (0, vec![Ruling::Unplaced]),
        "nobody knows where it was"
    );
    let kept_its_place = [Step::Connected("3-0".to_owned()), gap_to("unknown_position", "2-0")];
    assert_eq!(judge(&mut entries(4), "3-0", &kept_its_place).0, 1);
}

// Seen to fail when nothing is counted, when what the stream no longer had counts, when it counts although the stream lacked it
// while the client waited, and when a publish without an answer does not.
#[test]
fn whoever_asks_for_the_newest_entries_gets_as_many_as_there_were() {
    let begin = |history: &mut History, step: Step| {
        judge_by(Judge::new(true, Standing::New).with_newest(Some(3)), history, &[step]).0
    };
    let place = |id: &str| Step::Place(id.to_owned());
    let seen_from = |first: u64| {
        let mut history = entries(6);
        history.present_life_mut().observe(21, Some((first, 0)));
        history
    };
    assert_eq!(begin(&mut seen_from(1), place("3-0")), 0);
    assert_eq!(begin(&mut seen_from(1), event("4-0", "e4")), 0);
    assert_eq!(begin(&mut seen_from(1), place("4-0")), 1, "only two of three");
    assert_eq!(begin(&mut seen_from(1), event("5-0", "e5")), 1, "only two of three");
    assert_eq!(begin(&mut seen_from(5), place("4-0")), 0, "there were only two");
    // It asked at 15, and is told at 20: in between they were gone for a moment, as when a trim is undone by a crash.
    for (gone_at, breaches) in [(14, 1), (16, 0)] {
        let mut history = entries(6);
        history.present_life_mut().observe(gone_at, Some((5, 0)));
        history.present_life_mut().observe(21, Some((1, 0)));
        let mut judge = Judge::new(true, Standing::New).with_newest(Some(3));
        judge.take(&mut history, &Step::Connected(String::new()), Some(15));
        assert_eq!(judge_by(judge, &mut history, &[place("4-0")]).0, breaches, "gone at {gone_at}");
    }
    let mut doubtful = seen_from(1);
    doubtful.doubt(0, "e6");
    assert_eq!(begin(&mut doubtful, place("4-0")), 1, "that one is known");
    doubtful.doubt(0, "e7");
    assert_eq!(begin(&mut doubtful, place("4-0")), 0, "one may have come and gone");
}

// Seen to fail when what was not observed counts as observed, when it never counts, and when the successor is not asked.
#[test]
fn a_gap_is_unprovable_only_if_the_clients_entry_may_have_left_before_a_successor_that_does_not_name_it() {
    let ruled = |bare: bool, observed: &[(u64, u64)]| {
        let mut history = History::default();
        facts(2).for_each(|fact| history.insert(0, Fact { bare, ..fact }));
        observed.iter().for_each(|(at, first)| history.present_life_mut().observe(*at, Some((*first, 0))));
        let (breaches, rulings) = judge(&mut history, "1-0", &[gap("trimmed", "2-0"), event("2-0", "e2")]);
        assert_eq!((breaches, rulings.len()), (0, 1));
        rulings[0]
    };
    assert_eq!(ruled(true, &[]), Ruling::Unprovable, "nobody looked in time");
    assert_eq!(ruled(true, &[(19, 1)]), Ruling::Unprovable, "it may have left between 19 and 20");
    assert_eq!(ruled(true, &[(19, 1), (21, 2)]), Ruling::Unprovable, "it had left at 21");
    assert_eq!(ruled(true, &[(21, 1)]), Ruling::Unexplained, "it was still there when the gap was told");
    assert_eq!(ruled(false, &[]), Ruling::Unexplained, "its successor names it");
}
