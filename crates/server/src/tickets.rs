//! The tickets of a node: making them ([`Tickets::make`]), and what one is worth that a client brings ([`Tickets::redeem`]).

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use fanfare_auth::{
    Grant, Right, Ticket, TicketBounds, TicketMaker, TicketOrder, TicketState, UnixSeconds, UsedTicket,
};
use fanfare_log::TicketError;
use fanfare_protocol::limits::{
    STORE_ANSWER_TIMEOUT, TICKET_CLOCK_SLACK, TICKET_END_PRECISION, TICKET_ORDER_BYTES_MAX, TICKET_ORDERS_BYTES_MAX,
    TICKET_PAUSE, TICKET_PAYERS_MAX, TICKETS_AT_ONCE_MAX, TICKETS_WAITING_MAX, VAIN_TICKET_PAUSE,
    VAIN_TICKET_SENDERS_MAX, VAIN_TICKETS_AT_ONCE_MAX,
};
use fanfare_protocol::{ChannelName, LastEventId, TicketName};
use http::{Request, StatusCode};
use hyper::body::Incoming;
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use tracing::debug;

use crate::admission::{AddressKey, Refused};
use crate::answer::Answer;
use crate::body_bytes::BodyBytes;
use crate::denied::Denied;
use crate::http_stats::HttpStats;
use crate::known_revocations::KnownRevocations;
use crate::options::{RequestOptions, TicketOptions};
use crate::payer_buckets::{Bucket, PayerBuckets};
use crate::problem::{Kind, Problem};
use crate::query;
use crate::request_body::{self, BodyError};
use crate::subscription::Subscription;
use crate::ticket_use::{TicketUse, TicketUseCells};

/// The parameter of a URL that holds a ticket.
pub(crate) const PARAMETER: &str = "ticket";

const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Makes tickets, and says what they are worth. One for all threads of a node: each ticket is a round trip to the store, beside which the
/// locks here are nothing.
#[derive(Debug)]
pub(crate) struct Tickets {
    options: TicketOptions,
    /// `None`: nothing ever is revoked.
    revocations: Option<Arc<KnownRevocations>>,
    bounds: TicketBounds,
    body_timeout: Duration,
    look_timeout: Duration,
    /// Bounds the tickets that are made for each payer.
    rate: PayerBuckets,
    /// Bounds the orders that are being read, beside the bodies of publishes.
    order_bytes: BodyBytes,
    /// Who has had the store asked in vain.
    vain: PayerBuckets,
    /// Bounds the requests that wait for the store. Never waited for: no place, no answer.
    places: Semaphore,
}

/// What a request that brings a ticket wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To know whether it is good. It stays unused.
    Check,
    /// A stream.
    Stream,
}

/// Why a ticket brings no stream.
#[derive(Debug)]
pub(crate) enum Unredeemed {
    /// It gives none.
    Denied(Denied),
    /// It would, and its client has no room for one now.
    Refused(Refused),
}

impl From<Denied> for Unredeemed {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

/// A ticket that is good.
#[derive(Debug)]
pub(crate) struct Redeemed {
    grant: Box<Grant>,
    channels: Vec<ChannelName>,
    from: Option<LastEventId>,
    ends_early: bool,
}

impl Redeemed {
    /// Whether the ticket may be good for longer than its grant says, by more than the second to which that is rounded: a stream must not
    /// outlive its ticket, so the grant is counted from before the store was asked, and the store took its time.
    pub(crate) const fn ends_early(&self) -> bool {
        self.ends_early
    }

    /// What is asked for with it, and by what it is allowed. Channels that the URL names are those of the stream; if it names none, the
    /// ticket does, and positions say of which channel they are.
    pub(crate) fn begin(self, asked: Subscription) -> (Subscription, Box<Grant>) {
        let Self { grant, channels, from, .. } = self;
        let named = if asked.channels.is_empty() {
            asked.with_channels(channels, from)
        } else {
            Subscription { from, ..asked }
        };
        (named, grant)
    }
}

#[derive(Serialize)]
struct Receipt {
    ticket: String,
    url: String,
    expires_in: u64,
}

impl Tickets {
    pub(crate) fn new(
        options: TicketOptions,
        revocations: Option<Arc<KnownRevocations>>,
        requests: &RequestOptions,
        start: Instant,
    ) -> Self {
        let made = Bucket { pause: TICKET_PAUSE, most: TICKETS_AT_ONCE_MAX };
        let vain = Bucket { pause: VAIN_TICKET_PAUSE, most: VAIN_TICKETS_AT_ONCE_MAX };
        Self {
            bounds: TicketBounds { channels: requests.channels, life: options.max_life },
            options,
            revocations,
            body_timeout: requests.body_timeout,
            look_timeout: requests.decision_timeout,
            rate: PayerBuckets::new(made, TICKET_PAYERS_MAX, start),
            order_bytes: BodyBytes::new(TICKET_ORDERS_BYTES_MAX),
            vain: PayerBuckets::new(vain, VAIN_TICKET_SENDERS_MAX, start),
            places: Semaphore::new(TICKETS_WAITING_MAX),
        }
    }

