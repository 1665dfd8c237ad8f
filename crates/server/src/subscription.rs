//! What a request for `/events` asks for, with nothing of the request kept: every text is copied, since a header value or
//! a URI pins the 8 KiB buffer that hyper read it into.

use std::borrow::Cow;
use std::collections::HashSet;

use fanfare_auth::{Grant, NamedStream};
use fanfare_protocol::{ChannelName, LastEventId, PositionError, limits};
use http::Uri;
use http::header::{self, HeaderMap};

use crate::close::Close;
use crate::denied::Denied;
use crate::heartbeat::Heartbeat;
use crate::options::RequestOptions;
use crate::problem::{Kind, Problem};
use crate::query;

/// What a client asked for.
#[derive(Debug, Default)]
pub struct Subscription {
    /// Without repetitions, in the order given. At least one, once it is known which.
    pub channels: Vec<ChannelName>,
    /// `Last-Event-ID`, from the header or the query. `None`: from now on (or `last`). An error becomes a `$gap`.
    pub resume: Option<Result<LastEventId, PositionError>>,
    /// Positions name their channel also where there is one only, since the URL does not name it.
    pub names_channels: bool,
    /// Where a stream begins whose client brings no position, and where a channel does of which the client's position says nothing.
    pub from: Option<LastEventId>,
    /// `last=N`: the newest N entries on a first connect.
    pub last: Option<usize>,
    /// Tell the client by `$ready` that it is connected, and where. Where `ready` does not say, clients that bring no position
    /// are told.
    pub ready: bool,
    /// Tell it by `$place` of a place that was renewed, unless `ready=0` was asked for.
    pub place: bool,
    /// How the stream ends if its channels have not ended.
    pub close: Close,
    /// In place of the node's.
    pub heartbeat: Option<Heartbeat>,
    /// `occupancy=1`: tell the client by `$occupancy` how many read its channels.
    pub occupancy: bool,
}

impl Subscription {
    /// The same with what a grant says of it.
    pub(crate) fn named_by(self, grant: Option<&mut Grant>, most: usize) -> Result<Self, Denied> {
        let stream = grant.and_then(|grant| grant.stream.take());
        let NamedStream { channels, from } = stream.map(|stream| *stream).unwrap_or_default();
        if !self.channels.is_empty() {
            return Ok(Self { from, ..self });
        }
        match channels.len() {
            0 => Err(Denied::Unnamed),
            count if count > most => Err(Denied::TooManyNamed(most)),
            _ => Ok(self.with_channels(channels.into_vec(), from)),
        }
    }

    /// The same with the channels that something else than its URL names, and where they begin of which it has no position.
    pub(crate) fn with_channels(self, channels: Vec<ChannelName>, from: Option<LastEventId>) -> Self {
        // The position of a stream of one channel does not say of which: it may be another's.
        let is_anybodys = matches!(self.resume, Some(Ok(LastEventId::One(_))));
        let resume = if is_anybodys { Some(Err(PositionError::Malformed)) } else { self.resume };
        Self { channels, resume, names_channels: true, from, ..self }
    }
}

/// Reads the query and the headers. `may_be_unnamed`: something else may name the channels.
pub(crate) fn parse(
    uri: &Uri,
    headers: &HeaderMap,
    options: &RequestOptions,
    may_be_unnamed: bool,
) -> Result<Subscription, Problem> {
    let mut asked = Asked::default();
    for pair in query::pairs(uri.query().unwrap_or_default()) {
        let (name, value) = pair.map_err(|error| Problem::new(Kind::InvalidRequest, error.to_string()))?;
        asked.take(&name, value, options)?;
    }
    let resume = resume(headers, asked.last_event_id.as_deref());
    let (ready, place) = (asked.ready.unwrap_or(resume.is_none()), asked.ready.unwrap_or(true));
    let close = asked.close.unwrap_or(options.close);
    let Asked { channels, last, heartbeat, occupancy, .. } = asked;
    if channels.is_empty() && !may_be_unnamed {
        return Err(Denied::Unnamed.into());
    }
    if !accepts_stream(headers) {
        return Err(Problem::new(Kind::NotAcceptable, "This path answers with text/event-stream only."));
    }
    let (names_channels, from) = (false, None);
    Ok(Subscription { channels, resume, names_channels, from, last, ready, place, close, heartbeat, occupancy })
}

#[derive(Default)]
struct Asked<'a> {
    channels: Vec<ChannelName>,
    seen: HashSet<ChannelName>,
    last_event_id: Option<Cow<'a, str>>,
    last: Option<usize>,
    ready: Option<bool>,
    close: Option<Close>,
    heartbeat: Option<Heartbeat>,
    occupancy: bool,
}

