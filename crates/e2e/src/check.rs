//! The verdict on what one client saw of one channel: the guarantee, word for word. The durable events that it saw
//! are a contiguous run of the channel's stream, in order, none missing, none twice, or an explicit `$gap` stands
//! where something could not be delivered; and no gap stands where nothing was withheld.

use std::net::SocketAddr;

use crate::ledger::{Fact, History, parse_id};
use crate::{Client, Dispatch, Gap, Ledger, Sight};

/// What a test expects beyond the guarantee itself.
#[derive(Clone, Debug, Default)]
pub struct Expect {
    start: Start,
    gaps: Vec<&'static str>,
    incomplete: bool,
}

#[derive(Clone, Copy, Debug, Default)]
enum Start {
    /// The Last-Event-ID first sent, or else the first priming id. Needs a client of one channel.
    #[default]
    Position,
    /// So many entries of the first incarnation are behind the client.
    After(usize),
}

impl Expect {
    /// From the client's first position to the last entry published, without any gap.
    pub fn everything() -> Self {
        Self::default()
    }

    /// Exactly these gaps, by reason, in this order.
    pub fn with_gaps(mut self, reasons: &[&'static str]) -> Self {
        self.gaps = reasons.to_vec();
        self
    }

    /// The client's first position lies after so many entries of the ledger.
    pub fn starting_after(mut self, entries: usize) -> Self {
        self.start = Start::After(entries);
        self
    }

    /// The client need not have seen the last entries.
    pub fn so_far(mut self) -> Self {
        self.incomplete = true;
        self
    }
}

/// The result of [`check`].
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Number of durable events judged.
    pub events: usize,
    /// Gaps met on the channel, a gap repeated after a reconnect counted once.
    pub gaps: Vec<Gap>,
    /// What was wrong; empty if the guarantee was kept.
    pub violations: Vec<String>,
}

impl Verdict {
    /// Panics with the violations, if there are any.
    #[track_caller]
    pub fn assert_kept(&self) {
        let shown: Vec<&String> = self.violations.iter().take(10).collect();
        assert!(shown.is_empty(), "{} violations of the guarantee: {shown:#?}", self.violations.len());
    }
}

/// Judges what `client` saw of `channel`.
pub fn check(client: &Client, ledger: &Ledger, channel: &str, expect: &Expect) -> Verdict {
    let history = ledger.history(channel);
    let others = client.channels().len() > 1;
    let mut judge = Judge { history: &history, exact_ids: !others, ..Judge::new(&history) };
    judge.places = judge.start(client.seen(), expect.start);
    for sight in client.seen() {
        match sight {
            Sight::Event(event) => judge.event(event),
            Sight::Gap(gap) if gap.channel == channel => judge.gap(gap),
            Sight::Connected(_) => judge.reconnected = true,
            _ => {}
        }
    }
    judge.finish(expect)
}

/// A place in the history: so many entries of that incarnation are behind the reader.
type Place = (usize, usize);

struct Judge<'a> {
    history: &'a History,
    exact_ids: bool,
    /// Where the client can be; several where incarnations share their beginning. `None`: unknown, told by a gap.
    places: Option<Vec<Place>>,
    pending: Option<(Gap, Option<Vec<Place>>)>,
    reconnected: bool,
    verdict: Verdict,
}

impl<'a> Judge<'a> {
    fn new(history: &'a History) -> Self {
        let verdict = Verdict::default();
        Self { history, exact_ids: true, places: None, pending: None, reconnected: false, verdict }
    }

    fn start(&self, seen: &[Sight], start: Start) -> Option<Vec<Place>> {
        if let Start::After(entries) = start {
            return Some(vec![(0, entries)]);
        }
        let first = seen.iter().find_map(|sight| match sight {
            Sight::Connected(id) | Sight::Place(id) if !id.is_empty() => Some(id.as_str()),
            _ => None,
        });
        Some(vec![self.place_of(0, first?)])
    }

    fn place_of(&self, incarnation: usize, position: &str) -> Place {
        let passed = |id| self.history[incarnation].partition_point(|fact| parse_id(&fact.id) <= Some(id));
        (incarnation, parse_id(position).map_or(0, passed))
    }

    fn event(&mut self, event: &Dispatch) {
        let found = self.places_after(&event.data);
        let Some(&(incarnation, next)) = found.last() else {
            if self.exact_ids && event.own_id.is_some() {
                self.violation(format!("an entry that nobody published: {event:?}"));
            }
            return;
        };
        self.verdict.events += 1;
        let fact = &self.history[incarnation][next - 1];
        if self.exact_ids && event.own_id.as_deref() != Some(&fact.id) {
            self.violation(format!("{:?} has the id {:?}, not {}", fact.data, event.own_id, fact.id));
        }
        match self.pending.take() {
            Some((gap, before)) => self.after_gap(&gap, before.as_deref(), &found, fact),
            None => self.after_entry(&found, fact),
        }
        let places = self.places.take();
        let here = places.iter().flatten().flat_map(|&place| self.reach(place, &found)).collect::<Vec<_>>();
        self.places = Some(if here.is_empty() { found } else { here });
        self.reconnected = false;
    }

