//! What the application answered, and what it means.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use fanfare_protocol::limits::{CHANNELS_PER_CONNECTION_MAX, FORWARD_LIFETIME_MIN, GRANT_PATTERNS_MAX};
use fanfare_protocol::{ChannelName, LastEventId, Pattern, PatternPart};
use http::StatusCode;
use serde_json::{Map, Value};

use super::options::{FORWARD_ISSUER, ForwardOptions};
use crate::ask::{AskAnswer, AskError};
use crate::grant::Grant;
use crate::name_text::name;
use crate::named_stream::NamedStream;
use crate::right::Right;
use crate::rights::Rights;
use crate::unix_seconds::UnixSeconds;

/// What the application says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// This may be done. It may be less than what was asked for.
    Granted(Box<Grant>),
    /// It does not know who asks. 401.
    Unauthenticated,
    /// It knows, and does not allow it. 403.
    Forbidden,
    /// It names more channels than a stream may have, which is so many.
    TooMany(usize),
}

/// Why there is no clear answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForwardError {
    /// There is none.
    #[error("{0}")]
    Ask(#[from] AskError),
    /// The question was not asked: too many wait.
    #[error("too many questions wait")]
    Crowded,
    /// The question was not asked: no place for it was free in its time.
    #[error("no place for the question was free within {0:?}")]
    NoPlace(Duration),
    /// It neither allows nor denies: a redirection to a page for logging in, an error.
    #[error("the answer is {0}; expected 2xx, 401 or 403")]
    Status(StatusCode),
    /// It allows something, and cannot be read.
    #[error("the answer: {0}")]
    Body(&'static str),
}

/// The members that an answer may have. Others count for nothing.
const MEMBERS: [&str; 7] = ["sub", "lifetime", "from", "channels", "subscribe", "publish", "history"];

const SHAPE: ForwardError = ForwardError::Body("expected an object of JSON; only a 204 may be empty");
const UNCLEAR: ForwardError = ForwardError::Body(
    "it has other members than `sub`, `lifetime` and `from` and no list of what is allowed; `{}` allows what was asked for",
);
const LIST: ForwardError =
    ForwardError::Body("expected lists of strings in `channels`, `subscribe`, `publish` and `history`");
const MANY: ForwardError = ForwardError::Body("one of its lists is too long");
const PATTERN: ForwardError = ForwardError::Body("a channel or a pattern in it is malformed");
const SUBJECT: ForwardError =
    ForwardError::Body("expected a text of 1 to 255 bytes without control characters, or a whole number, in `sub`");
const FROM: ForwardError = ForwardError::Body("expected a position, as it stands in `id:`, in `from`");
const LIFETIME: ForwardError = ForwardError::Body("expected a whole number of seconds from 1 on in `lifetime`");

/// Judges an answer to a question about this right and these channels that was asked at `times.0` and answered at `times.1`.
pub(super) fn judge(
    answer: &AskAnswer,
    right: Right,
    channels: &[ChannelName],
    options: &ForwardOptions,
    times: (UnixSeconds, UnixSeconds),
) -> Result<Verdict, ForwardError> {
    match answer.status {
        StatusCode::UNAUTHORIZED => Ok(Verdict::Unauthenticated),
        StatusCode::FORBIDDEN => Ok(Verdict::Forbidden),
        status if status.is_success() => {
            let said = read(status, &answer.body)?;
            // A yes about a request that names no channels, and none are named: nothing is allowed. It is what an application says that
            // knows of no such requests, and any user of it could make it say so.
            if right == Right::Subscribe && channels.is_empty() && named(&said)?.is_none() {
                return Ok(Verdict::Forbidden);
            }
            let grant = grant(&said, right, channels, options, times)?;
            let is_too_much = grant.named_channels().len() > options.channels;
            Ok(if is_too_much { Verdict::TooMany(options.channels) } else { Verdict::Granted(Box::new(grant)) })
        }
        status => Err(ForwardError::Status(status)),
    }
}

/// The members of the answer. Only 204 says by itself that there are none: an empty body of another status is what is left of a handler
/// that ended early.
fn read(status: StatusCode, body: &[u8]) -> Result<Map<String, Value>, ForwardError> {
    if status == StatusCode::NO_CONTENT {
        return Ok(Map::new());
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(said)) => Ok(said),
        _ => Err(SHAPE),
    }
}

