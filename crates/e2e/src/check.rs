//! The verdict on what one client saw of one channel: the guarantee, word for word. The durable events that it saw
//! are a contiguous run of the channel's stream, in order, none missing, none twice, or an explicit `$gap` stands
//! where something could not be delivered; and no gap stands where nothing was withheld.

use std::net::SocketAddr;

use fanfare_oracle::{
    ByChannel, Finding, Gap, History, Judge, Ledger, Observed, Place, Published, Ruling, Whereabouts,
};

use crate::client::Client;

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
    /// The Last-Event-ID first sent, or else the first priming id.
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
        let mut judge = Judge::new(start(history, expect.start));
        let mut channels = ByChannel::new(client.channels());
        let index = channels.index(channel).expect("a channel of the client");
        for observed in client.seen() {
            if is_of_another(observed, client, channel, history) {
                continue;
            }
            // What publishers say without a position is for whoever is connected.
            let (steps, breaches) = channels.sort(observed, |event| {
                let entry = Published::Entry { channel, data: &event.data };
                Ok(if event.own_id.is_some() { entry } else { Published::Ephemeral })
            });
            verdict.violations.extend(breaches);
            for (_, step) in steps.iter().filter(|(of, _)| *of == index) {
                let findings = judge.take(history, step, None);
                findings.into_iter().for_each(|finding| verdict.note(finding));
            }
        }
        verdict.finish(history, &judge, expect);
        verdict
    })
}

/// Whether a client of several channels observed an event of one of the others.
fn is_of_another(observed: &Observed, client: &Client, channel: &str, history: &History) -> bool {
    match observed {
        Observed::Event(event) => client.channels().len() > 1 && history.places(&event.data).is_empty(),
        Observed::Gap(gap) => gap.channel != channel,
        _ => false,
    }
}

fn start(history: &History, start: Start) -> Whereabouts {
    let Start::After(entries) = start else { return Whereabouts::New };
    let first = *history.numbers().start();
    let entries_of_first = history.incarnation(first).map(|incarnation| &incarnation.entries);
    let last = entries.checked_sub(1).and_then(|index| entries_of_first?.get(index));
    Whereabouts::At(vec![last.map_or(Place::beginning(first), |entry| Place::behind(first, entry.id))])
}

impl Verdict {
    fn note(&mut self, finding: Finding) {
        match finding {
            Finding::Event => self.events += 1,
            Finding::Announced(gap) => self.gaps.push(gap),
            Finding::Breach(what) => self.violations.push(what),
            Finding::Ruled(gap, ruling) => match ruling {
                Ruling::FalseTooWide => {
                    self.violations.push(format!("{gap:?} skipped an entry which the stream still had"));
                }
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
        if !expect.incomplete && !judge.is_at_the_end(history) {
            let count = history.present_incarnation().entries.len();
            let whereabouts = judge.whereabouts();
            self.violations.push(format!("the last of {count} entries was not seen; the client is at {whereabouts:?}"));
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
