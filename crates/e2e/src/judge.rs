//! Follows one client's story of one channel, step by step, and objects.

use crate::Gap;
use crate::fact::{Fact, Place, parse_id};
use crate::history::History;
use crate::newest::{predecessor, withheld};
use crate::ruling::{Ruling, Told, rule};

/// One thing that happened to a client on one channel.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// It connected, naming this position of the channel (empty: none).
    Connected(String),
    /// A block without data moved its place on the channel here.
    Place(String),
    /// An event with this data came.
    Event { data: String, own_id: Option<String> },
    /// A `$gap` of this channel came.
    Gap(Gap),
}

/// What the judge says about a step.
#[derive(Clone, Debug)]
pub(crate) enum Finding {
    /// A durable event was judged.
    Event,
    /// A gap was announced that had not been announced before.
    Announced(Gap),
    /// What a gap was worth, known when its entry has come.
    Ruled(Gap, Ruling),
    /// The guarantee was broken.
    Breach(String),
}

/// What is known about where the client is.
#[derive(Clone, Debug)]
pub(crate) enum Standing {
    /// It has no position yet.
    New,
    /// Told by a gap that its place is unknown.
    Unknown,
    /// At one of these places; several where lives share their beginning.
    At(Vec<Place>),
}

/// The state of one story.
#[derive(Debug)]
pub(crate) struct Judge {
    exact_ids: bool,
    /// How old the next event may be for a client that is told that it lags, in milliseconds.
    max_behind_ms: Option<u64>,
    /// How many of the newest entries it asked for on its first connect.
    newest: Option<u64>,
    /// When its present connection began.
    connected_ms: Option<u64>,
    /// Its present connection began without a place on this channel, and has not given it one yet.
    placeless: bool,
    standing: Standing,
    /// A gap whose entry has not come yet, when it came, and where the client was before it.
    pending: Option<(Gap, Option<u64>, Standing)>,
    /// A gap that was told right before the connection ended: the client's place is still the one before it.
    withdrawn: Option<Gap>,
    findings: Vec<Finding>,
}

impl Judge {
    /// `exact_ids`: the ids in the steps are those of this channel's stream.
    pub(crate) fn new(exact_ids: bool, standing: Standing) -> Self {
        Self {
            exact_ids,
            max_behind_ms: None,
            newest: None,
            connected_ms: None,
            placeless: false,
            standing,
            pending: None,
            withdrawn: None,
            findings: Vec::new(),
        }
    }

    /// The client may be told that it lags when its next event is older than this.
    pub(crate) fn with_max_behind_ms(self, limit: u64) -> Self {
        Self { max_behind_ms: Some(limit), ..self }
    }

    /// The client asks for so many of the newest entries on its first connect.
    pub(crate) fn with_newest(self, count: Option<u64>) -> Self {
        Self { newest: count, ..self }
    }

    /// Where the client is.
    pub(crate) fn standing(&self) -> &Standing {
        &self.standing
    }

    /// A gap that nothing has followed yet.
    pub(crate) fn pending(&self) -> Option<&Gap> {
        self.pending.as_ref().map(|(gap, _, _)| gap)
    }

    /// Judges the next step. `time_ms` is when the client saw it, in a run where time matters.
    pub(crate) fn take(&mut self, history: &mut History, step: &Step, time_ms: Option<u64>) -> Vec<Finding> {
        match step {
            Step::Connected(id) => {
                if let Some((gap, _, before)) = self.pending.take() {
                    // It carried no id. The next connection repeats it, or a better informed node needs none.
                    self.withdrawn = Some(gap);
                    self.standing = before;
                }
                self.connected_ms = time_ms;
                self.placeless = id.is_empty();
                self.begin(history, id, time_ms);
            }
            Step::Place(id) => {
                self.begin(history, id, time_ms);
                self.placeless &= id.is_empty();
            }
            Step::Event { data, own_id } => self.event(history, data, own_id.as_deref(), time_ms),
            Step::Gap(gap) => self.gap(history, gap, time_ms),
        }
        std::mem::take(&mut self.findings)
    }

    /// The first position: from here on the guarantee holds.
    fn begin(&mut self, history: &History, id: &str, time_ms: Option<u64>) {
        if id.is_empty() || !matches!(self.standing, Standing::New) {
            return;
        }
        let lives = time_ms.map_or(vec![0], |now| history.around(now));
        let places = if self.exact_ids { history.resolve(id, &lives) } else { return };
        self.check_newest(history, &places, time_ms);
        self.standing = Standing::At(places);
    }

    /// The client begins at one of `places`. If it asked for the newest entries, as many must follow as the stream had.
    fn check_newest(&mut self, history: &History, places: &[Place], time_ms: Option<u64>) {
        let (Some(wanted), Some(now)) = (self.newest.take(), time_ms) else { return };
        if let Some(kept) = places
            .iter()
            .map(|place| withheld(history, *place, wanted, self.connected_ms.unwrap_or(now), now))
            .min()
            .flatten()
        {
            let (ms, seq) = kept;
            self.breach(format!(
                "the newest {wanted} were asked for; the client begins at {places:?}, behind {ms}-{seq}"
            ));
        }
    }

