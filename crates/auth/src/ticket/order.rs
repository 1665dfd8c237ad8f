//! The order of a ticket: the body of `POST /tickets`.

use std::collections::HashSet;
use std::time::Duration;

use fanfare_protocol::limits::{
    SUBJECT_BYTES_MAX, TICKET_LIFETIME_DEFAULT, TICKET_LIFETIME_MIN, TICKET_TTL_DEFAULT, TICKET_TTL_MAX, TICKET_TTL_MIN,
};
use fanfare_protocol::{ChannelName, LastEventId, NameError};
use serde_json::{Map, Value};

use super::maker::TicketMaker;
use super::record::TicketRecord;
use crate::name_text::name;
use crate::unix_seconds::UnixSeconds;

/// What a ticket may be at most, on this node.
#[derive(Debug, Clone, Copy)]
pub struct TicketBounds {
    /// Channels of one.
    pub channels: usize,
    /// How long one may live, from when it is made to its end: at least twice [`TICKET_LIFETIME_MIN`].
    pub life: Duration,
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

/// What is wrong with an order, as its sender is told.
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
    #[error("`ttl` is no whole number of seconds from {least} to {0}.", least = TICKET_TTL_MIN.as_secs())]
    Ttl(u64),
    /// It would be good for too short or too long a time.
    #[error(
        "`lifetime` is no whole number of seconds from {least} to {0}: with `ttl`, it is auth.max_token_lifetime at most.",
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
        let (ttl, lifetime) = times(&said, bounds.life)?;
        let from = from(&said, channels.len())?;
        Ok(Self { channels, subject: subject(&said)?, ttl, lifetime, from })
    }

    /// By when the ticket that is made of it now is over, whenever it is used first.
    #[must_use]
    pub const fn over_at(&self, made_at: UnixSeconds) -> UnixSeconds {
        UnixSeconds(made_at.0.saturating_add(self.ttl.as_secs()).saturating_add(self.lifetime.as_secs()))
    }

    /// What is kept of the ticket that is made of it now. `maker`: whose token it is made with; `None`: with the publish key.
    #[must_use]
    pub fn into_record(self, made_at: UnixSeconds, maker: Option<TicketMaker>) -> TicketRecord {
        let Self { channels, subject, ttl: _, lifetime, from } = self;
        TicketRecord { channels, subject, lifetime, from, made_at, maker }
    }
}

/// How soon a ticket has to be used, and how long it is good then: together no longer than one may live, so that what was revoked when it
/// was made is in force for as long as it lives.
fn times(said: &Map<String, Value>, life: Duration) -> Result<(Duration, Duration), TicketOrderError> {
    let most = TICKET_TTL_MAX.min(life.saturating_sub(TICKET_LIFETIME_MIN));
    let ttl = seconds(said, "ttl", TICKET_TTL_MIN, most).map_err(|()| TicketOrderError::Ttl(most.as_secs()))?;
    let ttl = ttl.unwrap_or(TICKET_TTL_DEFAULT.min(life / 2));
    let most = life.saturating_sub(ttl);
    let lifetime = seconds(said, "lifetime", TICKET_LIFETIME_MIN, most);
    let lifetime = lifetime.map_err(|()| TicketOrderError::Lifetime(most.as_secs()))?;
    Ok((ttl, lifetime.unwrap_or(TICKET_LIFETIME_DEFAULT.min(most))))
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
    name(value).map(Some).ok_or(TicketOrderError::Subject)
}

