//! What holds for the channels of one pattern, as a table `[[channels]]` says it.

use std::fmt;

use fanfare_protocol::Pattern;

use super::tables::TableKey;
use super::value::{Span, Value, quoted};

/// The name of the tables.
pub(super) const SECTION: &str = "channels";

/// Their keys. All are required.
pub(super) const KEYS: [TableKey; 2] = [
    TableKey {
        name: "match",
        kind: "pattern",
        default: "required",
        doc: "Names of channels, without `redis.prefix`. `*` stands for any characters, also none: `user:*`.",
    },
    TableKey {
        name: "min_life",
        kind: "duration",
        default: "required",
        doc: "Your promise that no Stream of these channels ends, by expiry, `DEL` or eviction, sooner than this after its last entry, and that \
                  it has been so for as long. A client that was away from a channel without a Stream for less than this, less a minute for \
                  clocks, hears of no gap; without a promise that is 60 s. A node sees by `PTTL` where it is not kept, says so and \
                  falls back to 60 s for that channel. See [absences](protocol.md#channels-without-a-stream) for what has to be true.",
    },
];

/// What holds for the channels of one pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelRule {
    /// The names that it concerns.
    pub pattern: Pattern,
    /// How long their streams live at least after their last entry.
    pub min_life: Span,
}

/// As the file would say it.
impl fmt::Display for ChannelRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "[[{SECTION}]]\nmatch = {}\nmin_life = {}", quoted(self.pattern.as_str()), self.min_life.show())
    }
}
