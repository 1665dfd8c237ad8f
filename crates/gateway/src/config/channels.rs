//! The tables `[[channels]]` of the file: what holds for the channels whose names match a pattern.

use config::ValueKind;
use fanfare_log::{MinLives, Occupancy};
use fanfare_protocol::Pattern;
use fanfare_protocol::limits::{CHANNEL_PATTERN_BYTES_MAX, MIN_LIFE_MAX, MIN_LIFE_MIN, MIN_LIVES_MAX};

use super::channel_rule::{self, ChannelRule, SECTION};
use super::declare::{read, within};
use super::keys::Config;
use super::tables::{TableKey, TableParts};
use super::value::{Span, Value, quoted, text};

/// A table as it is read: what is missing is said at the end.
#[derive(Default)]
pub(super) struct RuleParts {
    pattern: Option<Pattern>,
    min_life: Option<Span>,
    occupancy: Option<bool>,
}

impl TableParts for RuleParts {
    type Rule = ChannelRule;
    const NAME: &'static str = SECTION;
    const DOC: &'static str = "What holds for some channels: a table for each pattern of names, in the configuration file only. Of each \
         key the first table counts that matches a channel and has it.";
    const MOST: usize = MIN_LIVES_MAX;
    const KEYS: &'static [TableKey] = &channel_rule::KEYS;

    fn set(&mut self, key: &str, value: &ValueKind) -> Result<(), String> {
        let named = |message| format!("`{SECTION}.{key}`: {message}");
        match key {
            "match" => self.pattern = Some(read::<MatchPattern>(value).map_err(named)?.0),
            "min_life" => {
                let span = read(value).and_then(|span| within(span, &Span(MIN_LIFE_MIN), &Span(MIN_LIFE_MAX)));
                self.min_life = Some(span.map_err(named)?);
            }
            "occupancy" => self.occupancy = Some(read(value).map_err(named)?),
            _ => return Err(super::unknown::unknown(SECTION, Some(key))),
        }
        Ok(())
    }

    fn finish(self) -> Result<ChannelRule, String> {
        let Self { pattern, min_life, occupancy } = self;
        let pattern = pattern.ok_or_else(|| format!("a table [[{SECTION}]] needs `match`"))?;
        if min_life.is_none() && occupancy.is_none() {
            return Err(format!("a table [[{SECTION}]] needs `min_life` or `occupancy`"));
        }
        Ok(ChannelRule { pattern, min_life, occupancy })
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
        let promised = |rule: &ChannelRule| Some((rule.pattern.clone(), rule.min_life?.0));
        let min_lives = MinLives::new(self.channels.iter().filter_map(promised));
        if self.redis.streams_expire { min_lives } else { min_lives.permanent() }
    }

    /// The channels whose readers are counted. Each call makes a value that knows nothing yet of readers: a node shares one.
    #[must_use]
    pub fn occupancy(&self) -> Occupancy {
        let counted = |rule: &ChannelRule| Some((rule.pattern.clone(), rule.occupancy?));
        Occupancy::new(self.channels.iter().filter_map(counted))
    }
}
