//! The paths that a node answers.

use std::borrow::Cow;

use crate::problem::{Kind, Problem};
use crate::query;

/// The paths that exist.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Path<'a> {
    Index,
    Events,
    /// `/channels/{channel}`
    Channel(Cow<'a, str>),
    /// `/channels/{channel}/events`
    Publish(Cow<'a, str>),
    /// `/channels/{channel}/history`
    History(Cow<'a, str>),
    Tickets,
}

impl<'a> Path<'a> {
    pub(crate) fn parse(path: &'a str) -> Result<Self, Problem> {
        let unknown = || {
            let detail = "There are /events, /tickets, /channels/{channel}, /channels/{channel}/events and \
                          /channels/{channel}/history.";
            Problem::new(Kind::UnknownPath, detail)
        };
        let decoded =
            |text| query::segment(text).map_err(|error| Problem::new(Kind::InvalidRequest, error.to_string()));
        let mut segments = path.strip_prefix('/').ok_or_else(unknown)?.split('/');
        let found = match (segments.next(), segments.next(), segments.next(), segments.next()) {
            (Some(""), None, ..) => Self::Index,
            (Some("events"), None, ..) => Self::Events,
            (Some("tickets"), None, ..) => Self::Tickets,
            (Some("channels"), Some(channel), None, None) => Self::Channel(decoded(channel)?),
            (Some("channels"), Some(channel), Some("events"), None) => Self::Publish(decoded(channel)?),
            (Some("channels"), Some(channel), Some("history"), None) => Self::History(decoded(channel)?),
            _ => return Err(unknown()),
        };
        Ok(found)
    }

    /// The methods that it answers.
    pub(crate) const fn methods(&self) -> &'static str {
        match self {
            Self::Index | Self::Events | Self::Channel(_) | Self::History(_) => "GET, HEAD, OPTIONS",
            Self::Publish(_) | Self::Tickets => "POST, OPTIONS",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_exact_and_a_channel_may_hold_an_escaped_slash() {
        let parse = |path| Path::parse(path).ok();
        assert_eq!(parse("/"), Some(Path::Index));
        assert_eq!(parse("/events"), Some(Path::Events));
        assert_eq!(parse("/tickets"), Some(Path::Tickets));
        assert_eq!(parse("/channels/a%2Fb/events"), Some(Path::Publish(Cow::Borrowed("a/b"))));
        assert_eq!(parse("/channels/a%2Fb"), Some(Path::Channel(Cow::Borrowed("a/b"))));
        assert_eq!(parse("/channels/a+b/history"), Some(Path::History(Cow::Borrowed("a+b"))));
        for unknown in [
            "",
            "*",
            "/events/",
            "/Events",
            "/tickets/",
            "/channels",
            "/channels/a/",
            "/channels/a/b/events",
            "//events",
        ] {
            assert_eq!(parse(unknown), None, "{unknown}");
        }
    }
}