    /// Makes a ticket of the body of a request, for a client that has the publish key (`None`) or this grant, and `payer` to pay for it. `allow` says whether that
    /// may make one for these channels, once the body is there.
    pub(crate) async fn make(
        &self,
        payer: NonZeroU64,
        grant: Option<&Grant>,
        request: Request<Incoming>,
        stats: &HttpStats,
        allow: impl AsyncFnOnce(&[ChannelName]) -> Result<(), Problem>,
    ) -> Result<Answer, Problem> {
        if !self.rate.take(payer, 1, Instant::now()) {
            stats.refused_tickets.add(1);
            return Err(too_many());
        }
        request_body::check_coding(request.headers())?;
        let body = request.into_body();
        let body = request_body::read(body, TICKET_ORDER_BYTES_MAX, &self.order_bytes, self.body_timeout).await;
        if matches!(body, Err(BodyError::NoRoom)) {
            stats.busy_tickets.add(1);
        }
        let (body, _room) = body.map_err(|error| error.problem(too_large, busy))?;
        let order = TicketOrder::parse(&body, &self.bounds);
        let order = order.map_err(|error| Problem::new(Kind::TicketRejected, error.to_string()))?;
        allow(&order.channels).await?;
        let ttl = order.ttl;
        let stored = timeout(STORE_ANSWER_TIMEOUT, self.store(order, grant.map(TicketMaker::of))).await;
        let ticket =
            stored.unwrap_or_else(|_| Err(problem(TicketError::Unavailable("no answer in time".to_owned()))))?;
        stats.tickets.add(1);
        let ticket = ticket.text();
        let url = format!("/events?{PARAMETER}={ticket}");
        Ok(Answer::json(StatusCode::CREATED, &Receipt { ticket, url, expires_in: ttl.as_secs() }))
    }

    async fn store(&self, order: TicketOrder, maker: Option<TicketMaker>) -> Result<Ticket, Problem> {
        // The time of the store: what is revoked is compared with it.
        let made_at = UnixSeconds(self.options.store.now_ms().await.map_err(problem)? / 1_000);
        let ticket = Ticket::random(order.over_at(made_at))
            .map_err(|error| Problem::new(Kind::Unavailable, format!("No ticket was made: {error}.")))?;
        let ttl = order.ttl;
        let record = order.into_record(made_at, maker).encode();
        self.options.store.make(ticket.name(), record, ttl).await.map_err(problem)?;
        Ok(ticket)
    }

    /// What a ticket is worth to a client whose URL names these channels, or none. A stream is its first use, which begins its life; before
    /// that, `begin` says whether the client has room for one with this grant and so many channels.
    pub(crate) async fn redeem(
        &self,
        client: AddressKey,
        ticket: Result<Ticket, Denied>,
        named: &[ChannelName],
        purpose: Purpose,
        uses: &TicketUseCells,
        begin: impl FnOnce(&Grant, usize) -> Result<(), Refused>,
    ) -> Result<Redeemed, Unredeemed> {
        let redeemed = match ticket {
            Ok(ticket) => self.look_up(client, &ticket, named, purpose, begin).await,
            Err(denied) => Err(denied.into()),
        };
        let came_of_it = match &redeemed {
            Ok((_, which)) => Some(*which),
            Err(Unredeemed::Denied(Denied::UnknownTicket)) => Some(TicketUse::Unknown),
            Err(Unredeemed::Denied(Denied::TicketOver)) => Some(TicketUse::Over),
            Err(Unredeemed::Denied(Denied::Unstored)) => Some(TicketUse::Unasked),
            Err(_) => None,
        };
        if let Some(came_of_it) = came_of_it.filter(|_| purpose == Purpose::Stream) {
            uses.of(came_of_it).add(1);
        }
        redeemed.map(|(redeemed, _)| redeemed)
    }

    /// Asks the store, if a place is free, until the deadline. An answer that brings no stream is the client's to pay.
    async fn look_up(
        &self,
        client: AddressKey,
        ticket: &Ticket,
        named: &[ChannelName],
        purpose: Purpose,
        begin: impl FnOnce(&Grant, usize) -> Result<(), Refused>,
    ) -> Result<(Redeemed, TicketUse), Unredeemed> {
        // Whether whose token a ticket was made with is revoked has to be known now.
        if let Some(revocations) = &self.revocations {
            revocations.settled(Right::Tickets).await;
        }
        // Before the store is asked: a wait for it must not lengthen what is left by then.
        let now = self.options.clock.wall_ms();
        let over_at = ticket.over_at().0.saturating_add(TICKET_CLOCK_SLACK.as_secs());
        if UnixSeconds(over_at) <= UnixSeconds(now / 1_000) {
            return Err(Denied::TicketOver.into());
        }
        if self.vain.is_empty(client.key(), Instant::now()) {
            return Err(Denied::UncheckedTicket.into());
        }
        let Ok(_place) = self.places.try_acquire() else { return Err(Denied::Undecided.into()) };
        let asked = timeout(self.look_timeout, self.ask(ticket.name(), now, named, purpose, begin)).await;
        let answer = asked.unwrap_or_else(|_| Err(unstored(&"no answer in time").into()));
        let is_in_vain = match &answer {
            Ok(_) => purpose == Purpose::Check,
            Err(Unredeemed::Denied(denied)) => !denied.is_transient(),
            Err(Unredeemed::Refused(_)) => true,
        };
        if is_in_vain {
            self.vain.note(client.key(), Instant::now());
        }
        answer
    }

