//! The verdict on what one client saw of one channel: the guarantee, word for word. The durable events that it saw
//! are a contiguous run of the channel's stream, in order, none missing, none twice, or an explicit `$gap` stands
//! where something could not be delivered; and no gap stands where nothing was withheld.

use std::net::SocketAddr;

use crate::judge::Judge;
use crate::{Client, Gap, Ledger};

/// What a test expects beyond the guarantee itself.
#[derive(Clone, Debug, Default)]
pub struct Expect {
    start: Start,
    pub(crate) gaps: Gaps,
    pub(crate) incomplete: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Gaps {
    Exactly(Vec<&'static str>),
    AnyJustified,
}

impl Default for Gaps {
    fn default() -> Self {
        Self::Exactly(Vec::new())
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Start {
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
        self.gaps = Gaps::Exactly(reasons.to_vec());
        self
    }

    /// As many gaps as there may be, each where something could not be delivered, or at least could not be proven to be
    /// contiguous: behind a place whose own entry was trimmed, an entry of a plain producer names no predecessor.
    pub fn with_justified_gaps(mut self) -> Self {
        self.gaps = Gaps::AnyJustified;
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
    let alone = client.channels().len() == 1;
    let mut judge = Judge::new(&history, alone, matches!(expect.gaps, Gaps::AnyJustified));
    judge.begin(client.seen(), expect.start);
    client.seen().iter().for_each(|sight| judge.take(sight, channel));
    judge.finish(expect)
}

/// Resumes `client` on `address`, reads to the newest entry of the ledger, and asserts the guarantee.
#[track_caller]
pub fn resume_and_check(client: &mut Client, address: SocketAddr, ledger: &Ledger, channel: &str, expect: &Expect) {
    client.connect(address).expect("the node accepts");
    let last = ledger.entries(channel).pop().expect("something was published");
    client.read_until("the newest entry", |client| client.data().contains(&last.data.as_str()));
    check(client, ledger, channel, expect).assert_kept();
}
