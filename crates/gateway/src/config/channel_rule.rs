//! What holds for the channels of one pattern, and how its table `[[channels]]` is documented.

use std::fmt;

use fanfare_protocol::Pattern;
use fanfare_protocol::limits::MIN_LIVES_MAX;

use super::value::{Span, Value, quoted};

/// The name of the tables.
pub(super) const SECTION: &str = "channels";
/// What they are about.
pub(super) const SECTION_DOC: &str = "What holds for some channels: a table for each pattern of names, in the configuration file \
     only. The first that matches a channel counts.";

/// One key of such a table. All are required.
pub(super) struct ChannelKey {
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    pub(super) doc: &'static str,
}

pub(super) const KEYS: [ChannelKey; 2] = [
    ChannelKey {
        name: "match",
        kind: "pattern",
        doc: "Names of channels, without `redis.prefix`. `*` stands for any characters, also none: `user:*`.",
    },
    ChannelKey {
        name: "min_life",
        kind: "duration",
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

/// What is said of a table that is one too many.
pub(super) fn too_many() -> String {
    format!("expected at most {MIN_LIVES_MAX} tables [[{SECTION}]]")
}

/// What is said where they stand in another source.
pub(super) fn file_only() -> String {
    format!("tables [[{SECTION}]] stand in the configuration file only")
}

/// As the file would say it.
impl fmt::Display for ChannelRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "[[{SECTION}]]\nmatch = {}\nmin_life = {}", quoted(self.pattern.as_str()), self.min_life.show())
    }
}
