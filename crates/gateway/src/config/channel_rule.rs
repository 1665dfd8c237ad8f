//! What holds for the channels of one pattern, as a table `[[channels]]` says it.

use std::fmt;

use fanfare_protocol::Pattern;

use super::tables::TableKey;
use super::value::{Span, Value, quoted};

/// The name of the tables.
pub(super) const SECTION: &str = "channels";

/// Their keys. `match` is required, and one of the others.
pub(super) const KEYS: [TableKey; 3] = [
    TableKey {
        name: "match",
        kind: "pattern",
        default: "required",
        doc: "Names of channels, without `redis.prefix`. `*` stands for any characters, also none: `user:*`.",
    },
    TableKey {
        name: "min_life",
        kind: "duration",
        default: "no promise",
        doc: "Your promise that no Stream of these channels ends, by expiry, `DEL` or eviction, sooner than this after its last entry, and that \
                  it has been so for as long. A client that was away from a channel without a Stream for less than this, less a minute for \
                  clocks, hears of no gap; without a promise that is 60 s. A node sees by `PTTL` where it is not kept, says so and \
                  falls back to 60 s for that channel. See [absences](protocol.md#channels-without-a-stream) for what has to be true.",
    },
    TableKey {
        name: "occupancy",
        kind: "true or false",
        default: "`false`",
        doc: "Count how many read these channels, on all nodes: `GET /channels/{channel}` says it, `/status` too, and `$occupancy` tells \
              streams that ask for it. `false` excepts channels from a table further down. See [how many read a channel](protocol.md#how-many-read-a-channel), and \
              [what it costs](operations.md#counting-readers).",
    },
];

/// What holds for the channels of one pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelRule {
    /// The names that it concerns.
    pub pattern: Pattern,
    /// How long their streams live at least after their last entry, if that is promised here.
    pub min_life: Option<Span>,
    /// Whether their readers are counted, if that is said here.
    pub occupancy: Option<bool>,
}

/// As the file would say it.
impl fmt::Display for ChannelRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "[[{SECTION}]]\nmatch = {}", quoted(self.pattern.as_str()))?;
        if let Some(min_life) = self.min_life {
            writeln!(f, "min_life = {}", min_life.show())?;
        }
        self.occupancy.map_or(Ok(()), |occupancy| writeln!(f, "occupancy = {occupancy}"))
    }
}
