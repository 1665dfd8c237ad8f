//! What somebody who makes a ticket asks for.

use std::collections::HashSet;
use std::time::Duration;

use fanfare_protocol::limits::{
    SUBJECT_BYTES_MAX, TICKET_LIFETIME_DEFAULT, TICKET_LIFETIME_MIN, TICKET_TTL_DEFAULT, TICKET_TTL_MAX, TICKET_TTL_MIN,
};
use fanfare_protocol::{ChannelName, LastEventId, NameError};
use serde_json::{Map, Value};

use super::record::TicketRecord;
use crate::unix_seconds::UnixSeconds;

/// What a ticket may be at most, on this node.
#[derive(Debug, Clone, Copy)]
pub struct TicketBounds {
    /// Channels of one.
    pub channels: usize,
    /// How long one may be good.
    pub lifetime: Duration,
}

/// A ticket that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketOrder {
    /// The channels of its stream, at least one, without repetitions.
    pub channels: Vec<ChannelName>,
    /// Whose it is.
    pub subject: Option<Box<str>>,
    /// How soon it has to be used.
    pub ttl: Duration,
    /// How long it is good from its first use on.
    pub lifetime: Duration,
    /// Where its stream begins for a client that brings no position.
    pub from: Option<LastEventId>,
}

/// What is wrong with an order, for whoever sent it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TicketOrderError {
    /// It is no object.
    #[error("The body is no object of JSON such as {{\"channels\":[\"user:7\"]}}.")]
    Shape,
    /// It has a member that means nothing.
    #[error("There is no `{0}`: expected are `channels`, `sub`, `ttl`, `lifetime` and `from`.")]
    Member(String),
    /// It does not say what the ticket is for.
    #[error("`channels` is no list of 1 to {0} names.")]
    Channels(usize),
    /// One of the channels can have no such name.
    #[error("Channel `{0}`: {1}.")]
    Channel(String, NameError),
    /// Nobody is called so.
    #[error("`sub` is no text of 1 to {SUBJECT_BYTES_MAX} bytes without control characters.")]
    Subject,
    /// It has to be used too soon, or may be used too late.
    #[error(
        "`ttl` is no whole number of seconds from {least} to {most}.",
        least = TICKET_TTL_MIN.as_secs(),
        most = TICKET_TTL_MAX.as_secs()
    )]
    Ttl,
    /// It would be good for too short or too long a time.
    #[error(
        "`lifetime` is no whole number of seconds from {least} to {0} (auth.max_token_lifetime).",
        least = TICKET_LIFETIME_MIN.as_secs()
    )]
    Lifetime(u64),
    /// It begins nowhere.
    #[error("`from` is no position: expected is what stands in `id:`.")]
    From,
    /// It begins at a place that does not say of which channel it is.
    #[error(
        "`from` is the position of a stream of one channel; of several, expected is one that begins with `v`, `w` or `x`."
    )]
    FromOne,
}

impl TicketOrder {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// Says what is wrong with it and what would be right.
    pub fn parse(body: &[u8], bounds: &TicketBounds) -> Result<Self, TicketOrderError> {
        let Ok(Value::Object(said)) = serde_json::from_slice(body) else { return Err(TicketOrderError::Shape) };
        let is_known = |name: &&String| ["channels", "sub", "ttl", "lifetime", "from"].contains(&name.as_str());
        if let Some(unknown) = said.keys().find(|name| !is_known(name)) {
            return Err(TicketOrderError::Member(unknown.chars().take(40).collect()));
        }
        let channels = channels(&said, bounds.channels)?;
        let most = bounds.lifetime.as_secs();
        let lifetime = seconds(&said, "lifetime", TICKET_LIFETIME_MIN.as_secs(), most);
        let ttl = seconds(&said, "ttl", TICKET_TTL_MIN.as_secs(), TICKET_TTL_MAX.as_secs());
        let from = from(&said, channels.len())?;
        Ok(Self {
            channels,
            subject: subject(&said)?,
            ttl: ttl.map_err(|()| TicketOrderError::Ttl)?.unwrap_or(TICKET_TTL_DEFAULT),
            lifetime: lifetime
                .map_err(|()| TicketOrderError::Lifetime(most))?
                .unwrap_or(TICKET_LIFETIME_DEFAULT.min(bounds.lifetime)),
            from,
        })
    }

    /// What is kept of the ticket that is made of it now.
    #[must_use]
    pub fn into_record(self, made_at: UnixSeconds) -> TicketRecord {
        let Self { channels, subject, ttl: _, lifetime, from } = self;
        TicketRecord { channels, subject, lifetime, from, made_at }
    }
}

/// A member that is null is none.
fn member<'a>(said: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    said.get(name).filter(|value| !value.is_null())
}

/// Repetitions count once, and not towards the bound.
fn channels(said: &Map<String, Value>, most: usize) -> Result<Vec<ChannelName>, TicketOrderError> {
    let list = member(said, "channels").and_then(Value::as_array).ok_or(TicketOrderError::Channels(most))?;
    let (mut channels, mut seen) = (Vec::new(), HashSet::new());
    for name in list {
        let name = name.as_str().ok_or(TicketOrderError::Channels(most))?;
        let channel = ChannelName::parse(name)
            .map_err(|error| TicketOrderError::Channel(name.chars().take(80).collect(), error))?;
        if !seen.insert(channel.clone()) {
            continue;
        }
        if channels.len() == most {
            return Err(TicketOrderError::Channels(most));
        }
        channels.push(channel);
    }
    if channels.is_empty() { Err(TicketOrderError::Channels(most)) } else { Ok(channels) }
}

