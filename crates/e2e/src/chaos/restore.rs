//! What Redis still has after it was away, and what the ledger makes of it.

use std::io;

use super::payload;
use super::producer::entries;
use super::truth::now_ms;
use crate::fact::{Fact, Id, parse_id};
use crate::history::History;
use crate::publisher::key;
use crate::{Connection, Ledger, Reply};

/// Looks at a stream for the last time before it is replaced: records entries of which nobody was told (publishes whose
/// answer was lost, or is still to come), and what it still has.
pub(crate) fn note_unknown(ledger: &Ledger, redis: &mut Connection, channel: &str) -> io::Result<()> {
    let asked = now_ms();
    let found = entries(redis, channel)?;
    ledger.with(channel, |history| {
        found.iter().map(unheard).for_each(|fact| note(history, fact));
        let oldest = found.first().and_then(|(id, _)| parse_id(id));
        history.present_life_mut().observe(asked, oldest);
    });
    Ok(())
}

/// Compares a stream with the ledger after a restart of Redis that was down since `down_ms`. If something is missing, a new
/// life of the stream begins with what is there; a missing stream whose time was over has expired. Returns how many entries were lost that had been acknowledged.
pub(crate) fn compare(ledger: &Ledger, redis: &mut Connection, channel: &str, down_ms: u64) -> io::Result<u64> {
    let tip = last_generated(redis, channel)?;
    let found = entries(redis, channel)?;
    let looked_ms = now_ms();
    Ok(ledger.with(channel, |history| reconcile(history, tip, &found, (down_ms, looked_ms))))
}

/// An entry of which only Redis has told.
fn unheard((id, name): &(String, String)) -> Fact {
    Fact { bare: true, too_large: payload::is_too_large(name), ..Fact::new(id, name) }
}

/// Adds an entry to the present life, if it is in none.
fn note(history: &mut History, fact: Fact) {
    if history.places(&fact.data).iter().all(|place| place.id != fact.key) {
        history.insert(history.present(), fact);
    }
}

fn reconcile(
    history: &mut History,
    tip: Option<Id>,
    found: &[(String, String)],
    (down_ms, looked_ms): (u64, u64),
) -> u64 {
    let expires_ms = history.present_life().expires_ms.filter(|at| tip.is_none() && *at <= looked_ms);
    if let Some(expired_ms) = expires_ms {
        history.expire(expired_ms);
        return 0;
    }
    let found: Vec<Fact> = found.iter().map(unheard).collect();
    found.iter().for_each(|fact| note(history, fact.clone()));
    let first = found.first().map(|fact| fact.key);
    let life = history.present_life();
    let is_lost = |fact: &&Fact| match (first, tip) {
        (_, None) => true,
        (Some(first), _) => fact.key >= first && !fact.retracted && !found.iter().any(|kept| kept.key == fact.key),
        (None, Some(tip)) => fact.key > tip,
    };
    let lost = life.facts.iter().filter(is_lost).count() as u64;
    // Entries that the present life never had: a deletion was undone.
    let undone = found.iter().any(|fact| life.find(fact.key).is_none_or(|known| known.data != fact.data));
    if lost == 0 && !undone {
        return 0;
    }
    let restored = restored(history, tip, &found);
    history.begin(restored, down_ms);
    lost
}

/// What the stream consists of now: what was trimmed from its beginning or retracted, and what is there.
fn restored(history: &History, tip: Option<Id>, found: &[Fact]) -> Vec<Fact> {
    let Some(tip) = tip else { return Vec::new() };
    let begins_with = |life: &usize| match (found.first(), history.life(*life)) {
        (Some(first), Some(life)) => life.find(first.key).is_some_and(|fact| fact.data == first.data),
        (None, Some(life)) => life.find(tip).is_some(),
        (_, None) => false,
    };
    let source = history.numbers().rev().find(begins_with).and_then(|life| history.life(life));
    let first = found.first().map(|first| first.key);
    // Retracted entries are part of it as far as it goes: whoever stands at one of them stands in this stream.
    let absent = |fact: &&Fact| {
        let is_part = fact.retracted && !found.iter().any(|kept| kept.key == fact.key);
        fact.key <= tip && first.is_none_or(|first| fact.key < first || is_part)
    };
    let absent = source.into_iter().flat_map(|life| life.facts.iter().filter(absent).cloned());
    let known = |fact: &Fact| source.and_then(|life| life.find(fact.key)).unwrap_or(fact).clone();
    absent.chain(found.iter().map(known)).collect()
}

/// The id that the stream gave last; `None` if there is no stream.
fn last_generated(redis: &mut Connection, channel: &str) -> io::Result<Option<Id>> {
    let reply = redis.try_command(&[b"XINFO", b"STREAM", key(channel).as_bytes()])?;
    let Reply::Array(fields) = reply else { return Ok(None) };
    let tip = fields.chunks(2).find(|pair| pair[0] == Reply::Text(b"last-generated-id".to_vec()));
    Ok(tip.and_then(|pair| parse_id(&pair[1].text())))
}

