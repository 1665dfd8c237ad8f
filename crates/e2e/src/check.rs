//! The verdict on what one client saw of one channel: the guarantee, word for word. The durable events that it saw
//! are a contiguous run of the channel's stream, in order, none missing, none twice, or an explicit `$gap` stands
//! where something could not be delivered; and no gap stands where nothing was withheld.

use std::net::SocketAddr;

use crate::fact::Place;
use crate::history::History;
use crate::judge::{Finding, Judge, Standing, Step};
use crate::ruling::Ruling;
use crate::{Client, Gap, Ledger, Sight};

/// What a test expects beyond the guarantee itself.
#[derive(Clone, Debug, Default)]
pub struct Expect {
    start: Start,
    /// Their reasons.
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
    ledger.with(channel, |history| {
        let mut verdict = Verdict::default();
        let standing = start(history, client, expect.start);
        let mut judge = Judge::new(client.channels().len() == 1, standing);
        for step in client.seen().iter().filter_map(|sight| step_of(sight, channel)) {
            let findings = judge.take(history, &step, None);
            findings.into_iter().for_each(|finding| verdict.note(finding));
        }
        verdict.finish(history, &judge, expect);
        verdict
    })
}

/// What a sight means for one channel; `None` if nothing.
fn step_of(sight: &Sight, channel: &str) -> Option<Step> {
    match sight {
        Sight::Connected(id) => Some(Step::Connected(id.clone())),
        Sight::Place(id) => Some(Step::Place(id.clone())),
        Sight::Event(event) => Some(Step::Event { data: event.data.clone(), own_id: event.own_id.clone() }),
        Sight::Gap(gap) if gap.channel == channel => Some(Step::Gap(gap.clone())),
        _ => None,
    }
}

fn start(history: &History, client: &Client, start: Start) -> Standing {
    match start {
        Start::Position if client.channels().len() == 1 => Standing::New,
        // Nothing tells where it began, so nothing can be said about what came first.
        Start::Position => Standing::Unknown,
        Start::After(entries) => {
            let facts = history.life(0).map(|life| &life.facts);
            let last = entries.checked_sub(1).and_then(|index| facts?.get(index));
            Standing::At(vec![Place { life: 0, id: last.map_or((0, 0), |fact| fact.key) }])
        }
    }
}

impl Verdict {
    fn note(&mut self, finding: Finding) {
        match finding {
            Finding::Event => self.events += 1,
            Finding::Announced(gap) => self.gaps.push(gap),
            Finding::Breach(what) => self.violations.push(what),
            Finding::Ruled(gap, ruling) => match ruling {
                Ruling::Wide => self.violations.push(format!("{gap:?} skipped an entry which the stream still had")),
                ruling if ruling.is_justified() => {}
                _ => self.violations.push(format!("a false gap, nothing is missing: {gap:?}")),
            },
        }
    }

    fn finish(&mut self, history: &History, judge: &Judge, expect: &Expect) {
        let reasons: Vec<&str> = self.gaps.iter().map(|gap| gap.reason.as_str()).collect();
        if reasons != expect.gaps {
            self.violations.push(format!("expected the gaps {:?}, met {:?}", expect.gaps, self.gaps));
        }
        if let Some(gap) = judge.pending() {
            self.violations.push(format!("nothing followed {gap:?}"));
        }
        let last = history.present();
        let end = |place: &Place| {
            let mut left = history.present_life().required(place.id, (u64::MAX, u64::MAX));
            history.stands_in(*place, last) && left.next().is_none()
        };
        let arrived = matches!(judge.standing(), Standing::At(places) if places.iter().any(end));
        if !expect.incomplete && !arrived {
            let count = history.present_life().facts.len();
            let standing = judge.standing();
            self.violations.push(format!("the last of {count} entries was not seen; the client is at {standing:?}"));
        }
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
