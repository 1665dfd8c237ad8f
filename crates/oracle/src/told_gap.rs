//! What a gap that was told was worth: whether something was withheld, and why nobody could have done better if not.

use crate::entry::Entry;
use crate::entry_id::EntryId;
use crate::history::History;
use crate::incarnation::Incarnation;
use crate::incarnation_end::IncarnationEnd;
use crate::observed::Gap;
use crate::place::Place;
use crate::ruling::Ruling;
use crate::whereabouts::Whereabouts;

/// A gap as it was told.
pub(crate) struct ToldGap<'a> {
    pub(crate) gap: &'a Gap,
    /// When, in a run where time matters.
    pub(crate) at: Option<u64>,
    /// The client had connected without a place on this channel.
    pub(crate) placeless: bool,
    /// How old the next event of a client may be, in milliseconds, where that is limited and time matters.
    pub(crate) max_behind_ms: Option<u64>,
}

impl ToldGap<'_> {
    /// Rules on the gap, between where the client was and one of `found`: the places of the entry that followed, or of the
    /// position that the gap carried; none if that cannot be read. `Err` is a breach.
    pub(crate) fn rule(&self, history: &History, before: &Whereabouts, found: &[Place]) -> Result<Ruling, String> {
        let gap = self.gap;
        if let Some(next) = &gap.next
            && !found.iter().any(|&place| history.entry(place).is_some_and(|entry| entry.id.to_string() == *next))
        {
            return Err(format!("the gap announced {next}, then came the entry at {found:?}: {gap:?}"));
        }
        let places = match before {
            Whereabouts::New => return Ok(Ruling::NothingPromised),
            Whereabouts::Unknown => return Ok(Ruling::PlaceUnknown),
            Whereabouts::At(places) => places,
        };
        let is_forgotten =
            |place: &Place| history.incarnation(place.incarnation).is_none_or(|old| old.forgot_behind(place.id));
        if places.iter().all(is_forgotten) {
            return Ok(Ruling::OlderThanRecord);
        }
        if goes_back(history, self, places, found) && !self.placeless {
            return Err(format!("after {gap:?} the client went back from {places:?} to {found:?}"));
        }
        let to = found.last().copied().unwrap_or_else(|| newest_at(history, self.at));
        let starts: Vec<Place> = places.iter().filter_map(|&from| history.translate(from, to.incarnation)).collect();
        // The place that makes most of the gap needless decides: the client may have been there.
        let ahead = starts.iter().filter(|start| start.id < self.end(to)).max_by_key(|start| start.id);
        let Some(&from) = ahead.or(starts.last()) else { return Ok(between_incarnations(history, places, to)) };
        let Some(incarnation) = history.incarnation(to.incarnation) else { return Ok(Ruling::OlderThanRecord) };
        if gap.reason == "lagging" {
            let lags = starts.iter().any(|from| is_far_behind(self, incarnation, from.id));
            return Ok(if lags { Ruling::TooFarBehind } else { Ruling::FalseNotBehind });
        }
        match incarnation.required(from.id, self.end(to)).next_back() {
            // Whether the node could have read it is not known. All else about the gap is judged as of any other.
            Some(_) if gap.reason == "unavailable" => Ok(Ruling::EntriesUnavailable),
            Some(skipped) if is_kept(history, self, found, skipped) => Ok(Ruling::FalseTooWide),
            Some(_) => Ok(Ruling::EntriesTrimmed),
            None if incarnation.forgot_behind(from.id) => Ok(Ruling::EntriesTrimmed),
            None if places.iter().any(|&place| has_lost_behind(history, place, to.incarnation)) => {
                Ok(Ruling::StreamReplaced)
            }
            None => Ok(explain(history, self, places, from, to)),
        }
    }

    /// Behind the last of what was skipped, for a reader that the gap has brought to `to`.
    fn end(&self, to: Place) -> EntryId {
        // The entry at `to` itself comes with the gap, or lies behind the position that the gap carries.
        if self.gap.next.is_some() { to.id } else { to.id.after() }
    }
}

/// Whether the client gets again what it has seen, wherever it was and wherever it is now.
fn goes_back(history: &History, told: &ToldGap<'_>, places: &[Place], found: &[Place]) -> bool {
    let pairs = || places.iter().flat_map(|from| found.iter().map(move |to| (*from, *to)));
    let again = |(from, to): (Place, Place)| {
        let Some(start) = history.translate(from, to.incarnation) else { return false };
        let seen = |incarnation: &Incarnation| incarnation.required(to.id, start.id.after()).next().is_some();
        if told.gap.next.is_some() { to.id <= start.id } else { history.incarnation(to.incarnation).is_some_and(seen) }
    };
    let explains = |(from, to): (Place, Place)| {
        let start = history.translate(from, to.incarnation);
        let is_new_stream = start.is_none() && from.incarnation < to.incarnation;
        (start.is_some() && !again((from, to))) || is_new_stream || comes_back(history, told, places, from, to)
    };
    pairs().any(again) && !pairs().any(explains)
}

/// Whether entries that the client has seen were lost and are there again: whoever was told of a reset gets them again.
fn comes_back(history: &History, told: &ToldGap<'_>, places: &[Place], from: Place, to: Place) -> bool {
    let Some(start) = history.translate(from, to.incarnation) else { return false };
    // It has not been told of its place since they are there again.
    let is_new = !places.contains(&Place { absent: None, ..start });
    let was_without = |number| !history.stands_in(from, number);
    let lost = from.absent.is_some() || (from.incarnation + 1..to.incarnation).any(was_without);
    told.gap.reason == "reset" && from.incarnation < to.incarnation && is_new && lost
}

