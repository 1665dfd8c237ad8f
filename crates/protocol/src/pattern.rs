//! Patterns of channel names: `*` stands for any characters, also none; everything else for itself.

use crate::limits::CHANNEL_PATTERN_BYTES_MAX;

/// A pattern such as `user:*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Box<str>);

/// Why a text is no pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It would match no name.
    #[error("it is empty")]
    Empty,
    /// No channel name is as long.
    #[error("it has {0} bytes; expected at most {CHANNEL_PATTERN_BYTES_MAX}")]
    TooLong(usize),
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// It is empty or too long.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        match text.len() {
            0 => Err(PatternError::Empty),
            1..=CHANNEL_PATTERN_BYTES_MAX => Ok(Self(text.into())),
            bytes => Err(PatternError::TooLong(bytes)),
        }
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it matches a whole name. In time linear in both: each literal part is taken where it first fits, which leaves the most
    /// for those behind it.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
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
    fn a_pattern_is_no_longer_than_a_name() {
        assert_eq!(Pattern::parse(""), Err(PatternError::Empty));
        assert_eq!(Pattern::parse(&"*".repeat(256)), Err(PatternError::TooLong(256)));
    }
}
