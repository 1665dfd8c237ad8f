//! What holds for the channels of one pattern, as a table `[[channels]]` says it.

use std::fmt;

use fanfare_protocol::Pattern;

use super::value::{Span, Value, quoted};

/// The name of the tables.
pub(super) const SECTION: &str = "channels";

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