#[cfg(test)]
mod tests {
    use super::reconcile;
    use crate::fact::{Fact, parse_id};
    use crate::history::History;

    /// Entries 1-0 to 5-0, of which the stream begins with `first` and ends with `last` after a restart at 9.
    fn after_restart(first: u64, last: u64) -> (History, u64) {
        let mut history = History::default();
        for id in 1..=5 {
            history.insert(0, Fact::new(&format!("{id}-0"), &format!("e{id}")));
        }
        let found: Vec<_> = (first..=last).map(|id| (format!("{id}-0"), format!("e{id}"))).collect();
        let lost = reconcile(&mut history, parse_id(&format!("{last}-0")), &found, (9, 9));
        (history, lost)
    }

    // Seen to fail when what is in front of the first entry counts as lost.
    #[test]
    fn a_trimmed_stream_that_lost_nothing_goes_on() {
        let (history, lost) = after_restart(3, 5);
        assert_eq!((history.present(), lost), (0, 0));
    }

    // Seen to fail when a new life does not begin with what was trimmed in front of it.
    #[test]
    fn a_stream_that_lost_its_end_begins_a_new_life_with_what_it_has() {
        let (history, lost) = after_restart(3, 4);
        assert_eq!((history.present(), lost), (1, 1));
        let ids: Vec<&str> = history.present_life().facts.iter().map(|fact| fact.id.as_str()).collect();
        assert_eq!(ids, ["1-0", "2-0", "3-0", "4-0"]);
    }

    // Seen to fail when only missing entries are looked for.
    #[test]
    fn a_deletion_that_was_undone_begins_a_new_life_too() {
        let (mut history, _) = after_restart(1, 5);
        history.begin([], 10);
        let found = [("4-0".to_owned(), "e4".to_owned()), ("5-0".to_owned(), "e5".to_owned())];
        assert_eq!(reconcile(&mut history, parse_id("5-0"), &found, (11, 11)), 0);
        assert_eq!(history.present(), 2);
        assert_eq!(history.present_life().facts.len(), 5);
    }

    // Seen to fail when a stream that is missing counts as lost whenever it was to expire.
    #[test]
    fn a_stream_whose_time_was_over_while_redis_was_away_has_expired() {
        for (looked_ms, expired) in [(19, false), (20, true)] {
            let (mut history, _) = after_restart(1, 5);
            history.present_life_mut().expires_ms = Some(20);
            let lost = reconcile(&mut history, None, &[], (18, looked_ms));
            assert_eq!((history.present(), lost), (1, if expired { 0 } else { 5 }));
            assert_eq!(history.stands_in(history.places("e5")[0], 1), expired);
        }
    }

    // Seen to fail when only entries that are there, or were in front of them, are part of the stream that came back.
    #[test]
    fn a_deletion_that_was_undone_brings_the_place_of_a_retracted_entry_back() {
        let (mut history, _) = after_restart(1, 5);
        assert_eq!(history.retract_newest(0).as_deref(), Some("5-0"));
        let last = history.places("e5")[0];
        history.begin([], 10);
        let found: Vec<_> = (1..=4).map(|id| (format!("{id}-0"), format!("e{id}"))).collect();
        assert_eq!(reconcile(&mut history, parse_id("5-0"), &found, (11, 11)), 0);
        assert!(history.stands_in(last, 2));
        // It came back without its end, and with that without the entry.
        let mut shorter = history.clone();
        shorter.begin([], 12);
        assert_eq!(reconcile(&mut shorter, parse_id("4-0"), &found, (13, 13)), 0);
        assert!(!shorter.stands_in(last, 4));
    }

    // Seen to fail when a retracted entry that is there again begins a new life, or must be seen.
    #[test]
    fn a_retraction_that_a_failover_has_undone_changes_nothing() {
        let (mut history, _) = after_restart(1, 5);
        assert_eq!(history.retract_newest(2).as_deref(), Some("3-0"));
        let found: Vec<_> = (1..=5).map(|id| (format!("{id}-0"), format!("e{id}"))).collect();
        assert_eq!(reconcile(&mut history, parse_id("5-0"), &found, (9, 9)), 0);
        assert_eq!(history.present(), 0);
        assert_eq!(history.present_life().required((2, 0), (4, 0)).count(), 0);
    }

    // Seen to fail when what had been trimmed at the old primary counts as what the new one made up.
    #[test]
    fn a_replica_that_lost_the_end_and_kept_what_was_trimmed_begins_a_new_life_that_shares_its_beginning() {
        let (history, lost) = after_restart(1, 3);
        assert_eq!((history.present(), lost), (1, 2));
        let place = history.places("e3")[0];
        assert!(history.stands_in(place, 1) && !history.stands_in(history.places("e4")[0], 1));
    }
}
