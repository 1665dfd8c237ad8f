//! `GET /channels/{channel}/history?after=&limit=`: the log for everything that is not SSE.
//!
//! A page carries the same promise as a stream: its entries follow `after` without a hole, or `gap` says what is missing.
//! `next` is where the following page begins, and also a `Last-Event-ID` for `/events`.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use fanfare_log::proof::{self, Verdict};
use fanfare_log::{ArchiveError, Payer, ReadRequest, Snapshot};
use fanfare_protocol::limits::{HISTORY_LIMIT_DEFAULT, STORE_ANSWER_TIMEOUT};
use fanfare_protocol::{ChannelName, Decoded, Epoch, Gap, LastEventId, LogName, Position};
use http::StatusCode;
use serde::Serialize;
use tracing::warn;

use crate::answer::Answer;
use crate::node_state::NodeState;
use crate::problem::{Kind, Problem};
use crate::query;

/// When to come back after a transient failure.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    channel: ChannelName,
    /// `None`: from the oldest entry that is retained.
    pub(crate) after: Option<Position>,
    pub(crate) limit: usize,
}

/// Reads the query.
pub(crate) fn parse(channel: ChannelName, query: Option<&str>, max_limit: usize) -> Result<Request, Problem> {
    let mut request = Request { channel, after: None, limit: HISTORY_LIMIT_DEFAULT.min(max_limit) };
    for pair in query::pairs(query.unwrap_or_default()) {
        let (name, value) = pair.map_err(|error| Problem::new(Kind::InvalidRequest, error.to_string()))?;
        match &*name {
            "after" if !value.is_empty() => request.after = Some(position(&value, &request.channel)?),
            "limit" => {
                let number = value.parse().ok().filter(|number| (1..=max_limit).contains(number));
                let wrong = || format!("`limit` is a number from 1 to {max_limit}, not `{value}`.");
                request.limit = number.ok_or_else(|| Problem::new(Kind::InvalidRequest, wrong()))?;
            }
            _ => {}
        }
    }
    Ok(request)
}

/// A position of this channel: an entry's id, or the `id:` of a stream, of several channels too.
fn position(text: &str, channel: &ChannelName) -> Result<Position, Problem> {
    let wrong = |why: String| Problem::new(Kind::InvalidRequest, format!("`after`: {why}."));
    let parsed = LastEventId::parse(text).map_err(|error| wrong(error.to_string()))?;
    let resolved = parsed.resolve(std::slice::from_ref(channel));
    resolved.first().copied().flatten().ok_or_else(|| wrong("this position does not name the channel".to_owned()))
}

/// Reads one page, at the expense of this payer.
pub(crate) async fn answer(node: Arc<NodeState>, payer: Payer, request: Request) -> Result<Answer, Problem> {
    let Some(place) = node.history_places.take(payer) else {
        return Err(Problem::new(Kind::Unavailable, "Too many history requests at once.").retry_after(RETRY_AFTER));
    };
    let beginning = Position::Absent { at_ms: 0, epoch: Epoch::from_bits(0) };
    let read = ReadRequest {
        log: LogName::from(&request.channel),
        after: request.after.unwrap_or(beginning),
        max_entries: request.limit,
        max_bytes: node.options.history.page_bytes,
    };
    let read = async {
        let _turn = node.history_reads.take(payer).await;
        node.store.read(read).await
    };
    let outcome = tokio::time::timeout(STORE_ANSWER_TIMEOUT, read).await;
    let snapshot = outcome.unwrap_or(Err(ArchiveError::Timeout)).map_err(problem)?;
    // A client that takes its time keeps the place, until `response_timeout`: the page is in memory until then.
    Ok(Answer::json(StatusCode::OK, &page(&request, &snapshot)).holding(place))
}

#[derive(Serialize)]
struct Page<'a> {
    entries: Vec<Item<'a>>,
    gap: Option<serde_json::Value>,
    next: String,
}

#[derive(Serialize)]
struct Item<'a> {
    id: String,
    event: Option<&'a str>,
    /// `null` when the event is larger than the node delivers.
    data: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    too_large: Option<usize>,
}

fn page<'a>(request: &Request, snapshot: &'a Snapshot) -> Page<'a> {
    let seen = |entry: &&Decoded| matches!(request.after, Some(Position::At(id)) if entry.id() <= id);
    let entries: Vec<&Decoded> = snapshot.entries.iter().filter(|entry| !seen(entry)).take(request.limit).collect();
    let verdict = request.after.map_or(Verdict::Continues, |after| proof::prove(after, snapshot));
    let gap = match verdict {
        Verdict::Continues => None,
        Verdict::Gap(reason) => Some(Gap {
            channel: request.channel.clone(),
            reason,
            after: request.after,
            next: entries.first().map(|entry| entry.id()),
        }),
    };
    let next = match (entries.last(), request.after) {
        (Some(last), _) => Position::At(last.id()),
        (None, Some(after)) => proof::resume_before(snapshot, after),
        (None, None) => snapshot.tip.position,
    };
    Page {
        entries: entries.into_iter().map(item).collect(),
        // A struct of texts always parses back.
        gap: gap.and_then(|gap| serde_json::from_str(&gap.to_json()).ok()),
        next: next.to_string(),
    }
}

fn item(entry: &Decoded) -> Item<'_> {
    match entry {
        Decoded::Entry(entry) => Item {
            id: entry.id.to_string(),
            event: entry.event.name.as_ref().map(AsRef::as_ref),
            data: Some(String::from_utf8_lossy(&entry.event.data)),
            too_large: None,
        },
        Decoded::TooLarge { id, bytes, .. } => {
            Item { id: id.to_string(), event: None, data: None, too_large: Some(*bytes) }
        }
    }
}

fn problem(error: ArchiveError) -> Problem {
    match error {
        ArchiveError::WrongType => Problem::new(Kind::WrongType, "The channel's key holds another type than a stream."),
        ArchiveError::Unavailable(_) | ArchiveError::Timeout | ArchiveError::SingleEntry(_) => {
            Problem::new(Kind::StoreUnavailable, "The store does not answer at present.").retry_after(RETRY_AFTER)
        }
        // What the store said is for the operator, not for every client.
        ArchiveError::Denied(detail) | ArchiveError::Corrupt(detail) => {
            warn!(%detail, "a history request failed at the store");
            Problem::new(Kind::StoreRefuses, "The store refuses; the node's log says why.")
        }
    }
}

#[cfg(test)]
mod tests;
