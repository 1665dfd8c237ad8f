//! What is measured: a scenario at a size, and the figures that are read from it.

use std::time::Duration;

use super::figure::Figure;
use crate::contender::Wire;
use crate::scenario::{Parameters, Scenario};
use crate::target::STREAMS;
use crate::thousands;

/// A scenario at a size.
#[derive(Clone, Debug)]
pub(super) struct Case {
    /// Its name on the command line.
    pub(super) key: String,
    /// The scenario.
    pub(super) scenario: Scenario,
    /// Its size.
    pub(super) parameters: Parameters,
    /// Only Fanfare takes part, since a bare loop has no counterpart for it.
    pub(super) fanfare_only: bool,
    /// Settings of the node that are not its defaults; see [`Place`](crate::contender::Place).
    pub(super) settings: &'static [(&'static str, &'static str)],
    /// What clients and contenders speak.
    pub(super) wire: Wire,
    /// What is read from its outcome.
    pub(super) figures: Vec<Figure>,
}

impl Case {
    /// What is done, in one line.
    pub(super) fn title(&self) -> String {
        let done = self.done();
        match (self.wire.tls, self.wire.http2) {
            (false, false) => done,
            (true, false) => format!("{done}, over TLS"),
            (false, true) => format!("{done}, over HTTP/2 in cleartext: {STREAMS} share a connection"),
            (true, true) if self.scenario == Scenario::Requests => {
                format!("{done}, over HTTP/2 and TLS: four connections with four requests at a time")
            }
            (true, true) => format!("{done}, over HTTP/2 and TLS: {STREAMS} share a connection"),
        }
    }

    fn done(&self) -> String {
        let Parameters { baseline, rate, cuts, slow, .. } = self.parameters;
        let (connections, channels) = (grouped(self.parameters.connections), grouped(self.parameters.channels));
        let events = grouped(self.parameters.events as usize);
        match self.scenario {
            Scenario::Hold => format!("from {} to {connections} idle connections", grouped(baseline)),
            Scenario::Fanout => {
                format!("one channel, {connections} connections, the next event when all have the last")
            }
            Scenario::Burst => format!("{connections} connections, {events} events at once"),
            Scenario::Rate | Scenario::Full => {
                format!("one channel, {connections} connections, {rate} events a second")
            }
            Scenario::Many => format!("{channels} channels with one connection each"),
            Scenario::Storm if self.settings.is_empty() => {
                format!("{connections} connections come back at once, {events} events missed by each")
            }
            Scenario::Storm => {
                "as storm, but the node has forgotten the channel and must read it from Redis".to_owned()
            }
            Scenario::Churn => format!("{connections} connections, {cuts} cuts a second, {rate} events a second"),
            Scenario::Slow | Scenario::Soak => {
                format!("as rate, but {} % of the connections read a few bytes a second", slow * 100.0)
            }
            Scenario::Large => {
                format!("{} KiB to {connections} connections in one event", self.parameters.bytes / 1_024)
            }
            Scenario::Requests => format!("{events} requests by h2load, each for ten events of history"),
            Scenario::Channels => format!("{channels} channels over {connections} connections; Redis closes the feed"),
        }
    }

    /// Smaller where that saves time and changes little.
    pub(super) fn shrink(&mut self) {
        let parameters = &mut self.parameters;
        parameters.duration = parameters.duration.min(Duration::from_secs(3));
        match self.scenario {
            Scenario::Fanout => parameters.events /= 2,
            Scenario::Requests => parameters.events /= 4,
            Scenario::Many => parameters.events /= 4,
            Scenario::Storm => parameters.connections /= 3,
            Scenario::Hold => parameters.connections /= 2,
            Scenario::Large => parameters.connections /= 5,
            Scenario::Channels => {
                parameters.connections /= 5;
                parameters.channels /= 5;
            }
            _ => {}
        }
    }
}

fn grouped(number: usize) -> String {
    thousands::grouped(number as f64, 0)
}
