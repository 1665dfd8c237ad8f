//! The kinds of load.

use serde::{Deserialize, Serialize};

/// One kind of load. [`Parameters::of`](super::Parameters::of) has the size of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Scenario {
    /// Opens connections and leaves them idle: memory of each, and how fast they are accepted.
    Hold,
    /// One channel, all connections; the next event when all have the last one: CPU per delivery.
    Fanout,
    /// Events as fast as they can be published: deliveries per CPU second.
    Burst,
    /// Events at a fixed rate: latency.
    Rate,
    /// One subscriber on each of many channels: CPU per delivery.
    Many,
    /// All connections are cut, events are published, all come back at once with their old position.
    Storm,
    /// Random cuts while events are published: integrity.
    Churn,
    /// A share of the clients reads a few bytes a second: integrity, and the latency of the others.
    Slow,
    /// A fixed rate with cuts and slow readers, for long.
    Soak,
    /// One channel with all the connections that one worker can hold, at a fixed rate.
    Full,
    /// Many channels on few connections: memory of each, and the time to follow them again after Redis closed the feed.
    Channels,
    /// Few large events to many connections: memory.
    Large,
    /// Requests for a page of history by `h2load`, in `fanload bench` only.
    Requests,
}

impl Scenario {
    /// Its name on the command line.
    pub fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }
}
