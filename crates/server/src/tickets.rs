//! `POST /tickets`, and what a ticket is worth when somebody asks for a stream with it.

use std::sync::Arc;
use std::time::Duration;

use fanfare_auth::{Grant, Ticket, TicketBounds, TicketOrder, TicketState, UnixSeconds, UsedTicket};
use fanfare_log::TicketError;
use fanfare_protocol::limits::{STORE_ANSWER_TIMEOUT, TICKET_ORDER_BYTES_MAX};
use fanfare_protocol::{ChannelName, LastEventId};
use http::{Request, StatusCode};
use hyper::body::Incoming;
use serde::Serialize;
use tracing::debug;

use crate::answer::Answer;
use crate::denied::Denied;
use crate::node_state::NodeState;
use crate::options::TicketOptions;
use crate::problem::{Kind, Problem};
use crate::subscription::Subscription;
use crate::ticket_use::{TicketUse, TicketUseCells};
use crate::{publish, query, request_body};

/// The parameter of a URL that holds a ticket.
const PARAMETER: &str = "ticket";

const RETRY_AFTER: Duration = Duration::from_secs(2);

/// What somebody wants who brings a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To know whether it is good. It stays unused.
    Look,
    /// A stream.
    Stream,
}

/// A ticket that is good.
#[derive(Debug)]
pub(crate) struct Redeemed {
    grant: Box<Grant>,
    channels: Vec<ChannelName>,
    from: Option<LastEventId>,
}

impl Redeemed {
    /// What is asked for with it, and by what it is allowed. Channels that the URL names are those of the stream; if it names none, the
    /// ticket does, and positions say of which channel they are.
    pub(crate) fn begin(self, asked: Subscription) -> (Subscription, Box<Grant>) {
        let Self { grant, channels, from } = self;
        let is_named = !asked.channels.is_empty();
        let channels = if is_named { asked.channels } else { channels };
        let resume = asked.resume.or(from.map(Ok));
        (Subscription { channels, resume, names_channels: !is_named, ..asked }, grant)
    }
}

#[derive(Serialize)]
struct Receipt {
    ticket: String,
    url: String,
    expires_in: u64,
}

/// Makes a ticket of the body of a request. `allow` says whether whoever asks may make one for these channels.
pub(crate) async fn make(
    node: Arc<NodeState>,
    request: Request<Incoming>,
    allow: impl FnOnce(&[ChannelName]) -> Result<(), Problem>,
) -> Result<Answer, Problem> {
    let options = node.options.tickets.as_ref().ok_or_else(off)?;
    publish::check_coding(request.headers())?;
    let requests = &node.options.requests;
    let body =
        request_body::read(request.into_body(), TICKET_ORDER_BYTES_MAX, &node.body_bytes, requests.body_timeout).await;
    let (body, _room) = body.map_err(|error| error.problem(too_large, busy))?;
    let bounds = TicketBounds { channels: requests.channels, lifetime: options.max_lifetime };
    let order = TicketOrder::parse(&body, &bounds);
    let order = order.map_err(|error| Problem::new(Kind::TicketRejected, error.to_string()))?;
    allow(&order.channels)?;
    let ticket = Ticket::by_chance()
        .map_err(|error| Problem::new(Kind::Unavailable, format!("No ticket was made: {error}.")))?;
    let ttl = order.ttl;
    let record = order.into_record(UnixSeconds(options.clock.wall_ms() / 1_000)).encode();
    match tokio::time::timeout(STORE_ANSWER_TIMEOUT, options.store.make(ticket.name(), record, ttl)).await {
        Ok(made) => made.map_err(problem)?,
        Err(_) => return Err(problem(TicketError::Unavailable("no answer in time".to_owned()))),
    }
    let ticket = ticket.text();
    let url = format!("/events?{PARAMETER}={ticket}");
    Ok(Answer::json(StatusCode::CREATED, &Receipt { ticket, url, expires_in: ttl.as_secs() }))
}

/// The ticket in a query. The inner error: what stands there is none.
pub(crate) fn in_query(query: Option<&str>) -> Result<Option<Result<Ticket, Denied>>, Problem> {
    let mut found = None;
    for pair in query::pairs(query.unwrap_or_default()) {
        let (name, value) = pair.map_err(|error| Problem::new(Kind::InvalidRequest, error.to_string()))?;
        if name != PARAMETER || value.is_empty() {
            continue;
        }
        if found.replace(Ticket::parse(&value).ok_or(Denied::UnknownTicket)).is_some() {
            return Err(Problem::new(Kind::InvalidRequest, "`ticket` stands twice in the URL."));
        }
    }
    Ok(found)
}

