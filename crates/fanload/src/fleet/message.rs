//! What the conductor and a worker say to each other after the [`Plan`](super::Plan): one JSON object a line.

use serde::{Deserialize, Serialize};

use crate::disturbances::Disturbances;
use crate::integrity::Integrity;
use crate::publish::Span;

/// What the conductor asks for. The end of the worker's input ends the worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Order {
    /// Have this many connections in all. Answer: [`Answer::Opened`].
    Open(usize),
    /// Forget latencies and the count of measured deliveries. Answer: [`Answer::Measuring`].
    Measure,
    /// Say when each connection has this event of each of its channels. Answer: [`Answer::Reached`]. A new watch
    /// replaces the one before.
    Watch {
        /// The event's number in its channel.
        sequence: u64,
        /// Whether slow connections count.
        slow: bool,
    },
    /// Cut all connections and stay away. Answer: [`Answer::Cut`].
    CutAll,
    /// Let all that are away come back now.
    Return,
    /// Say when all connections are primed at the same time. Answer: [`Answer::Gathered`].
    Gather,
    /// From now on cut this many random connections a second; each comes back by itself. 0 ends it.
    Churn(f64),
    /// Whether slow connections are slow from now on, or read as fast as the others. They are at first.
    Slow(bool),
    /// These events may be missing, or come late. Answer: [`Answer::Excused`].
    Excuse(Vec<Span>),
    /// Answer: [`Answer::Report`].
    Report,
}

/// What a worker says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// All connections asked for have been primed once.
    Opened,
    /// All connections have the event that was watched for.
    Reached(u64),
    /// All connections are cut.
    Cut,
    /// All connections are primed.
    Gathered,
    /// What comes from now on is measured.
    Measuring,
    /// What shall not count as lost does not.
    Excused,
    /// Everything so far.
    Report(Box<Report>),
    /// How it goes, unasked, about once a second.
    Progress(Progress),
    /// The worker cannot go on and ends.
    Failed(String),
}

/// How it goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Connections that are primed now.
    pub live: usize,
    /// Events received so far.
    pub delivered: u64,
    /// The last thing that went wrong.
    pub trouble: Option<String>,
}

/// Everything so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The verdict, except for what is silent.
    pub integrity: Integrity,
    /// What happened to connections.
    pub disturbances: Disturbances,
    /// Deliveries since the last [`Order::Measure`].
    pub measured: u64,
    /// Pairs of connection and channel that have not got what is watched for.
    pub behind: u64,
    /// Connections that are primed now.
    pub live: usize,
    /// The last thing that went wrong.
    pub trouble: Option<String>,
    /// Latencies since the last [`Order::Measure`], in microseconds: value and how often.
    pub latencies: Vec<(u64, u64)>,
}
