//! Channels by what may be done with them.

use std::sync::Arc;

use fanfare_protocol::{ChannelName, Pattern};

use crate::right::Right;

/// Patterns of channels for each right. What no pattern matches may not be done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rights {
    own: [Box<[Pattern]>; Right::ALL.len()],
    /// What the own patterns give at most. `None`: whatever they match.
    within: Option<Arc<[Pattern]>>,
    /// What everybody may follow and read as history.
    public: Arc<[Pattern]>,
}

impl Rights {
    /// Nothing may be done with any channel.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The same with these patterns for a right, in place of those that it had.
    #[must_use]
    pub fn with(mut self, right: Right, patterns: impl IntoIterator<Item = Pattern>) -> Self {
        self.own[right as usize] = patterns.into_iter().collect();
        self
    }

    /// The same, with a channel that none of these matches left out, whatever its own patterns say. `None`: none is left out.
    #[must_use]
    pub fn within(self, within: Option<Arc<[Pattern]>>) -> Self {
        Self { within, ..self }
    }

    /// The same, and what everybody may follow and read as history.
    #[must_use]
    pub fn and_public(self, public: Arc<[Pattern]>) -> Self {
        Self { public, ..self }
    }

    /// The patterns of a right, without what is public.
    #[must_use]
    pub fn patterns(&self, right: Right) -> &[Pattern] {
        &self.own[right as usize]
    }

    /// Whether this may be done with any channel at all, as far as that is known without one.
    #[must_use]
    pub fn give_any(&self, right: Right) -> bool {
        !self.patterns(right).is_empty() || (right.may_be_public() && !self.public.is_empty())
    }

    /// The memory of the own patterns, in bytes: their texts, and what each has beside it.
    pub(crate) fn own_bytes(&self) -> usize {
        let bytes = |pattern: &Pattern| size_of::<Pattern>() + pattern.as_str().len();
        self.own.iter().flatten().map(bytes).sum()
    }

    /// Whether this may be done with this channel.
    #[must_use]
    pub fn allow(&self, right: Right, channel: &ChannelName) -> bool {
        let one_of = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches(channel.as_str()));
        let is_own = || one_of(self.patterns(right)) && self.within.as_deref().is_none_or(one_of);
        (right.may_be_public() && one_of(&self.public)) || is_own()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(name: &str) -> ChannelName {
        ChannelName::parse(name).unwrap()
    }

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text).unwrap()
    }

    #[test]
    fn a_right_is_given_by_its_own_patterns_only() {
        let rights = Rights::none().with(Right::Subscribe, [pattern("user:*")]);
        assert!(rights.allow(Right::Subscribe, &channel("user:7")));
        assert!(!rights.allow(Right::Publish, &channel("user:7")));
        assert!(!rights.allow(Right::Subscribe, &channel("users")));
        assert!(rights.give_any(Right::Subscribe) && !rights.give_any(Right::Tickets));
    }

    #[test]
    fn nothing_is_given_beyond_the_limits_except_what_is_public() {
        let all = Right::ALL.into_iter().fold(Rights::none(), |rights, right| rights.with(right, [pattern("*")]));
        let rights = all.within(Some([pattern("partner:*")].into())).and_public([pattern("news:*")].into());
        for right in Right::ALL {
            assert!(rights.allow(right, &channel("partner:7")));
            assert!(!rights.allow(right, &channel("user:7")));
            assert_eq!(rights.allow(right, &channel("news:7")), right.may_be_public());
        }
        let public = Rights::none().and_public([pattern("news:*")].into());
        assert!(public.give_any(Right::History) && !public.give_any(Right::Tickets));
    }
}
