//! What Redis still has after it was away, and what the ledger makes of it.

use std::io;

use fanfare_e2e::key;
use fanfare_oracle::resp::{Connection, Reply};
use fanfare_oracle::{Entry, EntryId, History, IncarnationEnd, Ledger};

use crate::payload;
use crate::producer::entries;
use crate::published_record::now_ms;

/// Looks at a stream for the last time before it is replaced: records entries of which nobody was told (publishes whose
/// answer was lost, or is still to come), and what it still has.
pub(crate) fn note_unknown(ledger: &Ledger, redis: &mut Connection, channel: &str) -> io::Result<()> {
    let asked = now_ms();
    let found = entries(redis, channel)?;
    ledger.with(channel, |history| {
        found.iter().map(unheard).for_each(|entry| note(history, entry));
        let oldest = found.first().map(|(id, _)| *id);
        history.look(asked, oldest);
    });
    Ok(())
}

/// Compares a stream with the ledger after a restart of Redis that was down since `down_ms`. If something is missing, a new
/// incarnation of the stream begins with what is there; a missing stream whose time was over has expired. Returns how many
/// entries were lost that had been acknowledged.
pub(crate) fn compare(ledger: &Ledger, redis: &mut Connection, channel: &str, down_ms: u64) -> io::Result<u64> {
    let tip = last_generated(redis, channel)?;
    let found = entries(redis, channel)?;
    let looked_ms = now_ms();
    Ok(ledger.with(channel, |history| reconcile(history, tip, &found, (down_ms, looked_ms))))
}

/// An entry of which only Redis has told.
fn unheard((id, name): &(EntryId, String)) -> Entry {
    Entry { bare: true, too_large: payload::is_too_large(name), ..Entry::new(*id, name.as_str()) }
}

/// Adds an entry to the present incarnation, if it is in none.
fn note(history: &mut History, entry: Entry) {
    if history.places(&entry.data).iter().all(|place| place.id != entry.id) {
        history.insert(history.present(), entry);
    }
}

fn reconcile(
    history: &mut History,
    tip: Option<EntryId>,
    found: &[(EntryId, String)],
    (down_ms, looked_ms): (u64, u64),
) -> u64 {
    let expires_ms = history.present_incarnation().expires_ms.filter(|at| tip.is_none() && *at <= looked_ms);
    if let Some(expired_ms) = expires_ms {
        history.end(IncarnationEnd::Expired, expired_ms);
        return 0;
    }
    let found: Vec<Entry> = found.iter().map(unheard).collect();
    found.iter().for_each(|entry| note(history, entry.clone()));
    let first = found.first().map(|entry| entry.id);
    let incarnation = history.present_incarnation();
    let is_lost = |entry: &&Entry| match (first, tip) {
        (_, None) => true,
        (Some(first), _) => entry.id >= first && !entry.retracted && !found.iter().any(|kept| kept.id == entry.id),
        (None, Some(tip)) => entry.id > tip,
    };
    let lost = incarnation.entries.iter().filter(is_lost).count() as u64;
    // Entries that the present incarnation never had: a deletion was undone.
    let undone = found.iter().any(|entry| incarnation.find(entry.id).is_none_or(|known| known.data != entry.data));
    if lost == 0 && !undone {
        return 0;
    }
    let restored = restored(history, tip, &found);
    history.replace(restored, down_ms);
    lost
}

/// What the stream consists of now: what was trimmed from its beginning or retracted, and what is there.
fn restored(history: &History, tip: Option<EntryId>, found: &[Entry]) -> Vec<Entry> {
    let Some(tip) = tip else { return Vec::new() };
    let begins_with = |incarnation: &usize| match (found.first(), history.incarnation(*incarnation)) {
        (Some(first), Some(incarnation)) => incarnation.find(first.id).is_some_and(|entry| entry.data == first.data),
        (None, Some(incarnation)) => incarnation.find(tip).is_some(),
        (_, None) => false,
    };
    let source = history.numbers().rev().find(begins_with).and_then(|incarnation| history.incarnation(incarnation));
    let first = found.first().map(|first| first.id);
    // Retracted entries are part of it as far as it goes: whoever stands at one of them stands in this stream.
    let absent = |entry: &&Entry| {
        let is_part = entry.retracted && !found.iter().any(|kept| kept.id == entry.id);
        entry.id <= tip && first.is_none_or(|first| entry.id < first || is_part)
    };
    let absent = source.into_iter().flat_map(|incarnation| incarnation.entries.iter().filter(absent).cloned());
    let known = |entry: &Entry| source.and_then(|incarnation| incarnation.find(entry.id)).unwrap_or(entry).clone();
    absent.chain(found.iter().map(known)).collect()
}

/// The id that the stream gave last; `None` if there is no stream.
fn last_generated(redis: &mut Connection, channel: &str) -> io::Result<Option<EntryId>> {
    let reply = redis.try_command(&[b"XINFO", b"STREAM", key(channel).as_bytes()])?;
    let Reply::Array(fields) = reply else { return Ok(None) };
    let tip = fields.chunks(2).find(|pair| pair[0] == Reply::Text(b"last-generated-id".to_vec()));
    Ok(tip.and_then(|pair| pair[1].text().parse().ok()))
}