impl<'a> Asked<'a> {
    /// Parameters with other names are ignored: polyfills add their own against caches.
    fn take(&mut self, name: &str, value: Cow<'a, str>, options: &RequestOptions) -> Result<(), Problem> {
        match name {
            "channel" => self.channel(&value, options.channels)?,
            // Some polyfills append a newer one at every reconnect instead of replacing it: the last one counts.
            "lastEventId" | "last_event_id" if !value.is_empty() => self.last_event_id = Some(value),
            "last" => {
                let number = value.parse().ok().filter(|number| *number <= options.last_max);
                let wrong = || format!("`last` is a number from 0 to {}, not `{value}`.", options.last_max);
                self.last = Some(number.ok_or_else(|| Problem::new(Kind::InvalidRequest, wrong()))?);
            }
            "ready" => self.ready = Some(switch(name, &value)?),
            "occupancy" => self.occupancy = switch(name, &value)?,
            "close" => {
                self.close = match &*value {
                    "clean" => Some(Close::Clean),
                    "abort" => Some(Close::Abort),
                    _ => {
                        let detail = format!("`close` is clean or abort, not `{value}`.");
                        return Err(Problem::new(Kind::InvalidRequest, detail));
                    }
                };
            }
            "heartbeat" => {
                let heartbeat = value.parse().ok().and_then(Heartbeat::of_seconds);
                let (least, most) = (limits::CLIENT_HEARTBEAT_SECONDS_MIN, limits::CLIENT_HEARTBEAT_SECONDS_MAX);
                let wrong = || format!("`heartbeat` is a number of seconds from {least} to {most}, not `{value}`.");
                self.heartbeat = Some(heartbeat.ok_or_else(|| Problem::new(Kind::InvalidRequest, wrong()))?);
            }
            _ => {}
        }
        Ok(())
    }

    fn channel(&mut self, name: &str, most: usize) -> Result<(), Problem> {
        let channel = channel(name)?;
        if self.seen.contains(&channel) {
            return Ok(());
        }
        if self.channels.len() == most {
            return Err(Problem::new(Kind::TooManyChannels, format!("One stream follows at most {most} channels.")));
        }
        self.seen.insert(channel.clone());
        self.channels.push(channel);
        Ok(())
    }
}

/// What is on or off.
fn switch(name: &str, value: &str) -> Result<bool, Problem> {
    match value {
        "1" | "true" => Ok(true),
        "0" | "false" | "" => Ok(false),
        _ => Err(Problem::new(Kind::InvalidRequest, format!("`{name}` is 1 or 0, not `{value}`."))),
    }
}

/// Checks a channel name that a client gave.
pub(crate) fn channel(name: &str) -> Result<ChannelName, Problem> {
    ChannelName::parse(name).map_err(|error| Problem::new(Kind::InvalidChannel, format!("Channel `{name}`: {error}.")))
}

/// The header wins over the query; an empty one counts as absent (reqwest-eventsource 0.6 sends it so on every connect).
fn resume(headers: &HeaderMap, from_query: Option<&str>) -> Option<Result<LastEventId, PositionError>> {
    let header = headers.get("last-event-id").map(|value| value.as_bytes().trim_ascii());
    match header {
        Some(bytes) if !bytes.is_empty() => {
            Some(std::str::from_utf8(bytes).map_err(|_| PositionError::Malformed).and_then(LastEventId::parse))
        }
        _ => from_query.map(LastEventId::parse),
    }
}

/// Whether `Accept` admits `text/event-stream` (RFC 9110 section 12.5.1). Without the header anything is admitted.
fn accepts_stream(headers: &HeaderMap) -> bool {
    let mut given = headers.get_all(header::ACCEPT).iter().peekable();
    given.peek().is_none() || best_quality(headers, &["text/event-stream", "text/*", "*/*"]).is_some_and(|q| q > 0.0)
}

/// Whether the client names `text/event-stream` itself, as an EventSource does: it is told refusals politely.
pub(crate) fn asks_for_stream(headers: &HeaderMap) -> bool {
    best_quality(headers, &["text/event-stream"]).is_some_and(|q| q > 0.0)
}

/// The quality of the first of `ranges`, most specific first, that `Accept` contains.
fn best_quality(headers: &HeaderMap, ranges: &[&str]) -> Option<f32> {
    ranges.iter().find_map(|wanted| {
        // Bytes that are no ASCII may stand in parameters, and say nothing here.
        let mut items =
            headers.get_all(header::ACCEPT).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
        items.find_map(|item| {
            let mut parts = item.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
            let quality = |parameter: &[u8]| {
                let (name, value) = parameter.split_at(parameter.iter().position(|byte| *byte == b'=')?);
                let number = || std::str::from_utf8(value[1..].trim_ascii()).ok()?.parse::<f32>().ok();
                name.trim_ascii().eq_ignore_ascii_case(b"q").then(|| number().unwrap_or(0.0))
            };
            parts.next()?.eq_ignore_ascii_case(wanted.as_bytes()).then(|| parts.find_map(quality).unwrap_or(1.0))
        })
    })
}

#[cfg(test)]
mod tests;
