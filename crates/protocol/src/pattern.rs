//! Patterns of channel names: `*` stands for any characters, also none; everything else for itself.

use std::borrow::Cow;
use std::fmt;

use crate::ChannelName;
use crate::limits::{CHANNEL_NAME_MAX, CHANNEL_PATTERN_BYTES_MAX};

/// A pattern such as `user:*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Box<str>);

/// What a pattern is put together from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatternPart<'a> {
    /// Text in which `*` stands for any characters.
    Written(&'a str),
    /// Text that stands for itself, also where it holds `*`.
    Literal(&'a str),
}

/// An asterisk that stands for itself, within a pattern. No name holds this character.
const ASTERISK: char = '\0';

/// Why a text is no pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It would match no name.
    #[error("it is empty")]
    Empty,
    /// No channel name is as long.
    #[error("it has {0} bytes; expected at most {CHANNEL_PATTERN_BYTES_MAX}")]
    TooLong(usize),
    /// No name holds this character.
    #[error("it holds NUL")]
    Nul,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// It is empty or too long, or no name is like it.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        Self::of([PatternPart::Written(text)])
    }

    /// Puts a pattern together.
    ///
    /// # Errors
    /// The whole is empty or too long, or no name is like it.
    pub fn of<'a>(parts: impl IntoIterator<Item = PatternPart<'a>>) -> Result<Self, PatternError> {
        let mut pattern = String::new();
        for part in parts {
            let (PatternPart::Written(text) | PatternPart::Literal(text)) = part;
            if text.contains(ASTERISK) {
                return Err(PatternError::Nul);
            }
            match part {
                PatternPart::Written(text) => pattern.push_str(text),
                PatternPart::Literal(text) => pattern.extend(text.chars().map(|c| if c == '*' { ASTERISK } else { c })),
            }
        }
        match pattern.len() {
            0 => Err(PatternError::Empty),
            1..=CHANNEL_PATTERN_BYTES_MAX => Ok(Self(pattern.into())),
            bytes => Err(PatternError::TooLong(bytes)),
        }
    }

    /// As it was written, if it was written as one text ([`Pattern::parse`]).
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it matches a whole name. In time linear in both: each literal part is taken where it first fits, which leaves the most
    /// for those behind it.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let mut name = Cow::Borrowed(name);
        if self.0.contains(ASTERISK) {
            name = Cow::Owned(name.replace('*', "\0"));
        }
        self.matches_plain(&name)
    }

    /// The same for a name whose asterisks are spelled as the pattern's are that stand for themselves.
    fn matches_plain(&self, name: &str) -> bool {
        let Some((first, rest)) = self.0.split_once('*') else { return *self.0 == *name };
        let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
        let Some(mut name) = name.strip_prefix(first).and_then(|name| name.strip_suffix(last)) else { return false };
        for part in middle.split('*') {
            let Some(at) = name.find(part) else { return false };
            name = &name[at + part.len()..];
        }
        true
    }
}

/// The pattern that matches one name, and no other.
impl From<&ChannelName> for Pattern {
    fn from(name: &ChannelName) -> Self {
        // A name is neither empty nor longer than a pattern may be, and holds no control character.
        const { assert!(CHANNEL_NAME_MAX <= CHANNEL_PATTERN_BYTES_MAX) };
        Self(name.as_str().chars().map(|c| if c == '*' { ASTERISK } else { c }).collect::<String>().into())
    }
}

/// For people: an asterisk that stands for itself has a backslash before it.
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.replace(ASTERISK, "\\*"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a pattern means, tried in every way.
    fn means(pattern: &[u8], name: &[u8]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some((b'*', rest)) => (0..=name.len()).any(|at| means(rest, &name[at..])),
            Some((byte, rest)) => name.first() == Some(byte) && means(rest, &name[1..]),
        }
    }

    proptest! {
        #[test]
        fn a_pattern_matches_what_it_means(pattern in "[ab*]{1,8}", name in "[ab]{0,10}") {
            prop_assert_eq!(Pattern::parse(&pattern).unwrap().matches(&name), means(pattern.as_bytes(), name.as_bytes()));
        }
    }

    #[test]
    fn the_same_characters_do_not_serve_two_parts() {
        assert!(!Pattern::parse("aba*ba").unwrap().matches("aba"));
        assert!(Pattern::parse("user:*").unwrap().matches("user:"));
    }

    #[test]
    fn an_asterisk_of_a_literal_part_stands_for_itself() {
        let pattern =
            Pattern::of([PatternPart::Written("user:"), PatternPart::Literal("a*"), PatternPart::Written(":*")]);
        let pattern = pattern.unwrap();
        assert!(pattern.matches("user:a*:inbox"));
        assert!(!pattern.matches("user:ab:inbox"));
        assert_eq!(pattern.to_string(), "user:a\\*:*");
        assert_eq!(Pattern::parse("user:\0"), Err(PatternError::Nul), "it would match `user:*`");
    }

    #[test]
    fn the_pattern_of_a_name_matches_that_name_alone() {
        let pattern = Pattern::from(&ChannelName::parse("a*").unwrap());
        assert!(pattern.matches("a*") && !pattern.matches("ab") && !pattern.matches("a"));
    }

    #[test]
    fn a_pattern_is_no_longer_than_a_name() {
        assert_eq!(Pattern::parse(""), Err(PatternError::Empty));
        assert_eq!(Pattern::parse(&"*".repeat(256)), Err(PatternError::TooLong(256)));
    }
}