    /// Every place right behind an entry with this data.
    fn places_after(&self, data: &str) -> Vec<Place> {
        let entries = |(i, facts): (usize, &'a Vec<Fact>)| facts.iter().enumerate().map(move |(n, fact)| (i, n, fact));
        let all = self.history.iter().enumerate().flat_map(entries);
        all.filter(|(_, _, fact)| fact.data == data && !fact.too_large).map(|(i, n, _)| (i, n + 1)).collect()
    }

    /// Which of `targets` are one entry further than `from`, where the same entry in a later incarnation counts as
    /// the same place and retracted entries need not be seen.
    fn reach(&self, from: Place, targets: &[Place]) -> Vec<Place> {
        let mut starts = vec![from];
        if let Some(last) = from.1.checked_sub(1).map(|index| &self.history[from.0][index]) {
            for later in from.0 + 1..self.history.len() {
                let same = self.history[later].iter().position(|fact| (&fact.id, &fact.data) == (&last.id, &last.data));
                starts.extend(same.map(|index| (later, index + 1)));
            }
        }
        let next = |(incarnation, behind): Place| {
            let rest = self.history[incarnation].get(behind..).unwrap_or_default();
            (incarnation, behind + rest.iter().take_while(|fact| fact.retracted).count() + 1)
        };
        let reached: Vec<Place> = starts.into_iter().map(next).collect();
        targets.iter().copied().filter(|target| reached.contains(target)).collect()
    }

    fn after_entry(&mut self, found: &[Place], fact: &Fact) {
        let Some(places) = self.places.clone() else { return };
        if places.iter().any(|&place| !self.reach(place, found).is_empty()) {
            return;
        }
        let (incarnation, behind) = places[0];
        let what = match found.iter().find(|place| place.0 == incarnation) {
            Some(&(_, next)) if next <= behind => "twice or out of order".to_owned(),
            Some(&(_, next)) => format!("after {} entries that are missing", next - 1 - behind),
            None => "from another incarnation without a gap".to_owned(),
        };
        self.violation(format!("{:?} ({}) came {what}; {behind} entries were behind the client", fact.data, fact.id));
    }

    fn gap(&mut self, gap: &Gap) {
        let repeated = self.reconnected && self.pending.as_ref().is_some_and(|(before, _)| before.reason == gap.reason);
        if !repeated {
            self.verdict.gaps.push(gap.clone());
        }
        if gap.reason == "too_large" {
            return self.too_large(gap);
        }
        match (&gap.next, &gap.own_id) {
            (Some(_), Some(_)) => self.violation(format!("a gap before an entry carries an id: {gap:?}")),
            (None, None) => self.violation(format!("a gap with nothing after it carries no id: {gap:?}")),
            _ => {}
        }
        let before = self.places.take();
        if gap.next.is_some() {
            self.pending = Some((gap.clone(), before));
        } else if let (Some(id), true) = (&gap.own_id, self.exact_ids) {
            self.places = Some(vec![self.place_of(self.history.len() - 1, id)]);
        }
    }

    fn too_large(&mut self, gap: &Gap) {
        let Some((incarnation, behind)) = self.places.as_ref().and_then(|places| places.last().copied()) else {
            return;
        };
        match self.history[incarnation].get(behind).filter(|fact| fact.too_large) {
            Some(fact) if !self.exact_ids || gap.own_id.as_deref() == Some(&fact.id) => {
                self.places = Some(vec![(incarnation, behind + 1)]);
            }
            _ => self.violation(format!("no over-limit entry stands where this gap is: {gap:?}")),
        }
    }

    fn after_gap(&mut self, gap: &Gap, before: Option<&[Place]>, found: &[Place], fact: &Fact) {
        if gap.next.as_deref() != Some(&fact.id) {
            self.violation(format!("the gap announced {:?}, then came {}", gap.next, fact.id));
        }
        let Some(before) = before else { return };
        let (incarnation, behind) = before[0];
        let Some(&(_, next)) = found.iter().rfind(|place| place.0 == incarnation) else { return };
        if found.iter().any(|place| place.0 > incarnation) {
            return;
        }
        let skipped = self.history[incarnation].get(behind..next - 1);
        match skipped {
            None => self.violation(format!("after {gap:?} the client went back to {}", fact.id)),
            Some([]) => self.violation(format!("a false gap, nothing is missing: {gap:?}")),
            Some(skipped) if gap.reason == "trimmed" => {
                if let Some(kept) = skipped.iter().find(|fact| !fact.gone) {
                    self.violation(format!("{gap:?} skipped {}, which the stream still had", kept.id));
                }
            }
            Some(_) => {}
        }
    }

    fn finish(mut self, expect: &Expect) -> Verdict {
        let reasons: Vec<&str> = self.verdict.gaps.iter().map(|gap| gap.reason.as_str()).collect();
        if reasons != expect.gaps {
            let gaps = format!("{:?}", self.verdict.gaps);
            self.violation(format!("expected the gaps {:?}, met {gaps}", expect.gaps));
        }
        if let Some((gap, _)) = &self.pending {
            self.verdict.violations.push(format!("nothing followed {gap:?}"));
        }
        if !expect.incomplete {
            let last = self.history.len() - 1;
            let end = self.history[last].iter().rposition(|fact| !fact.retracted).map_or(0, |index| index + 1);
            let places = self.places.clone().unwrap_or_default();
            let at_end = |&(incarnation, behind): &Place| {
                (incarnation == last && behind >= end)
                    || (end > 0 && !self.reach((incarnation, behind.saturating_sub(1)), &[(last, end)]).is_empty())
            };
            if !places.iter().any(at_end) {
                self.violation(format!("the last of {end} entries was not seen; the client is at {places:?}"));
            }
        }
        self.verdict
    }

    fn violation(&mut self, what: String) {
        self.verdict.violations.push(what);
    }
}

/// Resumes `client` on `address`, reads to the newest entry of the ledger, and asserts the guarantee.
#[track_caller]
pub fn resume_and_check(client: &mut Client, address: SocketAddr, ledger: &Ledger, channel: &str, expect: &Expect) {
    client.connect(address).expect("the node accepts");
    let last = ledger.entries(channel).pop().expect("something was published");
    client.read_until("the newest entry", |client| client.data().contains(&last.data.as_str()));
    check(client, ledger, channel, expect).assert_kept();
}