/// What it allows.
fn grant(
    said: &Map<String, Value>,
    right: Right,
    channels: &[ChannelName],
    options: &ForwardOptions,
    (asked_at, now): (UnixSeconds, UnixSeconds),
) -> Result<Grant, ForwardError> {
    // A shorter life would be over before the client has come back.
    let lifetime = lifetime(said)?.map(|lifetime| lifetime.max(FORWARD_LIFETIME_MIN));
    let lifetime = lifetime.unwrap_or(options.lifetime).min(options.max_lifetime);
    Ok(Grant {
        issuer: Some(Arc::from(FORWARD_ISSUER)),
        subject: subject(said)?,
        token_id: None,
        // It was decided at some time between the two, and what was revoked meanwhile has to count.
        issued_at: Some(asked_at),
        expires_at: Some(UnixSeconds(now.0.saturating_add(lifetime.as_secs()))),
        rights: rights(said, right, channels)?.and_public(options.public.clone()),
        stream: if right == Right::Subscribe { stream(said, channels)? } else { None },
    })
}

/// What it says of the stream; the channels only if the request names none. It may name none either.
fn stream(said: &Map<String, Value>, asked: &[ChannelName]) -> Result<Option<Box<NamedStream>>, ForwardError> {
    let from = match said.get("from") {
        None => None,
        Some(value) => Some(LastEventId::parse(value.as_str().ok_or(FROM)?).map_err(|_| FROM)?),
    };
    let mut channels = match asked {
        [] => named(said)?.unwrap_or_default(),
        _ => Vec::new(),
    };
    let mut seen = HashSet::new();
    channels.retain(|channel| seen.insert(channel.clone()));
    let is_said = from.is_some() || !channels.is_empty();
    Ok(is_said.then(|| Box::new(NamedStream { channels: channels.into(), from })))
}

/// The names in `channels`.
fn named(said: &Map<String, Value>) -> Result<Option<Vec<ChannelName>>, ForwardError> {
    list(said, "channels", CHANNELS_PER_CONNECTION_MAX, |text| ChannelName::parse(text).ok())
}

/// Without a list what was asked for is allowed, for what it was asked for. Then nothing may be there that could mean something else: a
/// misspelt list, or `"allowed": false`.
fn rights(said: &Map<String, Value>, right: Right, asked: &[ChannelName]) -> Result<Rights, ForwardError> {
    let named = named(said)?;
    let pattern = |right: Right| list(said, right.as_str(), GRANT_PATTERNS_MAX, |text| Pattern::parse(text).ok());
    let (subscribe, publish, history) =
        (pattern(Right::Subscribe)?, pattern(Right::Publish)?, pattern(Right::History)?);
    if named.is_none() && subscribe.is_none() && publish.is_none() && history.is_none() {
        let is_clear = said.keys().all(|name| MEMBERS.contains(&name.as_str()));
        let asked = if is_given_unnamed(right) { literal(asked)? } else { Vec::new() };
        return if is_clear { Ok(Rights::none().with(right, asked)) } else { Err(UNCLEAR) };
    }
    let history = history.or_else(|| subscribe.clone());
    let mut rights = Rights::none();
    for (one, patterns) in [(Right::Subscribe, subscribe), (Right::Publish, publish), (Right::History, history)] {
        let mut patterns = patterns.unwrap_or_default();
        if one == right && is_given_unnamed(right) {
            patterns.extend(literal(named.as_deref().unwrap_or_default())?);
        }
        rights = rights.with(one, patterns);
    }
    Ok(rights)
}

/// Whether a right is given by an answer that does not name it. Publishing is not: an application that was written to let users follow
/// their channels, and does not look at `right`, would let them write what others read.
const fn is_given_unnamed(right: Right) -> bool {
    !matches!(right, Right::Publish)
}

/// Names, not patterns: an asterisk in one stands for itself.
fn literal(names: &[ChannelName]) -> Result<Vec<Pattern>, ForwardError> {
    names.iter().map(|name| Pattern::of([PatternPart::Literal(name.as_str())]).map_err(|_| PATTERN)).collect()
}

fn list<T>(
    said: &Map<String, Value>,
    name: &str,
    most: usize,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Option<Vec<T>>, ForwardError> {
    let Some(value) = said.get(name) else { return Ok(None) };
    let items = value.as_array().ok_or(LIST)?;
    if items.len() > most {
        return Err(MANY);
    }
    let item = |item: &Value| read(item.as_str().ok_or(LIST)?).ok_or(PATTERN);
    items.iter().map(item).collect::<Result<_, _>>().map(Some)
}

fn subject(said: &Map<String, Value>) -> Result<Option<Box<str>>, ForwardError> {
    let Some(value) = said.get("sub") else { return Ok(None) };
    name(value).map(Some).ok_or(SUBJECT)
}

fn lifetime(said: &Map<String, Value>) -> Result<Option<Duration>, ForwardError> {
    let Some(value) = said.get("lifetime") else { return Ok(None) };
    value.as_u64().filter(|seconds| *seconds > 0).map(|seconds| Some(Duration::from_secs(seconds))).ok_or(LIFETIME)
}