/// What a ticket is worth to a client whose URL names these channels, or none. Its first use begins its life.
pub(crate) async fn redeem(
    options: &TicketOptions,
    ticket: Result<Ticket, Denied>,
    named: &[ChannelName],
    purpose: Purpose,
    uses: &TicketUseCells,
) -> Result<Redeemed, Denied> {
    let redeemed = redeem_uncounted(options, ticket, named, purpose).await;
    let what = match &redeemed {
        Ok((_, what)) => Some(*what),
        Err(Denied::UnknownTicket) => Some(TicketUse::Unknown),
        Err(Denied::TicketOver) => Some(TicketUse::Over),
        Err(Denied::Unstored) => Some(TicketUse::Unasked),
        Err(_) => None,
    };
    if let Some(what) = what.filter(|_| purpose == Purpose::Stream) {
        uses.of(what).add(1);
    }
    redeemed.map(|(redeemed, _)| redeemed)
}

async fn redeem_uncounted(
    options: &TicketOptions,
    ticket: Result<Ticket, Denied>,
    named: &[ChannelName],
    purpose: Purpose,
) -> Result<(Redeemed, TicketUse), Denied> {
    let name = ticket?.name();
    let held = options.store.find(name).await.map_err(|error| unstored(&error))?;
    let (used, what) = match state(held.made.as_deref(), held.used.as_deref())? {
        TicketState::Unknown => return Err(Denied::UnknownTicket),
        TicketState::Used(used) => (used, TicketUse::Again),
        TicketState::Unused(record) => (record.used_at(held.now_ms), TicketUse::First),
    };
    // Before it counts as used: nothing came of it.
    if let Some(other) = named.iter().find(|channel| !used.record.channels.contains(channel)) {
        return Err(Denied::NotOfTicket(other.clone()));
    }
    let used = match (what, purpose) {
        (TicketUse::First, Purpose::Stream) => {
            let first = options.store.use_first(name, used.encode(), used.kept_for()).await;
            first_of_all(&first.map_err(|error| unstored(&error))?)?
        }
        _ => used,
    };
    let left = used.left(held.now_ms).ok_or(Denied::TicketOver)?;
    let grant = Box::new(used.grant(name, options.clock.wall_ms(), left));
    let UsedTicket { record, .. } = used;
    Ok((Redeemed { grant, channels: record.channels, from: record.from }, what))
}

fn state(made: Option<&[u8]>, used: Option<&[u8]>) -> Result<TicketState, Denied> {
    TicketState::read(made, used).map_err(|error| unstored(&error))
}

/// What the store says of a ticket's first use, which may have been another client's.
fn first_of_all(kept: &[u8]) -> Result<UsedTicket, Denied> {
    match state(None, Some(kept))? {
        TicketState::Used(used) => Ok(used),
        TicketState::Unused(_) | TicketState::Unknown => Err(Denied::Unstored),
    }
}

/// It cannot be said now what the ticket is worth. The store's own words are for the operator.
fn unstored(error: &dyn std::fmt::Display) -> Denied {
    debug!(%error, "it cannot be said what a ticket is worth");
    Denied::Unstored
}

/// Tickets are off.
pub(crate) fn off() -> Problem {
    Problem::new(Kind::TicketsOff, "Set auth.tickets on the node to turn this endpoint on.")
}

/// Whoever asks has had as many made lately as it may.
pub(crate) fn too_many() -> Problem {
    let detail = "As many tickets were made for you lately as may be made for one. No ticket was made.";
    Problem::new(Kind::TooManyTickets, detail).retry_after(Duration::from_secs(1))
}

fn too_large() -> Problem {
    Problem::new(Kind::BodyTooLarge, format!("The order of a ticket has at most {TICKET_ORDER_BYTES_MAX} bytes."))
}

fn busy() -> Problem {
    let detail = "The node holds as many bytes of requests on their way as it may. No ticket was made.";
    Problem::new(Kind::Unavailable, detail).retry_after(RETRY_AFTER)
}

fn problem(error: TicketError) -> Problem {
    match error {
        TicketError::Denied(reason) => {
            Problem::new(Kind::StoreRefuses, format!("No ticket was made. The store says: {reason}"))
        }
        TicketError::Unavailable(reason) => {
            Problem::new(Kind::StoreUnavailable, format!("No ticket was made: {reason}.")).retry_after(RETRY_AFTER)
        }
    }
}

#[cfg(test)]
mod tests;