fn subject(said: &Map<String, Value>) -> Result<Option<Box<str>>, TicketOrderError> {
    let Some(value) = member(said, "sub") else { return Ok(None) };
    let text = value.as_str().map(str::to_owned).or_else(|| value.as_u64().map(|number| number.to_string()));
    let fits = |text: &String| (1..=SUBJECT_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control);
    text.filter(fits).map(|text| Some(text.into())).ok_or(TicketOrderError::Subject)
}

fn seconds(said: &Map<String, Value>, name: &str, least: u64, most: u64) -> Result<Option<Duration>, ()> {
    let Some(value) = member(said, name) else { return Ok(None) };
    let seconds = value.as_u64().filter(|seconds| (least..=most).contains(seconds)).ok_or(())?;
    Ok(Some(Duration::from_secs(seconds)))
}

fn from(said: &Map<String, Value>, channels: usize) -> Result<Option<LastEventId>, TicketOrderError> {
    let Some(value) = member(said, "from") else { return Ok(None) };
    let position = value.as_str().and_then(|text| LastEventId::parse(text).ok()).ok_or(TicketOrderError::From)?;
    match position {
        LastEventId::One(_) if channels > 1 => Err(TicketOrderError::FromOne),
        position => Ok(Some(position)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOUNDS: TicketBounds = TicketBounds { channels: 2, lifetime: Duration::from_secs(86_400) };

    fn parse(body: &str) -> Result<TicketOrder, TicketOrderError> {
        TicketOrder::parse(body.as_bytes(), &BOUNDS)
    }

    #[test]
    fn only_the_channels_have_to_be_said() {
        let order = parse(r#"{"channels":["a","b","a"],"sub":null}"#).unwrap();
        assert_eq!(order.channels.iter().map(ChannelName::as_str).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((order.ttl, order.lifetime), (TICKET_TTL_DEFAULT, TICKET_LIFETIME_DEFAULT));
        assert_eq!((order.subject, order.from), (None, None));
        let short = TicketBounds { lifetime: Duration::from_secs(60), ..BOUNDS };
        let order = TicketOrder::parse(br#"{"channels":["a"]}"#, &short).unwrap();
        assert_eq!(order.lifetime, short.lifetime, "no ticket is good for longer than a token may be");
    }

    #[test]
    fn everything_can_be_said() {
        let order = r#"{"channels":["a"],"sub":7,"ttl":3600,"lifetime":86400,"from":"1526919030474-55"}"#;
        let order = parse(order).unwrap();
        assert_eq!((order.ttl.as_secs(), order.lifetime.as_secs()), (3_600, 86_400));
        assert_eq!(order.subject.as_deref(), Some("7"));
        let record = order.into_record(UnixSeconds(1));
        assert_eq!(record.from.map(|from| from.to_string()).as_deref(), Some("1526919030474-55"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        use TicketOrderError as E;
        let name = ChannelName::parse("$a").unwrap_err();
        for (body, error) in [
            ("", E::Shape),
            (r#"["a"]"#, E::Shape),
            (r#"{"channels":["a"]} x"#, E::Shape),
            (r#"{"channel":["a"]}"#, E::Member("channel".into())),
            ("{}", E::Channels(2)),
            (r#"{"channels":[]}"#, E::Channels(2)),
            (r#"{"channels":"a"}"#, E::Channels(2)),
            (r#"{"channels":[7]}"#, E::Channels(2)),
            (r#"{"channels":["a","b","c"]}"#, E::Channels(2)),
            (r#"{"channels":["$a"]}"#, E::Channel("$a".into(), name)),
            (r#"{"channels":["a"],"sub":""}"#, E::Subject),
            (r#"{"channels":["a"],"sub":"\u0000"}"#, E::Subject),
            (r#"{"channels":["a"],"sub":true}"#, E::Subject),
            (r#"{"channels":["a"],"ttl":0}"#, E::Ttl),
            (r#"{"channels":["a"],"ttl":3601}"#, E::Ttl),
            (r#"{"channels":["a"],"ttl":1.5}"#, E::Ttl),
            (r#"{"channels":["a"],"lifetime":"1h"}"#, E::Lifetime(86_400)),
            (r#"{"channels":["a"],"lifetime":86401}"#, E::Lifetime(86_400)),
            (r#"{"channels":["a"],"from":"now"}"#, E::From),
            (r#"{"channels":["a"],"from":7}"#, E::From),
            (r#"{"channels":["a","b"],"from":"1-0"}"#, E::FromOne),
        ] {
            assert_eq!(parse(body), Err(error), "{body}");
        }
        assert!(E::Lifetime(86_400).to_string().contains("from 1 to 86400 "));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whatever_comes_is_an_order_within_the_bounds_or_an_error(body in any::<Vec<u8>>(), text in "\\PC{0,40}") {
            for body in [body, format!(r#"{{"channels":["a"],{text}}}"#).into_bytes()] {
                if let Ok(order) = TicketOrder::parse(&body, &BOUNDS) {
                    prop_assert!((1..=2).contains(&order.channels.len()) && order.lifetime <= BOUNDS.lifetime);
                }
            }
        }
    }
}
