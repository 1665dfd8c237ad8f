//! Follows one client on one channel, step by step, and objects.
//!
//! The guarantee, word for word: the durable events that the client sees are a contiguous run of the channel's stream, in order,
//! none missing, none twice, or an explicit `$gap` stands where something could not be delivered. A gap where nothing was
//! withheld is a nuisance: it is ruled on (`told_gap`), and what a harness makes of that is its own business.
//!
//! What the client saw may be explained by any of several places where it may have been. Only what none of them explains is a
//! breach.

use crate::entry::Entry;
use crate::finding::Finding;
use crate::history::History;
use crate::newest::withheld;
use crate::observed::Gap;
use crate::place::Place;
use crate::position::Position;
use crate::ruling::Ruling;
use crate::step::Step;
use crate::told_gap::ToldGap;
use crate::whereabouts::Whereabouts;

/// A gap whose entry has not come yet.
#[derive(Debug)]
struct Pending {
    gap: Gap,
    at_ms: Option<u64>,
    /// Where the client was before it.
    before: Whereabouts,
}

/// What has been seen of one client on one channel.
#[derive(Debug)]
pub struct Judge {
    /// How old the next event may be for a client that is told that it lags, in milliseconds.
    max_behind_ms: Option<u64>,
    /// How many of the newest entries it asked for on its first connect.
    newest: Option<u64>,
    /// When its present connection began.
    connected_ms: Option<u64>,
    /// Its present connection began without a place on this channel, and has not given it one yet.
    placeless: bool,
    whereabouts: Whereabouts,
    pending: Option<Pending>,
    /// A gap that was told right before the connection ended: the client's place is still the one before it.
    withdrawn: Option<Gap>,
    findings: Vec<Finding>,
}

impl Judge {
    /// Of a client that is there.
    pub fn new(whereabouts: Whereabouts) -> Self {
        Self {
            max_behind_ms: None,
            newest: None,
            connected_ms: None,
            placeless: false,
            whereabouts,
            pending: None,
            withdrawn: None,
            findings: Vec::new(),
        }
    }

    /// The client may be told that it lags when its next event is older than this.
    pub fn with_max_behind_ms(self, limit: u64) -> Self {
        Self { max_behind_ms: Some(limit), ..self }
    }

    /// The client asks for so many of the newest entries on its first connect.
    pub fn with_newest(self, count: Option<u64>) -> Self {
        Self { newest: count, ..self }
    }

    /// Where the client is.
    pub fn whereabouts(&self) -> &Whereabouts {
        &self.whereabouts
    }

    /// A gap that nothing has followed yet.
    pub fn pending(&self) -> Option<&Gap> {
        self.pending.as_ref().map(|pending| &pending.gap)
    }

    /// Whether the client has seen everything that the present stream holds.
    pub fn is_at_the_end(&self, history: &History) -> bool {
        matches!(&self.whereabouts, Whereabouts::At(places) if places.iter().any(|place| history.is_at_the_end(*place)))
    }

    /// Judges the next step. `time_ms` is when the client saw it, in a run where time matters.
    pub fn take(&mut self, history: &mut History, step: &Step, time_ms: Option<u64>) -> Vec<Finding> {
        match step {
            Step::Connected(at) => {
                if let Some(pending) = self.pending.take() {
                    // It carried no id. The next connection repeats it, or a better informed node needs none.
                    self.withdrawn = Some(pending.gap);
                    self.whereabouts = pending.before;
                }
                self.connected_ms = time_ms;
                self.placeless = at.is_none();
                at.iter().for_each(|at| self.begin(history, *at, time_ms));
            }
            Step::Place(at) => {
                self.begin(history, *at, time_ms);
                self.placeless = false;
            }
            Step::Event { data, at } => self.event(history, data, *at, time_ms),
            Step::Gap { gap, at } => self.gap(history, gap, *at, time_ms),
        }
        std::mem::take(&mut self.findings)
    }

    /// The first position: from here on the guarantee holds.
    fn begin(&mut self, history: &History, at: Position, time_ms: Option<u64>) {
        if matches!(self.whereabouts, Whereabouts::New) {
            // Without a clock, clients begin before the stream is replaced.
            let incarnations = time_ms.map_or(vec![*history.numbers().start()], |now| history.around(now));
            let places = history.resolve(at, &incarnations, time_ms.unwrap_or(u64::MAX));
            self.check_newest(history, &places, time_ms);
            self.whereabouts = Whereabouts::At(places);
        }
    }

