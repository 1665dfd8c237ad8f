//! `POST /channels/{channel}/events`: publishing for those who cannot reach the store. Off until a key is configured.
//!
//! The body is the event's data, its name and deduplication key come from the query or from headers; or the body is JSON
//! (`Content-Type: application/json`) of the form `{"event": ..., "data": ..., "dedup": ..., "ttl": ..., "expires": ...}`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fanfare_log::{PublishError, PublishRequest, Ttl};
use fanfare_protocol::limits::{DEDUP_KEY_BYTES_MAX, PUBLISH_ENVELOPE_BYTES, STORE_ANSWER_TIMEOUT, STREAM_TTL_MAX};
use fanfare_protocol::{ChannelName, Event, EventName};
use http::header::{self, HeaderMap};
use http::request::Parts;
use http::{Request, StatusCode};
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::answer::Answer;
use crate::node_state::NodeState;
use crate::options::Secret;
use crate::problem::{Kind, Problem};
use crate::{query, request_body};

const RETRY_AFTER: Duration = Duration::from_secs(2);

/// What lets a request publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// It has the key.
    ByKey,
    /// Nothing yet: its token is to be looked at.
    ByToken,
}

/// Whether the request may publish. Looks at nothing but the key. `tokens`: who has a token may publish, too.
pub(crate) fn authorize(key: Option<&Secret>, tokens: bool, headers: &HeaderMap) -> Result<Access, Problem> {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| bearer(value.as_bytes()));
    match (key, given) {
        (Some(key), Some(given)) if key.matches(given) => Ok(Access::ByKey),
        _ if tokens => Ok(Access::ByToken),
        (None, _) => Err(Problem::new(Kind::PublishingOff, "Set publish.key on the node to turn this endpoint on.")),
        (Some(_), Some(_)) => Err(Problem::new(Kind::Unauthorized, "This is not the publish key.")),
        (Some(_), None) => {
            Err(Problem::new(Kind::Unauthorized, "Send the publish key as `Authorization: Bearer KEY`."))
        }
    }
}

/// The token of a Bearer credential (RFC 6750 section 2.1); the scheme's case does not matter (RFC 9110 section 11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

#[derive(Serialize)]
struct Receipt {
    id: String,
    duplicate: bool,
}

/// Reads the body and publishes. The caller has authorised the request; `still` says whether that holds when the body is there, which
/// may take as long as a token lives.
pub(crate) async fn answer(
    node: Arc<NodeState>,
    channel: ChannelName,
    request: Request<Incoming>,
    still: impl AsyncFnOnce() -> Result<(), Problem>,
) -> Result<Answer, Problem> {
    let (parts, body) = request.into_parts();
    let what = What::parse(&parts)?;
    let limit = node.options.requests.event_bytes;
    let body_limit = if what.json { limit.saturating_mul(2).saturating_add(PUBLISH_ENVELOPE_BYTES) } else { limit };
    // The room is given back when the store has answered: until then the event is in memory.
    let body = request_body::read(body, body_limit, &node.body_bytes, node.options.requests.body_timeout).await;
    let (body, _room) = body.map_err(|error| error.problem(|| too_large(body_limit), busy))?;
    let request = what.into_request(channel, body, limit)?;
    still().await?;
    let outcome = tokio::time::timeout(STORE_ANSWER_TIMEOUT, node.store.publish(request)).await;
    let published =
        outcome.unwrap_or_else(|_| Err(PublishError::Unavailable("no answer in time".to_owned()))).map_err(problem)?;
    let receipt = Receipt { id: published.id.to_string(), duplicate: published.duplicate };
    Ok(Answer::json(StatusCode::CREATED, &receipt))
}

/// Reads a request whose body is there as a whole: for [`crate::fuzzing`].
#[cfg(feature = "testing")]
pub(crate) fn parse(parts: &Parts, channel: ChannelName, body: Bytes, limit: usize) -> Result<PublishRequest, Problem> {
    What::parse(parts)?.into_request(channel, body, limit)
}

/// What the request says besides its body.
#[derive(Debug, Default, PartialEq, Eq)]
struct What {
    json: bool,
    event: Option<String>,
    dedup: Option<String>,
}

impl What {
    /// The query wins over the headers `Fanfare-Event` and `Idempotency-Key`.
    fn parse(parts: &Parts) -> Result<Self, Problem> {
        request_body::check_coding(&parts.headers)?;
        let mut what = Self {
            json: is_json(&parts.headers),
            event: text(&parts.headers, "Fanfare-Event")?,
            dedup: text(&parts.headers, "Idempotency-Key")?,
        };
        for pair in query::pairs(parts.uri.query().unwrap_or_default()) {
            let (name, value) = pair.map_err(|error| Problem::new(Kind::InvalidRequest, error.to_string()))?;
            match &*name {
                "event" if !value.is_empty() => what.event = Some(value.into_owned()),
                "dedup" if !value.is_empty() => what.dedup = Some(value.into_owned()),
                _ => {}
            }
        }
        Ok(what)
    }