    async fn ask(
        &self,
        name: TicketName,
        now: u64,
        named: &[ChannelName],
        purpose: Purpose,
        begin: impl FnOnce(&Grant, usize) -> Result<(), Refused>,
    ) -> Result<(Redeemed, TicketUse), Unredeemed> {
        let TicketOptions { store, max_life, .. } = &self.options;
        let held = store.find(name).await.map_err(|error| unstored(&error))?;
        let (used, which) = match state(held.made.as_deref(), held.used.as_deref())? {
            TicketState::Unknown => return Err(Denied::UnknownTicket.into()),
            TicketState::Used(used) => (used, TicketUse::Again),
            TicketState::Unused(record) => (record.used_at(held.now_ms), TicketUse::First),
        };
        // Before it counts as used: nothing came of it.
        self.check_channels(&used, named)?;
        self.check_revocations(name, &used, named)?;
        if used.left(held.now_ms, *max_life).is_some() && purpose == Purpose::Stream {
            let channels = if named.is_empty() { used.record.channels.len() } else { named.len() };
            begin(&used.grant(name, 0, Duration::ZERO), channels).map_err(Unredeemed::Refused)?;
        }
        let (used, which) = match (which, purpose) {
            (TicketUse::First, Purpose::Stream) => {
                let own = used.encode();
                let first = store.use_first(name, own.clone(), used.kept_for()).await;
                let first = first.map_err(|error| unstored(&error))?;
                (first_of_all(&first)?, if first == own { TicketUse::First } else { TicketUse::Again })
            }
            _ => (used, which),
        };
        // By the store's own clock, which it read together with the ticket: that a ticket is over is never said by another one.
        let left = used.left(held.now_ms, *max_life).ok_or(Denied::TicketOver)?;
        let grant = Box::new(used.grant(name, now, left));
        let took = Duration::from_millis(self.options.clock.wall_ms().saturating_sub(now));
        let ends_early = took > TICKET_END_PRECISION;
        let UsedTicket { record, .. } = used;
        Ok((Redeemed { grant, channels: record.channels, from: record.from, ends_early }, which))
    }

    /// Whether a stream may have what its URL names, or all channels of its ticket: a node that made it may have another bound.
    fn check_channels(&self, used: &UsedTicket, named: &[ChannelName]) -> Result<(), Denied> {
        let channels = &used.record.channels;
        if let Some(other) = named.iter().find(|channel| !channels.contains(channel)) {
            return Err(Denied::NotOfTicket(other.clone()));
        }
        if named.is_empty() && channels.len() > self.bounds.channels {
            return Err(Denied::TooManyOfTicket(self.bounds.channels));
        }
        Ok(())
    }

    /// Whether neither the ticket is revoked, nor its holder, nor whose token it was made with, nor a channel of the stream.
    fn check_revocations(&self, name: TicketName, used: &UsedTicket, named: &[ChannelName]) -> Result<(), Denied> {
        let Some(revocations) = &self.revocations else { return Ok(()) };
        let channels = if named.is_empty() { &used.record.channels } else { named };
        let maker = used.record.maker.as_ref().map(TicketMaker::grant);
        let own = used.grant(name, 0, Duration::ZERO);
        // The stream ends with what revokes its own grant, and not with what revokes the maker: that has to be known now.
        maker.iter().try_for_each(|maker| revocations.still(maker, Right::Tickets, channels))?;
        revocations.still(&own, Right::Subscribe, channels)
    }
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

fn too_many() -> Problem {
    let detail = "As many tickets were made for you lately as may be made for one. No ticket was made.";
    Problem::new(Kind::TooManyTickets, detail).retry_after(Duration::from_secs(1))
}

fn too_large() -> Problem {
    Problem::new(Kind::BodyTooLarge, format!("The order of a ticket has at most {TICKET_ORDER_BYTES_MAX} bytes."))
}

fn busy() -> Problem {
    let detail = "The node holds as many bytes of orders of tickets as it may. No ticket was made.";
    Problem::new(Kind::Unavailable, detail).retry_after(RETRY_AFTER)
}

fn problem(error: TicketError) -> Problem {
    match error {
        TicketError::Denied(reason) => {
            Problem::new(Kind::StoreRefuses, format!("No ticket was made. The store says: {reason}"))
        }
        // It may have been written: nobody has it.
        TicketError::Unavailable(reason) => {
            Problem::new(Kind::StoreUnavailable, format!("There is no ticket for you: {reason}."))
                .retry_after(RETRY_AFTER)
        }
    }
}

#[cfg(test)]
mod tests;