fn seconds(said: &Map<String, Value>, name: &str, least: Duration, most: Duration) -> Result<Option<Duration>, ()> {
    let Some(value) = member(said, name) else { return Ok(None) };
    let time = value.as_u64().map(Duration::from_secs).filter(|time| (least..=most).contains(time));
    time.map(Some).ok_or(())
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

    const BOUNDS: TicketBounds = TicketBounds { channels: 2, life: Duration::from_secs(86_400) };

    fn parse(body: &str) -> Result<TicketOrder, TicketOrderError> {
        TicketOrder::parse(body.as_bytes(), &BOUNDS)
    }

    #[test]
    fn only_the_channels_have_to_be_said() {
        let order = parse(r#"{"channels":["a","b","a"],"sub":null}"#).unwrap();
        assert_eq!(order.channels.iter().map(ChannelName::as_str).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((order.ttl, order.lifetime), (TICKET_TTL_DEFAULT, TICKET_LIFETIME_DEFAULT));
        assert_eq!((order.subject, order.from), (None, None));
    }

    // Fails when a ticket may live longer than a token by the time in which it has to be used.
    #[test]
    fn no_ticket_lives_longer_than_a_token_may() {
        let of = |body: &str, life: u64| {
            let bounds = TicketBounds { life: Duration::from_secs(life), ..BOUNDS };
            let order = TicketOrder::parse(body.as_bytes(), &bounds);
            order.map(|order| (order.ttl.as_secs(), order.lifetime.as_secs(), order.over_at(UnixSeconds(1_000)).0))
        };
        assert_eq!(of(r#"{"channels":["a"]}"#, 60), Ok((30, 30, 1_060)));
        assert_eq!(of(r#"{"channels":["a"]}"#, 100), Ok((50, 50, 1_100)));
        assert_eq!(of(r#"{"channels":["a"],"ttl":50}"#, 60), Ok((50, 10, 1_060)));
        assert_eq!(of(r#"{"channels":["a"],"ttl":51}"#, 60), Err(TicketOrderError::Ttl(50)));
        assert_eq!(of(r#"{"channels":["a"],"ttl":20,"lifetime":41}"#, 60), Err(TicketOrderError::Lifetime(40)));
        assert_eq!(of(r#"{"channels":["a"],"ttl":3600,"lifetime":82800}"#, 86_400), Ok((3_600, 82_800, 87_400)));
    }

    #[test]
    fn everything_can_be_said() {
        let order = r#"{"channels":["a"],"sub":7,"ttl":3600,"lifetime":82800,"from":"1526919030474-55"}"#;
        let order = parse(order).unwrap();
        assert_eq!((order.ttl.as_secs(), order.lifetime.as_secs()), (3_600, 82_800));
        assert_eq!(order.subject.as_deref(), Some("7"));
        let record = order.into_record(UnixSeconds(1), None);
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
            (r#"{"channels":["a"],"ttl":0}"#, E::Ttl(3_600)),
            (r#"{"channels":["a"],"ttl":3601}"#, E::Ttl(3_600)),
            (r#"{"channels":["a"],"ttl":1.5}"#, E::Ttl(3_600)),
            (r#"{"channels":["a"],"lifetime":"1h"}"#, E::Lifetime(86_340)),
            (r#"{"channels":["a"],"lifetime":86341}"#, E::Lifetime(86_340)),
            (r#"{"channels":["a"],"lifetime":9}"#, E::Lifetime(86_340)),
            (r#"{"channels":["a"],"from":"now"}"#, E::From),
            (r#"{"channels":["a"],"from":7}"#, E::From),
            (r#"{"channels":["a","b"],"from":"1-0"}"#, E::FromOne),
        ] {
            assert_eq!(parse(body), Err(error), "{body}");
        }
        assert!(E::Lifetime(86_340).to_string().contains("from 10 to 86340: "));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whatever_comes_is_an_order_within_the_bounds_or_an_error(body in any::<Vec<u8>>(), text in "\\PC{0,40}") {
            for body in [body, format!(r#"{{"channels":["a"],{text}}}"#).into_bytes()] {
                if let Ok(order) = TicketOrder::parse(&body, &BOUNDS) {
                    prop_assert!((1..=2).contains(&order.channels.len()) && order.ttl + order.lifetime <= BOUNDS.life);
                }
            }
        }
    }
}