    fn into_request(self, channel: ChannelName, body: Bytes, limit: usize) -> Result<PublishRequest, Problem> {
        let (event, data, dedup, ttl) = if self.json {
            let envelope = Envelope::parse(&body)?;
            let given = |text: Option<String>| text.filter(|text| !text.is_empty());
            (given(envelope.event).or(self.event), envelope.data, given(envelope.dedup).or(self.dedup), envelope.ttl)
        } else {
            (self.event, body, self.dedup, None)
        };
        if data.len() > limit {
            return Err(too_large(limit));
        }
        if dedup.as_ref().is_some_and(|key| key.len() > DEDUP_KEY_BYTES_MAX) {
            return Err(rejected(format!("A deduplication key has at most {DEDUP_KEY_BYTES_MAX} bytes.")));
        }
        let name = event
            .map(|name| EventName::parse(&name).map_err(|error| rejected(format!("Event name `{name}`: {error}."))));
        let event = Event { name: name.transpose()?, data };
        Ok(PublishRequest { channel, event, dedup, max_len: None, ttl })
    }
}

/// The text of a header; `None` if it is empty or missing. What is not UTF-8 is refused: read with replacement characters, two
/// keys could become one, and the second event would count as the first one sent again.
fn text(headers: &HeaderMap, name: &str) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    match std::str::from_utf8(value.as_bytes()) {
        Ok(text) => Ok(Some(text.to_owned()).filter(|text| !text.is_empty())),
        Err(_) => Err(Problem::new(Kind::InvalidRequest, format!("`{name}` is not UTF-8."))),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).map_or(&b""[..], http::HeaderValue::as_bytes);
    let essence = value.split(|byte| *byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"application/json")
}

/// The JSON form of an event. `data` is a text, or any other JSON value, which is then published as it is written.
struct Envelope {
    event: Option<String>,
    data: Bytes,
    dedup: Option<String>,
    ttl: Option<Ttl>,
}

impl Envelope {
    fn parse(body: &[u8]) -> Result<Self, Problem> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Raw<'a> {
            event: Option<String>,
            #[serde(borrow)]
            data: &'a RawValue,
            dedup: Option<String>,
            ttl: Option<u64>,
            #[serde(default)]
            expires: bool,
        }
        let wrong = |why: String| {
            let expected = "{\"event\"?, \"data\", \"dedup\"?, \"ttl\"?, \"expires\"?}";
            rejected(format!("The body is not {expected} in JSON: {why}."))
        };
        // A derived reader takes an array for the members in their order.
        if body.trim_ascii_start().first() != Some(&b'{') {
            return Err(wrong("it is not an object".to_owned()));
        }
        let raw: Raw<'_> = serde_json::from_slice(body).map_err(|error| wrong(error.to_string()))?;
        let text = raw.data.get();
        let data = if text.starts_with('"') {
            Bytes::from(serde_json::from_str::<String>(text).map_err(|error| wrong(error.to_string()))?)
        } else {
            Bytes::copy_from_slice(text.as_bytes())
        };
        let ttl = raw.ttl.map(|seconds| ttl(seconds, raw.expires)).transpose()?;
        if raw.expires && ttl.is_none() {
            return Err(rejected("`expires` needs `ttl`: when the channel's stream ends.".to_owned()));
        }
        Ok(Self { event: raw.event, data, dedup: raw.dedup, ttl })
    }
}

fn ttl(seconds: u64, ends_permanence: bool) -> Result<Ttl, Problem> {
    if !(1..=STREAM_TTL_MAX.as_secs()).contains(&seconds) {
        let most = STREAM_TTL_MAX.as_secs();
        return Err(rejected(format!("`ttl` is {seconds}; expected are 1 to {most} seconds.")));
    }
    Ok(Ttl { lasts: Duration::from_secs(seconds), ends_permanence })
}

fn busy() -> Problem {
    let detail = "The node holds as many bytes of events on their way as it may. Nothing was published.";
    Problem::new(Kind::Unavailable, detail).retry_after(RETRY_AFTER)
}

fn too_large(limit: usize) -> Problem {
    Problem::new(Kind::EventTooLarge, format!("An event's data has at most {limit} bytes."))
}

fn rejected(detail: String) -> Problem {
    Problem::new(Kind::PublishRejected, detail)
}

fn problem(error: PublishError) -> Problem {
    match error {
        PublishError::Rejected(detail) => rejected(detail),
        PublishError::Denied(reason) => Problem::new(Kind::StoreRefuses, refused(&reason)),
        PublishError::Refused(reason) => {
            Problem::new(Kind::StoreRefusesForNow, refused(&reason)).retry_after(RETRY_AFTER)
        }
        PublishError::Unreachable(reason) => {
            let detail = format!("Nothing was published: {reason}.");
            Problem::new(Kind::StoreUnavailable, detail).retry_after(RETRY_AFTER)
        }
        PublishError::Unavailable(_) => {
            let detail = "No answer from the store: the event may or may not have been published. \
                          Try again with the same deduplication key.";
            Problem::new(Kind::StoreUnavailable, detail).retry_after(RETRY_AFTER)
        }
    }
}

/// The store's own word, for the publisher, who can do something about it or knows who can.
fn refused(reason: &str) -> String {
    format!("Nothing was published. The store says: {reason}")
}

#[cfg(test)]
mod tests;
