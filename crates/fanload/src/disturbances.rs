//! What happened to connections without being asked for.

use serde::{Deserialize, Serialize};

/// What happened to connections, over all of them, that the scenario did not ask for. None of it is a breach: clients come
/// back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disturbances {
    /// A connect failed.
    pub unreachable: u64,
    /// `200` with `retry:` and then the end, or a `429` or `5xx`.
    pub refused: u64,
    /// The server ended the stream in order.
    pub ended: u64,
    /// The connection broke.
    pub reset: u64,
    /// No answer, or no position, within the deadline.
    pub timed_out: u64,
}

impl Disturbances {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.unreachable + self.refused + self.ended + self.reset + self.timed_out
    }

    /// Adds what happened to another part of the connections.
    pub fn add(&mut self, other: &Self) {
        self.unreachable += other.unreachable;
        self.refused += other.refused;
        self.ended += other.ended;
        self.reset += other.reset;
        self.timed_out += other.timed_out;
    }
}