    /// The client begins at one of `places`. If it asked for the newest entries, as many must follow as the stream had.
    fn check_newest(&mut self, history: &History, places: &[Place], time_ms: Option<u64>) {
        let (Some(wanted), Some(now)) = (self.newest.take(), time_ms) else { return };
        let asked_ms = self.connected_ms.unwrap_or(now);
        let kept = places.iter().map(|place| withheld(history, *place, wanted, asked_ms, now)).min().flatten();
        if let Some(kept) = kept {
            self.breach(format!("the newest {wanted} were asked for; the client begins at {places:?}, behind {kept}"));
        }
    }

    fn event(&mut self, history: &mut History, data: &str, at: Option<Position>, time_ms: Option<u64>) {
        let mut found = history.places(data);
        if let Some(Position::At(id)) = at
            && history.is_doubted(data)
            && !found.iter().any(|place| place.id == id)
        {
            // A client has seen it, so it was there; others may have read what was there after it was lost.
            history.insert(history.incarnation_of(id), Entry { retracted: true, ..Entry::new(id, data) });
            found = history.places(data);
        }
        let Some(last) = found.last().copied() else {
            return self.breach(format!("an entry that nobody published: {data:?} with the position {at:?}"));
        };
        self.findings.push(Finding::Event);
        if history.entry(last).is_some_and(|entry| entry.too_large) {
            self.breach(format!("{data:?} is over the size limit, and came"));
        }
        found.retain(|place| at == Some(Position::At(place.id)));
        if found.is_empty() {
            self.breach(format!("{data:?} has the position {at:?}, not {}", last.id));
            found.push(last);
        }
        if matches!(self.whereabouts, Whereabouts::New) {
            let before = |place: &Place| Place { id: place.id.before(), ..*place };
            self.check_newest(history, &found.iter().map(before).collect::<Vec<_>>(), time_ms);
        }
        self.arrive(history, data, &found);
    }

    /// The client has come to one of these places.
    fn arrive(&mut self, history: &History, data: &str, found: &[Place]) {
        let before = std::mem::replace(&mut self.whereabouts, Whereabouts::Unknown);
        let from = match self.pending.take() {
            Some(Pending { gap, at_ms, before }) => {
                self.rule(history, &gap, at_ms, &before, found);
                Whereabouts::Unknown
            }
            None => {
                if let Some(what) = missing(history, &before, found) {
                    let id = found[found.len() - 1].id;
                    self.breach(format!("{data:?} ({id}) came {what}; the client was at {before:?}"));
                }
                before
            }
        };
        let reached = |to: &&Place| match &from {
            Whereabouts::At(places) => places.iter().any(|&from| history.follows(from, **to)),
            _ => true,
        };
        let here: Vec<Place> = found.iter().filter(reached).copied().collect();
        self.whereabouts = Whereabouts::At(if here.is_empty() { found.to_vec() } else { here });
        self.withdrawn = None;
        self.placeless = false;
    }

    fn gap(&mut self, history: &History, gap: &Gap, at: Option<Position>, time_ms: Option<u64>) {
        if self.withdrawn.take().is_none_or(|before| before.reason != gap.reason) {
            self.findings.push(Finding::Announced(gap.clone()));
        }
        if gap.reason == "too_large" {
            return self.too_large(history, gap, at, time_ms);
        }
        match (&gap.next, &gap.own_id) {
            (Some(_), Some(_)) => self.breach(format!("a gap before an entry carries an id: {gap:?}")),
            (None, None) => self.breach(format!("a gap with nothing after it carries no id: {gap:?}")),
            _ => {}
        }
        if let Some(pending) = self.pending.take() {
            self.breach(format!("nothing followed {:?} but another gap: {gap:?}", pending.gap));
            self.whereabouts = pending.before;
        }
        if !self.names_the_place(history, gap, time_ms) {
            self.breach(format!("a gap after a place where the client is not ({:?}): {gap:?}", self.whereabouts));
        }
        let before = std::mem::replace(&mut self.whereabouts, Whereabouts::Unknown);
        if gap.next.is_some() {
            self.pending = Some(Pending { gap: gap.clone(), at_ms: time_ms, before });
            return;
        }
        let Some(at) = at else { return };
        let incarnations = time_ms.map_or(vec![history.present()], |now| history.around(now));
        let places = history.resolve(at, &incarnations, time_ms.unwrap_or(u64::MAX));
        if time_ms.is_some() {
            self.rule(history, gap, time_ms, &before, &places);
        }
        self.whereabouts = Whereabouts::At(places);
        self.placeless = false;
    }

