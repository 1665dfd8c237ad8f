//! Channels by what may be done with them.

use fanfare_protocol::{ChannelName, Pattern};

use crate::right::Right;

/// Patterns of channels for each right. What no pattern matches may not be done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rights([Box<[Pattern]>; Right::ALL.len()]);

impl Rights {
    /// Nothing may be done with any channel.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The same with these patterns for a right, in place of those that it had.
    #[must_use]
    pub fn with(mut self, right: Right, patterns: impl IntoIterator<Item = Pattern>) -> Self {
        self.0[right as usize] = patterns.into_iter().collect();
        self
    }

    /// The patterns of a right.
    #[must_use]
    pub fn patterns(&self, right: Right) -> &[Pattern] {
        &self.0[right as usize]
    }

    /// Whether this may be done with this channel.
    #[must_use]
    pub fn allow(&self, right: Right, channel: &ChannelName) -> bool {
        self.patterns(right).iter().any(|pattern| pattern.matches(channel.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_is_given_by_its_own_patterns_only() {
        let user = Pattern::parse("user:*").unwrap();
        let rights = Rights::none().with(Right::Subscribe, [user]);
        let channel = ChannelName::parse("user:7").unwrap();
        assert!(rights.allow(Right::Subscribe, &channel));
        assert!(!rights.allow(Right::Publish, &channel));
        assert!(!rights.allow(Right::Subscribe, &ChannelName::parse("users").unwrap()));
    }
}