    fn event(&mut self, history: &mut History, data: &str, own_id: Option<&str>, time_ms: Option<u64>) {
        let mut found = history.places(data);
        let exact = own_id.and_then(parse_id).filter(|_| self.exact_ids);
        if let (Some(key), Some(id)) = (exact, own_id)
            && history.is_doubted(data)
            && !found.iter().any(|place| place.id == key)
        {
            // A client has seen it, so it was there; others may have read what was there after it was lost.
            history.insert(history.life_of(key), Fact { retracted: true, ..Fact::new(id, data) });
            found = history.places(data);
        }
        if found.is_empty() {
            // In a test, a client of several channels also sees what belongs to the others. In a run where time matters, each
            // event comes to the judge of its own channel.
            if own_id.is_some() && (self.exact_ids || time_ms.is_some()) {
                self.breach(format!("an entry that nobody published: {data:?} with the id {own_id:?}"));
            }
            return;
        }
        self.findings.push(Finding::Event);
        if let (true, Some(last)) = (self.exact_ids, found.last().copied()) {
            found.retain(|place| exact == Some(place.id));
            if found.is_empty() {
                let (ms, seq) = last.id;
                self.breach(format!("{data:?} has the id {own_id:?}, not {ms}-{seq}"));
                found.push(last);
            }
        }
        if matches!(self.standing, Standing::New) {
            let before = |place: &Place| Place { id: predecessor(place.id), ..*place };
            self.check_newest(history, &found.iter().map(before).collect::<Vec<_>>(), time_ms);
        }
        self.arrive(history, data, &found);
    }

    /// The client has come to one of these places.
    fn arrive(&mut self, history: &History, data: &str, found: &[Place]) {
        let before = std::mem::replace(&mut self.standing, Standing::Unknown);
        let from = match self.pending.take() {
            Some((gap, at, told_at)) => {
                match rule(history, &self.told(&gap, at), &told_at, found) {
                    Ok(ruling) => self.findings.push(Finding::Ruled(gap, ruling)),
                    Err(breach) => self.breach(breach),
                }
                Standing::Unknown
            }
            None => {
                if let Some(what) = missing(history, &before, found) {
                    let (ms, seq) = found[found.len() - 1].id;
                    self.breach(format!("{data:?} ({ms}-{seq}) came {what}; the client was at {before:?}"));
                }
                before
            }
        };
        let reached = |to: &&Place| match &from {
            Standing::At(places) => places.iter().any(|&from| history.follows(from, **to)),
            _ => true,
        };
        let here: Vec<Place> = found.iter().filter(reached).copied().collect();
        self.standing = Standing::At(if here.is_empty() { found.to_vec() } else { here });
        self.withdrawn = None;
        self.placeless = false;
    }

    fn gap(&mut self, history: &History, gap: &Gap, time_ms: Option<u64>) {
        if self.withdrawn.take().is_none_or(|before| before.reason != gap.reason) {
            self.findings.push(Finding::Announced(gap.clone()));
        }
        if gap.reason == "too_large" {
            return self.too_large(history, gap);
        }
        match (&gap.next, &gap.own_id) {
            (Some(_), Some(_)) => self.breach(format!("a gap before an entry carries an id: {gap:?}")),
            (None, None) => self.breach(format!("a gap with nothing after it carries no id: {gap:?}")),
            _ => {}
        }
        let before = std::mem::replace(&mut self.standing, Standing::Unknown);
        if gap.next.is_some() {
            self.pending = Some((gap.clone(), time_ms, before));
            return;
        }
        let Some(id) = gap.own_id.as_deref().filter(|_| self.exact_ids) else { return };
        let lives = time_ms.map_or(vec![history.present()], |now| history.around(now));
        let places = history.resolve(id, &lives);
        if time_ms.is_some() {
            match rule(history, &self.told(gap, time_ms), &before, &places) {
                Ok(ruling) => self.findings.push(Finding::Ruled(gap.clone(), ruling)),
                Err(breach) => self.breach(breach),
            }
        }
        self.standing = Standing::At(places);
        self.placeless = false;
    }

    fn told<'a>(&self, gap: &'a Gap, at: Option<u64>) -> Told<'a> {
        Told { gap, at, placeless: self.placeless, max_behind_ms: self.max_behind_ms }
    }

    fn too_large(&mut self, history: &History, gap: &Gap) {
        let told = gap.entry.as_deref().or(gap.own_id.as_deref()).and_then(parse_id);
        let over = |life: usize| {
            let fact = history.life(life)?.find(told?)?;
            fact.too_large.then_some(Place { life, id: fact.key })
        };
        let found: Vec<Place> = history.numbers().filter_map(over).collect();
        if found.is_empty() {
            return self.breach(format!("no over-limit entry stands where this gap is: {gap:?}"));
        }
        self.findings.push(Finding::Ruled(gap.clone(), Ruling::TooLarge));
        self.arrive(history, "an over-limit entry", &found);
    }

    fn breach(&mut self, what: String) {
        self.findings.push(Finding::Breach(what));
    }
}

/// What is wrong with coming to one of `found` without a gap; `None` if nothing is.
fn missing(history: &History, before: &Standing, found: &[Place]) -> Option<String> {
    let last = found[found.len() - 1];
    match before {
        Standing::New | Standing::Unknown => None,
        Standing::At(places) => {
            if places.iter().any(|&from| found.iter().any(|&to| history.follows(from, to))) {
                return None;
            }
            let at = places.iter().rfind(|at| history.stands_in(**at, last.life));
            Some(match at {
                Some(at) if last.id <= at.id => "twice or out of order".to_owned(),
                Some(at) => {
                    let skipped = history.life(last.life).map_or(0, |life| life.required(at.id, last.id).count());
                    format!("after {skipped} entries that are missing")
                }
                None if places.iter().any(|at| at.life > last.life) => "from an earlier life of the stream".to_owned(),
                None => "from another life of the stream without a gap".to_owned(),
            })
        }
    }
}

#[cfg(test)]
mod tests;