    /// What a gap calls the last position that was certainly delivered must be where the client is.
    fn names_the_place(&self, history: &History, gap: &Gap, time_ms: Option<u64>) -> bool {
        match (&self.whereabouts, gap.after.as_deref()) {
            (Whereabouts::Unknown, _) => true,
            // Nothing has been promised yet.
            (Whereabouts::New, after) => after.is_none(),
            (Whereabouts::At(_), None) => self.placeless || gap.reason == "unknown_position",
            // An incarnation that is no longer remembered has nothing to compare.
            (Whereabouts::At(places), Some(_))
                if places.iter().all(|at| history.incarnation(at.incarnation).is_none()) =>
            {
                true
            }
            (Whereabouts::At(places), Some(after)) => {
                let named = places_of(history, after, time_ms);
                named.iter().any(|named| places.iter().any(|place| history.is_nothing_between(*place, *named)))
            }
        }
    }

    fn rule(&mut self, history: &History, gap: &Gap, at: Option<u64>, before: &Whereabouts, found: &[Place]) {
        let told = ToldGap { gap, at, placeless: self.placeless, max_behind_ms: self.max_behind_ms };
        match told.rule(history, before, found) {
            Ok(ruling) => self.findings.push(Finding::Ruled(gap.clone(), ruling)),
            Err(breach) => self.breach(breach),
        }
    }

    /// A gap in place of one entry. The same is told to everybody, so that it need not know what came before.
    fn too_large(&mut self, history: &History, gap: &Gap, at: Option<Position>, time_ms: Option<u64>) {
        let named = gap.entry.as_deref().and_then(|id| id.parse().ok()).map(Position::At);
        let over = |number: usize| {
            let Position::At(id) = named.or(at)? else { return None };
            let entry = history.incarnation(number)?.find(id)?;
            entry.too_large.then_some(Place::behind(number, id))
        };
        let found: Vec<Place> = history.numbers().filter_map(over).collect();
        if found.is_empty() {
            return self.breach(format!("no over-limit entry stands where this gap is: {gap:?}"));
        }
        let after = gap.after.as_deref().map(|after| places_of(history, after, time_ms));
        let is_forgotten = |to: &Place, after: &Place| {
            history.incarnation(to.incarnation).is_some_and(|incarnation| incarnation.forgot_behind(after.id))
        };
        let follows = |after: &Place| found.iter().any(|to| history.follows(*after, *to) || is_forgotten(to, after));
        if after.is_some_and(|after| !after.iter().any(follows)) {
            self.breach(format!("a gap after a place that is not right before its entry: {gap:?}"));
        }
        self.findings.push(Finding::Ruled(gap.clone(), Ruling::EntryTooLarge));
        self.arrive(history, "an over-limit entry", &found);
    }

    fn breach(&mut self, what: String) {
        self.findings.push(Finding::Breach(what));
    }
}

/// Where a reader is who is told this text as a position of one channel. Nowhere if it is none.
fn places_of(history: &History, position: &str, time_ms: Option<u64>) -> Vec<Place> {
    let incarnations = time_ms.map_or(history.numbers().collect(), |now| history.around(now));
    let resolve = |position| history.resolve(position, &incarnations, time_ms.unwrap_or(u64::MAX));
    Position::parse(position).map_or(Vec::new(), resolve)
}

/// What is wrong with coming to one of `found` without a gap; `None` if nothing is.
fn missing(history: &History, before: &Whereabouts, found: &[Place]) -> Option<String> {
    let Whereabouts::At(places) = before else { return None };
    if places.iter().any(|&from| found.iter().any(|&to| history.follows(from, to))) {
        return None;
    }
    let last = found[found.len() - 1];
    let starts = places.iter().filter_map(|at| history.translate(*at, last.incarnation));
    Some(match starts.max_by_key(|start| start.id) {
        Some(start) if last.id <= start.id => "twice or out of order".to_owned(),
        Some(start) => {
            let incarnation = history.incarnation(last.incarnation);
            let skipped = incarnation.map_or(0, |incarnation| incarnation.required(start.id, last.id).count());
            format!("after {skipped} entries that are missing")
        }
        None if places.iter().any(|at| at.incarnation > last.incarnation) => {
            "from an earlier incarnation of the stream".to_owned()
        }
        None => "from another incarnation of the stream without a gap".to_owned(),
    })
}

#[cfg(test)]
mod tests;