#[cfg(test)]
mod tests {
    use fanfare_oracle::{Entry, EntryId, History, IncarnationEnd};

    use super::reconcile;

    fn id(ms: u64) -> EntryId {
        EntryId { ms, seq: 0 }
    }

    /// Entries 1-0 to 5-0, of which the stream begins with `first` and ends with `last` after a restart at 9.
    fn after_restart(first: u64, last: u64) -> (History, u64) {
        let mut history = History::default();
        for ms in 1..=5 {
            history.insert(0, Entry::new(id(ms), format!("e{ms}")));
        }
        let found: Vec<_> = (first..=last).map(|ms| (id(ms), format!("e{ms}"))).collect();
        let lost = reconcile(&mut history, Some(id(last)), &found, (9, 9));
        (history, lost)
    }

    // Seen to fail when what is in front of the first entry counts as lost.
    #[test]
    fn a_trimmed_stream_that_lost_nothing_goes_on() {
        let (history, lost) = after_restart(3, 5);
        assert_eq!((history.present(), lost), (0, 0));
    }

    // Seen to fail when a new incarnation does not begin with what was trimmed in front of it.
    #[test]
    fn a_stream_that_lost_its_end_begins_a_new_incarnation_with_what_it_has() {
        let (history, lost) = after_restart(3, 4);
        assert_eq!((history.present(), lost), (1, 1));
        let ids: Vec<u64> = history.present_incarnation().entries.iter().map(|entry| entry.id.ms).collect();
        assert_eq!(ids, [1, 2, 3, 4]);
    }

    // Seen to fail when only missing entries are looked for.
    #[test]
    fn a_deletion_that_was_undone_begins_a_new_incarnation_too() {
        let (mut history, _) = after_restart(1, 5);
        history.end(IncarnationEnd::Deleted, 10);
        let found = [(id(4), "e4".to_owned()), (id(5), "e5".to_owned())];
        assert_eq!(reconcile(&mut history, Some(id(5)), &found, (11, 11)), 0);
        assert_eq!(history.present(), 2);
        assert_eq!(history.present_incarnation().entries.len(), 5);
    }

    // Seen to fail when a stream that is missing counts as lost whenever it was to expire.
    #[test]
    fn a_stream_whose_time_was_over_while_redis_was_away_has_expired() {
        for (looked_ms, expired) in [(19, false), (20, true)] {
            let (mut history, _) = after_restart(1, 5);
            history.present_incarnation_mut().expires_ms = Some(20);
            let lost = reconcile(&mut history, None, &[], (18, looked_ms));
            assert_eq!((history.present(), lost), (1, if expired { 0 } else { 5 }));
            assert_eq!(history.stands_in(history.places("e5")[0], 1), expired);
        }
    }

    // Seen to fail when only entries that are there, or were in front of them, are part of the stream that came back.
    #[test]
    fn a_deletion_that_was_undone_brings_the_place_of_a_retracted_entry_back() {
        let (mut history, _) = after_restart(1, 5);
        assert_eq!(history.retract_newest(0), Some(id(5)));
        let last = history.places("e5")[0];
        history.end(IncarnationEnd::Deleted, 10);
        let found: Vec<_> = (1..=4).map(|ms| (id(ms), format!("e{ms}"))).collect();
        assert_eq!(reconcile(&mut history, Some(id(5)), &found, (11, 11)), 0);
        assert!(history.stands_in(last, 2));
        // It came back without its end, and with that without the entry.
        let mut shorter = history.clone();
        shorter.end(IncarnationEnd::Deleted, 12);
        assert_eq!(reconcile(&mut shorter, Some(id(4)), &found, (13, 13)), 0);
        assert!(!shorter.stands_in(last, 4));
    }

    // Seen to fail when a retracted entry that is there again begins a new incarnation, or must be seen.
    #[test]
    fn a_retraction_that_a_failover_has_undone_changes_nothing() {
        let (mut history, _) = after_restart(1, 5);
        assert_eq!(history.retract_newest(2), Some(id(3)));
        let found: Vec<_> = (1..=5).map(|ms| (id(ms), format!("e{ms}"))).collect();
        assert_eq!(reconcile(&mut history, Some(id(5)), &found, (9, 9)), 0);
        assert_eq!(history.present(), 0);
        assert_eq!(history.present_incarnation().required(id(2), id(4)).count(), 0);
    }

    // Seen to fail when what had been trimmed at the old primary counts as what the new one made up.
    #[test]
    fn a_replica_that_lost_the_end_and_kept_what_was_trimmed_begins_a_new_incarnation_that_shares_its_beginning() {
        let (history, lost) = after_restart(1, 3);
        assert_eq!((history.present(), lost), (1, 2));
        let place = history.places("e3")[0];
        assert!(history.stands_in(place, 1) && !history.stands_in(history.places("e4")[0], 1));
    }
}
