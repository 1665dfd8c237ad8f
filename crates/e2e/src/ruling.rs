//! What an announced gap was worth: whether something was withheld, and why nobody could have done better if not.

use crate::Gap;
use crate::fact::{Id, Place, parse_id};
use crate::history::History;
use crate::judge::Standing;
use crate::life::Life;

/// Why a gap was announced, as the facts tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ruling {
    /// Entries that were skipped had been trimmed.
    Trimmed,
    /// The stream was deleted, flushed or came back without its end: what the client had read, or would have read next.
    Rewritten,
    /// The stream had expired before the client had read it to its end.
    Expired,
    /// The entry is over the size limit.
    TooLarge,
    /// The operator's limit of `delivery.max_behind`.
    Lagging,
    /// The client was away from before everything that the harness remembers.
    Forgotten,
    /// The client's place was not known before.
    Unplaced,
    /// False: the client's own entry is no longer in the stream and the next one names another predecessor or none.
    Unprovable,
    /// False: the client waited for the first entry of a stream.
    Absence,
    /// False: the stream had expired, and the client had read it to its end.
    Renewed,
    /// False: the stream lost something lately, but nothing that concerns this client.
    OthersLost,
    /// False: more was skipped than the stream had lost.
    Wide,
    /// False: skipped as further behind than the operator allows, which it was not.
    Hasty,
    /// False, and no fact explains it.
    Unexplained,
}

impl Ruling {
    /// Every ruling, the justified ones first.
    pub const ALL: [Self; 14] = [
        Self::Trimmed,
        Self::Rewritten,
        Self::Expired,
        Self::TooLarge,
        Self::Lagging,
        Self::Forgotten,
        Self::Unplaced,
        Self::Unprovable,
        Self::Absence,
        Self::Renewed,
        Self::OthersLost,
        Self::Wide,
        Self::Hasty,
        Self::Unexplained,
    ];

    /// Whether something was withheld, so that the gap had to be told.
    pub fn is_justified(self) -> bool {
        self < Self::Unprovable
    }

    /// The fact behind it, in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Trimmed => "entries had been trimmed before the client came to them",
            Self::Rewritten => "the stream was deleted, flushed or lost its end",
            Self::Expired => "the stream had expired before the client had read it to its end",
            Self::TooLarge => "an entry over the size limit",
            Self::Lagging => "further behind than the operator allows",
            Self::Forgotten => "away since before all that the harness remembers",
            Self::Unplaced => "the client's place was not known before",
            Self::Unprovable => "false: the client's own entry is gone and its successor does not name it",
            Self::Absence => "false: the client waited for the first entry of a stream",
            Self::Renewed => "false: the stream had expired, and the client had read it to its end",
            Self::OthersLost => "false: the stream lost something lately, but nothing that concerns this client",
            Self::Wide => "false: more was skipped than the stream had lost",
            Self::Hasty => "false: skipped as further behind than the operator allows, which it was not",
            Self::Unexplained => "false, and no fact explains it",
        }
    }
}

/// A gap as it was told.
pub(crate) struct Told<'a> {
    pub(crate) gap: &'a Gap,
    /// When, in a run where time matters.
    pub(crate) at: Option<u64>,
    /// The client had connected without a place on this channel.
    pub(crate) placeless: bool,
    /// How old the next event of a client may be, in milliseconds, where that is limited and time matters.
    pub(crate) max_behind_ms: Option<u64>,
}

/// Rules on a gap between where the client was and one of `found`: the places of the entry that followed, or of the
/// position that the gap carried; none if that cannot be read. `Err` is a breach.
pub(crate) fn rule(history: &History, told: &Told<'_>, before: &Standing, found: &[Place]) -> Result<Ruling, String> {
    let gap = told.gap;
    if let Some(next) = &gap.next
        && !found.iter().any(|&place| history.fact(place).is_some_and(|fact| fact.id == *next))
    {
        return Err(format!("the gap announced {next}, then came the entry at {found:?}: {gap:?}"));
    }
    let Standing::At(places) = before else { return Ok(Ruling::Unplaced) };
    if let Some(after) = says_too_little(history, gap, places) {
        return Err(format!("{gap:?} names less than what was withheld: the client was at {after:?}"));
    }
    if places.iter().all(|place| history.life(place.life).is_none_or(|life| life.forgot_behind(place.id))) {
        return Ok(Ruling::Forgotten);
    }
    let to = found.last().copied().unwrap_or_else(|| newest_at(history, told.at));
    let starts: Vec<Place> = places.iter().copied().filter(|&from| history.stands_in(from, to.life)).collect();
    let Some(&from) = starts.last() else { return Ok(between_lives(history, places, to)) };
    let Some(life) = history.life(to.life) else { return Ok(Ruling::Forgotten) };
    if goes_back(history, told, from, found) && !told.placeless {
        return Err(format!("after {gap:?} the client went back from {from:?} to {to:?}"));
    }
    if gap.reason == "lagging" {
        let lags = starts.iter().any(|from| is_far_behind(told, life, from.id));
        return Ok(if lags { Ruling::Lagging } else { Ruling::Hasty });
    }
    // The entry at `to` itself comes with the gap, or lies behind the position that the gap carries.
    let end = if gap.next.is_some() { to.id } else { (to.id.0, to.id.1.saturating_add(1)) };
    match life.required(from.id, end).next_back() {
        Some(skipped) if is_kept(told, life, skipped.key, skipped.gone) => Ok(Ruling::Wide),
        Some(_) => Ok(Ruling::Trimmed),
        None if life.forgot_behind(from.id) => Ok(Ruling::Trimmed),
        None if starts.iter().any(|&from| has_lost_behind(history, from, to.life)) => Ok(Ruling::Rewritten),
        None => Ok(explain(history, told, from, to)),
    }
}

