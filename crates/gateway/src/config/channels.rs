//! The tables `[[channels]]` of the file: what holds for the channels whose names match a pattern. They stand in no other source: an order of
//! tables has no place in variables and flags.

use std::fmt;

use config::ValueKind;
use fanfare_log::{MinLives, Pattern};
use fanfare_protocol::limits::{CHANNEL_PATTERN_BYTES_MAX, MIN_LIFE_MAX, MIN_LIFE_MIN, MIN_LIVES_MAX};

use super::declare::{read, within};
use super::keys::Config;
use super::value::{Span, Value, quoted, text};

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

/// A table as it is read: what is missing is said at the end.
#[derive(Default)]
pub(super) struct RuleParts {
    pattern: Option<Pattern>,
    min_life: Option<Span>,
}

impl RuleParts {
    /// Sets one key. `Err` says what is wrong with it.
    pub(super) fn set(&mut self, key: &str, value: &ValueKind) -> Result<(), String> {
        let named = |message| format!("`{SECTION}.{key}`: {message}");
        match key {
            "match" => self.pattern = Some(read::<MatchPattern>(value).map_err(named)?.0),
            "min_life" => {
                let span = read(value).and_then(|span| within(span, &Span(MIN_LIFE_MIN), &Span(MIN_LIFE_MAX)));
                self.min_life = Some(span.map_err(named)?);
            }
            _ => return Err(super::unknown::unknown(SECTION, Some(key))),
        }
        Ok(())
    }

    /// The rule, if nothing is missing.
    pub(super) fn finish(self) -> Result<ChannelRule, String> {
        match self {
            Self { pattern: Some(pattern), min_life: Some(min_life) } => Ok(ChannelRule { pattern, min_life }),
            Self { pattern, .. } => {
                let missing = if pattern.is_none() { "match" } else { "min_life" };
                Err(format!("a table [[{SECTION}]] needs `{missing}`"))
            }
        }
    }
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

struct MatchPattern(Pattern);

impl Value for MatchPattern {
    fn kind() -> String {
        "pattern".into()
    }
    fn expected() -> String {
        format!("a pattern of channel names such as \"user:*\", of 1 to {CHANNEL_PATTERN_BYTES_MAX} bytes")
    }
    fn from_value(value: &ValueKind) -> Option<Self> {
        Pattern::parse(text(value)?).ok().map(Self)
    }
    fn show(&self) -> String {
        quoted(self.0.as_str())
    }
}

impl Config {
    /// What is promised about the life of streams. Each call makes a value that knows nothing yet of promises that are not kept: a node shares one.
    #[must_use]
    pub fn min_lives(&self) -> MinLives {
        MinLives::new(self.channels.iter().map(|rule| (rule.pattern.clone(), rule.min_life.0)))
    }
}