/// A gap between a place and another one in an incarnation of the stream that does not have it.
fn between_incarnations(history: &History, places: &[Place], to: Place) -> Ruling {
    let ended = |from: &Place| history.incarnation(from.incarnation).and_then(|old| old.end);
    let expired = |from: &Place| matches!(ended(from), Some(IncarnationEnd::Expired | IncarnationEnd::CutShort));
    if places.iter().all(|from| from.incarnation > to.incarnation) {
        Ruling::FalseUnexplained
    } else if places.iter().any(expired) {
        Ruling::ExpiredUnread
    } else {
        Ruling::StreamReplaced
    }
}

/// Whether the next entry of a reader at `from` was older than the operator allows when the gap was told.
fn is_far_behind(told: &ToldGap<'_>, incarnation: &Incarnation, from: EntryId) -> bool {
    // Without a clock, what a test expects decides.
    let Some(at) = told.at else { return true };
    let old = |limit: u64| incarnation.next(from).is_some_and(|next| next.id.ms.saturating_add(limit) <= at);
    incarnation.forgot_behind(from) || told.max_behind_ms.is_some_and(old)
}

fn newest_at(history: &History, time_ms: Option<u64>) -> Place {
    let time_ms = time_ms.unwrap_or(u64::MAX);
    let incarnation = history.around(time_ms).pop().unwrap_or(history.present());
    Place::behind(incarnation, EntryId { ms: time_ms, seq: 0 })
}

/// Whether the stream still had an entry when the gap was told: in every incarnation that the node may have been reading, since
/// what had been trimmed may come back.
fn is_kept(history: &History, told: &ToldGap<'_>, found: &[Place], skipped: &Entry) -> bool {
    let Some(time_ms) = told.at else { return told.gap.reason == "trimmed" && !skipped.gone };
    let has_it = |to: &&Place| history.entry(Place::behind(to.incarnation, skipped.id)).is_some();
    found.iter().filter(has_it).all(|to| history.had_at(to.incarnation, skipped.id, time_ms))
}

/// Whether entries that followed `from` were lost before that later incarnation began.
fn has_lost_behind(history: &History, from: Place, later: usize) -> bool {
    (from.incarnation..later).any(|number| {
        let Some((old, later)) = history.incarnation(number).zip(history.incarnation(later)) else { return false };
        let Some(from) = history.translate(from, number) else { return false };
        old.required(from.id, EntryId::MAX).any(|entry| later.find(entry.id).is_none())
    })
}

/// Nothing is missing. Why could nobody know?
fn explain(history: &History, told: &ToldGap<'_>, places: &[Place], from: Place, to: Place) -> Ruling {
    let Some(incarnation) = history.incarnation(to.incarnation) else { return Ruling::FalseUnexplained };
    if told.placeless && told.gap.reason == "unknown_position" {
        return Ruling::PlaceUnknown;
    }
    let has_expired = |number| {
        history.incarnation(number).is_some_and(|old: &Incarnation| {
            matches!(old.end, Some(IncarnationEnd::Expired | IncarnationEnd::CutShort))
        })
    };
    if places.iter().all(|place| place.has_nothing()) {
        let proven = is_within_min_life(history, told, places, incarnation.next(from.id));
        return if proven { Ruling::FalseWithinMinLife } else { Ruling::FalseFirstEntry };
    }
    if places.iter().any(|place| !place.has_nothing() && (place.incarnation..to.incarnation).any(has_expired)) {
        return Ruling::FalseExpiredRead;
    }
    // Without its own entry, only a successor that names it could have proven the client's place.
    let is_named = incarnation.next(from.id).is_some_and(|next| next.id == to.id && !next.bare);
    if may_be_gone(told, incarnation, from.id) && !is_named {
        return Ruling::FalseUnprovable;
    }
    // A node that had read what was lost since tells all its readers.
    let recently = |now: u64| incarnation.began_ms > 0 && now.saturating_sub(incarnation.began_ms) < REPLACED_FOR_MS;
    if told.at.is_some_and(recently) {
        return Ruling::FalseOthersLost;
    }
    Ruling::FalseUnexplained
}

/// Whether a client that knows of an absence only was away for less time than every stream is promised to live, so that no stream can have come
/// and gone. `next` must say that it created the stream, or Redis that nothing was removed, which the harness does not know.
fn is_within_min_life(history: &History, told: &ToldGap<'_>, places: &[Place], next: Option<&Entry>) -> bool {
    let Some((provable_ms, at)) = history.provable_ms().zip(told.at) else { return false };
    let until_ms = next.map_or(at, |next| next.id.ms);
    let is_known = |place: &Place| place.absent.is_some_and(|moment| until_ms.saturating_sub(moment.ms) < provable_ms);
    !history.clock.was_set() && next.is_none_or(|next| !next.bare) && places.iter().all(is_known)
}

/// Whether the client's own entry may have left the stream before the gap was told. It certainly had not if the stream was
/// seen to have it afterwards.
fn may_be_gone(told: &ToldGap<'_>, incarnation: &Incarnation, id: EntryId) -> bool {
    let is_gone = incarnation.find(id).is_none_or(|entry| entry.gone || entry.retracted);
    is_gone || told.at.is_some_and(|at| !incarnation.had_at(id, at))
}

/// How long after a loss a gap may still come from a node that had read what was lost.
const REPLACED_FOR_MS: u64 = 60_000;