/// Whether, in whichever life of the stream it is now, the client gets again what it has seen.
fn goes_back(history: &History, told: &Told<'_>, from: Place, found: &[Place]) -> bool {
    let again = |to: &Place| {
        let behind = (from.id.0, from.id.1.saturating_add(1));
        let again = |life: &Life| life.required(to.id, behind).next().is_some();
        let goes_back =
            if told.gap.next.is_some() { to.id <= from.id } else { history.life(to.life).is_some_and(again) };
        goes_back && history.stands_in(from, to.life)
    };
    !found.is_empty() && found.iter().all(again)
}

/// A gap between a place and another one in a life of the stream that does not have it.
fn between_lives(history: &History, places: &[Place], to: Place) -> Ruling {
    let expired = |from: &Place| history.life(from.life).is_some_and(|life| life.expired);
    if places.iter().all(|from| from.life > to.life) {
        Ruling::Unexplained
    } else if places.iter().any(expired) {
        Ruling::Expired
    } else {
        Ruling::Rewritten
    }
}

/// Whether the next entry of a reader at `from` was older than the operator allows when the gap was told.
fn is_far_behind(told: &Told<'_>, life: &Life, from: Id) -> bool {
    // Without a clock, what a test expects decides.
    let Some(at) = told.at else { return true };
    let old = |limit: u64| life.next(from).is_some_and(|next| next.key.0.saturating_add(limit) <= at);
    life.forgot_behind(from) || told.max_behind_ms.is_some_and(old)
}

/// A gap names what lies behind `after`; that must not be behind the client's place.
fn says_too_little(history: &History, gap: &Gap, places: &[Place]) -> Option<Place> {
    let after = parse_id(gap.after.as_deref()?)?;
    let covers = |place: &&Place| {
        let nothing = |life: &Life| life.required(place.id, (after.0, after.1.saturating_add(1))).next().is_none();
        after <= place.id || history.life(place.life).is_none_or(nothing)
    };
    if places.iter().any(|place| covers(&place)) { None } else { places.last().copied() }
}

fn newest_at(history: &History, time_ms: Option<u64>) -> Place {
    let time_ms = time_ms.unwrap_or(u64::MAX);
    Place { life: history.around(time_ms).pop().unwrap_or(history.present()), id: (time_ms, 0) }
}

/// Whether the stream still had an entry when the gap was told.
fn is_kept(told: &Told<'_>, life: &Life, id: Id, gone: bool) -> bool {
    match told.at {
        Some(time_ms) => life.had_at(id, time_ms),
        None => told.gap.reason == "trimmed" && !gone,
    }
}

/// Whether entries that followed `from` were lost before that later life began.
fn has_lost_behind(history: &History, from: Place, later: usize) -> bool {
    (from.life..later).any(|number| {
        let Some((life, later)) = history.life(number).zip(history.life(later)) else { return false };
        life.required(from.id, (u64::MAX, u64::MAX)).any(|fact| later.find(fact.key).is_none())
    })
}

/// Nothing is missing. Why could nobody know?
fn explain(history: &History, told: &Told<'_>, from: Place, to: Place) -> Ruling {
    let Some(life) = history.life(to.life) else { return Ruling::Unexplained };
    if told.placeless && told.gap.reason == "unknown_position" {
        return Ruling::Unplaced;
    }
    if from.id == (0, 0) {
        return Ruling::Absence;
    }
    if (from.life..to.life).any(|number| history.life(number).is_some_and(|life| life.expired)) {
        return Ruling::Renewed;
    }
    // Without its own entry, only a successor that names it could have proven the client's place.
    let is_named = life.next(from.id).is_some_and(|next| next.key == to.id && !next.bare);
    if may_be_gone(told, life, from.id) && !is_named {
        return Ruling::Unprovable;
    }
    // A node that had read what was lost since tells all its readers.
    let recently = |now: u64| life.began_ms > 0 && now.saturating_sub(life.began_ms) < REWRITTEN_FOR_MS;
    if told.at.is_some_and(recently) {
        return Ruling::OthersLost;
    }
    Ruling::Unexplained
}

/// Whether the client's own entry may have left the stream before the gap was told. It certainly had not if the stream was
/// seen to have it afterwards.
fn may_be_gone(told: &Told<'_>, life: &Life, id: Id) -> bool {
    let is_gone = life.find(id).is_none_or(|fact| fact.gone || fact.retracted);
    is_gone || told.at.is_some_and(|at| !life.had_at(id, at))
}

/// How long after a loss a gap may still come from a node that had read what was lost.
const REWRITTEN_FOR_MS: u64 = 60_000;
