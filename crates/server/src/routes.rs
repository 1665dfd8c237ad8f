//! From a request to the decision about it. Everything that must be decided before an answer is decided here.

use std::cell::Cell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use fanfare_auth::{Grant, Refusal, Right, Ticket};
use fanfare_protocol::ChannelName;
use tokio::time::Instant;
use tracing::debug;

use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, StatusCode, Uri};
use hyper::body::Incoming;

use crate::admission::{AddressKey, Carrier, Refused, SessionPermit, SocketPermit};
use crate::answer::Answer;
use crate::authorizer::{Authorized, Question};
use crate::common_headers::CommonHeaders;
use crate::cors::{Cors, CorsVerdict};
use crate::decision::{Decision, Stream};
use crate::denied::Denied;
use crate::detach::Handover;
use crate::http_stats::HttpStats;
use crate::node_state::NodeState;
use crate::path::Path;
use crate::problem::{Kind, Problem};
use crate::publish::Access;
use crate::redirect::Redirect;
use crate::refusal::{Asked, Brought, LateRefusal};
use crate::session::Subscribe;
use crate::soon::Soon;
use crate::subscription::{self, Subscription};
use crate::tickets::{self, Purpose, Redeemed, Unredeemed};
use crate::worthless_tokens::WorthlessTokens;
use crate::{empty_body, history, host, occupancy, publish};

/// When one more event of a subject may be published that has published too many: about then.
const PUBLISH_RETRY_AFTER: Duration = Duration::from_secs(1);

const INDEX: &str = "Fanfare, a gateway from Redis to Server-Sent Events.\n\
    Subscribe: GET /events?channel=NAME (repeat channel= for more; Accept: text/event-stream)\n";

/// Where requests of one connection thread are answered.
#[derive(Debug, Clone)]
pub(crate) struct Handler {
    pub(crate) node: Arc<NodeState>,
    pub(crate) stats: Arc<Vec<HttpStats>>,
    pub(crate) core: usize,
}

impl Handler {
    pub(crate) fn stats(&self) -> &HttpStats {
        &self.stats[self.core]
    }

    /// Decides about a request. The connection is told while the rest of the request is waited for.
    pub(crate) fn route(
        &self,
        socket: &SocketPermit,
        request: Request<Incoming>,
        connection: &Rc<Handover<Stream>>,
    ) -> Soon<Decision> {
        self.stats().requests.add(1);
        let verdict = self.node.options.cors.check(request.headers().get(header::ORIGIN));
        let common = CommonHeaders { verdict, listener: socket.source().listener };
        // Where a proxy in front sees the end of such a request elsewhere, what follows would be another client's: hyper does not
        // say whether there was a `Content-Length` as well (RFC 9112, 6.3).
        let is_last = request.headers().contains_key(header::TRANSFER_ENCODING) || self.is_ending(socket);
        match self.decide(socket, request, common.clone(), connection) {
            Ok(Soon::Now(decision)) => Soon::Now(self.finish(decision, &common, is_last)),
            Ok(Soon::Later(decision)) => {
                let handler = self.clone();
                Soon::later(async move { handler.finish(decision.await, &common, is_last) })
            }
            Err(problem) => Soon::Now(self.finish(problem.into(), &common, is_last)),
        }
    }

    /// What every decision has in common.
    fn finish(&self, decision: Decision, common: &CommonHeaders, is_last: bool) -> Decision {
        let Decision::Answer(answer) = decision else {
            self.stats().subscriptions.add(1);
            return decision;
        };
        self.stats().answered(answer.status());
        let answer = answer.with(self.node.headers(common));
        Decision::from(if is_last || self.node.admission.is_draining() { answer.closing() } else { answer })
    }

    fn decide(
        &self,
        socket: &SocketPermit,
        request: Request<Incoming>,
        common: CommonHeaders,
        connection: &Rc<Handover<Stream>>,
    ) -> Result<Soon<Decision>, Problem> {
        host::check(request.version(), request.headers())?;
        let most = self.node.options.requests.url_bytes;
        if request.uri().path_and_query().is_some_and(|target| target.as_str().len() > most) {
            return Err(Problem::new(Kind::UrlTooLong, format!("A URL has at most {most} bytes.")));
        }
        let uri = request.uri().clone();
        if let Some(redirect) = self.redirect(common.listener) {
            return redirect.answer(&uri, request.headers()).map(now);
        }
        let path = Path::parse(uri.path())?;
        if request.method() == Method::OPTIONS {
            return Ok(now(preflight(&path, &common.verdict, request.headers().contains_key(header::ORIGIN))));
        }
        match (path, request.method().clone()) {
            (Path::Events, Method::GET) => self.subscribe(socket, request, common, connection),
            (Path::Events, Method::HEAD) => self.check(socket, request, common, connection),
            (Path::Publish(channel), Method::POST) => self.publish(socket, &channel, request),
            (Path::Tickets, Method::POST) => self.make_ticket(socket, request),
            (Path::History(channel), Method::GET | Method::HEAD) => self.history(socket, &channel, &request),
            (Path::Channel(channel), Method::GET | Method::HEAD) => self.occupancy(socket, &channel, &request),
            (Path::Index, Method::GET | Method::HEAD) => Ok(now(Answer::text(INDEX))),
            (path, _) => Err(Problem::method_not_allowed(path.methods())),
        }
    }

    /// Where this listener sends everybody, if it serves nothing itself.
    fn redirect(&self, listener: u8) -> Option<&Redirect> {
        self.node.options.listeners.get(usize::from(listener))?.redirect.as_ref()
    }

    /// Whether a connection of this listener that has begun in the clear, or by TLS with HTTP/1.1, may go on with HTTP/2. Over TLS the
    /// handshake says what is spoken (RFC 9113 section 3.3).
    pub(crate) fn takes_preface(&self, listener: u8) -> bool {
        let options = &self.node.options;
        let is_plain = options.listeners.get(usize::from(listener)).is_none_or(|listen| listen.tls.is_none());
        is_plain && options.requests.http2
    }

    /// Whose a request is: the socket's, unless that is a trusted proxy's.
    fn client(&self, socket: &SocketPermit, headers: &HeaderMap) -> IpAddr {
        let client = socket.source().client(headers, &self.node.options.admission.proxies);
        self.stats().doubtful_clients.add(u64::from(client.is_doubtful));
        client.address
    }

    /// Whether what the client of a connection has proven by its certificate is over soon, so that it has to come by another one.
    pub(crate) fn is_ending(&self, socket: &SocketPermit) -> bool {
        let certificates = self.node.options.client_certificates.as_ref();
        certificates.zip(socket.certified()).is_some_and(|(options, client)| options.is_ending(client))
    }

    /// Who has sent worthless tokens to this thread.
    fn worthless_tokens(&self) -> &WorthlessTokens {
        &self.node.worthless_tokens[self.core]
    }

    /// Asks whether this client may do this with these channels.
    fn ask(
        &self,
        socket: &SocketPermit,
        address: IpAddr,
        (right, channels): (Right, &[ChannelName]),
        head: (&Uri, &HeaderMap),
    ) -> Asking {
        let client = AddressKey::of(address);
        let (uri, headers) = head;
        let authorized = match &self.node.options.authorizer {
            None => Soon::Now(Ok(None)),
            Some(authorizer) => {
                let is_doubtful = self.worthless_tokens().are_too_many(client, Instant::now());
                authorizer.authorize(&Question {
                    right,
                    channels,
                    headers,
                    path: uri.path(),
                    query: uri.query(),
                    address,
                    certified: socket.certified(),
                    is_doubtful,
                })
            }
        };
        Asking { client, right, authorized }
    }

    /// Waits for what was asked, if it is not there, a slot for it is free and until its deadline.
    async fn wait(&self, asking: Asking) -> Authorized {
        let Asking { client, right, authorized } = asking;
        let authorized = match authorized {
            Soon::Now(authorized) => {
                // A connection that sends one request after the other has each token checked: others come between.
                if self.node.options.authorizer.is_some() {
                    tokio::task::yield_now().await;
                }
                authorized
            }
            Soon::Later(authorized) => match self.node.decision_slots.try_acquire() {
                Ok(_slot) => {
                    let timeout = self.node.options.requests.decision_timeout;
                    tokio::time::timeout(timeout, authorized).await.unwrap_or(Err(Denied::Undecided))
                }
                Err(_) => Err(Denied::Undecided),
            },
        };
        authorized.map_err(|denied| self.note(client, right, denied))
    }

    /// Counts a request that is not allowed. An application that does not know who asks says nothing about a token: signed-out users are
    /// no worse than others.
    fn note(&self, client: AddressKey, right: Right, denied: Denied) -> Denied {
        if matches!(denied, Denied::By(Refusal::Invalid(_))) {
            self.worthless_tokens().note(client, Instant::now());
        }
        debug!(right = right.as_str(), reason = denied.as_str(), "denied a request");
        self.stats().denied.count(right, &denied);
        denied
    }

    fn subscribe(
        &self,
        socket: &SocketPermit,
        request: Request<Incoming>,
        common: CommonHeaders,
        connection: &Rc<Handover<Stream>>,
    ) -> Result<Soon<Decision>, Problem> {
        let (head, body) = request.into_parts();
        let rest = empty_body::rest(body)?;
        let (subscription, ticket, asked) = self.subscription(&head.uri, &head.headers)?;
        let (client, carrier) = (self.client(socket, &head.headers), socket.carrier());
        let late = LateRefusal { node: Arc::clone(&self.node), common, asked };
        let by = |ticket| match ticket {
            Some(ticket) => By::Ticket(ticket),
            None => {
                let wanted = (Right::Subscribe, &subscription.channels[..]);
                By::Grant(self.ask(socket, client, wanted, (&head.uri, &head.headers)))
            }
        };
        let handler = self.clone();
        let Some(rest) = rest else {
            let admitted = match self.admit(&carrier, client, late) {
                Ok(admitted) => admitted,
                Err(refusal) => return Ok(now(refusal)),
            };
            return Ok(match by(ticket) {
                By::Grant(Asking { authorized: Soon::Now(Ok(grant)), .. }) => {
                    Soon::Now(self.accept(subscription, admitted, grant))
                }
                by => Soon::later(async move { handler.begin(admitted, by, subscription).await }),
            });
        };
        let by = match by(ticket) {
            By::Grant(Asking { client, right, authorized: Soon::Now(Err(denied)) }) => {
                return Ok(now(late.denied(self.note(client, right, denied))));
            }
            by => by,
        };
        let whole = whole(Some(rest), connection);
        // Admitted when it is complete: a request that does not end takes no place that others come by.
        Ok(Soon::later(async move {
            if let Err(problem) = whole.await {
                return problem.into();
            }
            match handler.admit(&carrier, client, late) {
                Ok(admitted) => handler.begin(admitted, by, subscription).await,
                Err(refusal) => refusal.into(),
            }
        }))
    }

    fn admit(&self, carrier: &Carrier, client: IpAddr, late: LateRefusal) -> Result<Admitted, Answer> {
        match self.node.admission.admit(carrier, client, Instant::now()) {
            Ok(permit) => Ok(Admitted { client, permit, late }),
            Err(refused) => {
                debug!(%client, reason = refused.reason.as_str(), "refused a subscription");
                Err(late.refused(&refused))
            }
        }
    }

    /// Begins a stream for a client that has its place, once it is known what it may have.
    async fn begin(&self, admitted: Admitted, by: By, subscription: Subscription) -> Decision {
        match by {
            By::Ticket(ticket) => self.subscribe_by_ticket(admitted, ticket, subscription).await,
            By::Grant(asking) => match self.wait(asking).await {
                Ok(grant) => self.accept(subscription, admitted, grant),
                Err(denied) => admitted.late.denied(denied).into(),
            },
        }
    }

    async fn subscribe_by_ticket(
        &self,
        admitted: Admitted,
        ticket: Result<Ticket, Denied>,
        subscription: Subscription,
    ) -> Decision {
        let Admitted { client, mut permit, late } = admitted;
        let begin = |grant: &Grant, channels| {
            self.node.admission.begin(&mut permit, client, Some(grant), channels, Instant::now())
        };
        match self.redeem(client, ticket, &subscription.channels, Purpose::Stream, begin).await {
            Ok(redeemed) => {
                let late = if redeemed.ends_early() { late.of_slow_ticket() } else { late };
                let (subscription, grant) = redeemed.begin(subscription);
                self.stream(subscription, Admitted { client, permit, late }, Some(grant))
            }
            Err(Unredeemed::Denied(denied)) => late.denied(denied).into(),
            Err(Unredeemed::Refused(refused)) => late.refused(&refused).into(),
        }
    }

    /// Answers `HEAD`: as `GET` would be, as far as that is known without a place for a stream.
    fn check(
        &self,
        socket: &SocketPermit,
        request: Request<Incoming>,
        common: CommonHeaders,
        connection: &Rc<Handover<Stream>>,
    ) -> Result<Soon<Decision>, Problem> {
        let (head, body) = request.into_parts();
        let rest = empty_body::rest(body)?;
        let (subscription, ticket, asked) = self.subscription(&head.uri, &head.headers)?;
        let late = LateRefusal { node: Arc::clone(&self.node), common, asked };
        let client = self.client(socket, &head.headers);
        let asking = match ticket {
            Some(ticket) => Err(ticket),
            None => {
                Ok(self.ask(socket, client, (Right::Subscribe, &subscription.channels), (&head.uri, &head.headers)))
            }
        };
        let whole = whole(rest, connection);
        let handler = self.clone();
        Ok(Soon::later(async move {
            if let Err(problem) = whole.await {
                return problem.into();
            }
            let most = handler.node.options.requests.channels;
            let allowed = match asking {
                Ok(asking) => {
                    let grant = handler.wait(asking).await;
                    grant.and_then(|mut grant| subscription.named_by(grant.as_deref_mut(), most)).map(drop)
                }
                Err(ticket) => handler.check_ticket(client, ticket, &subscription.channels).await,
            };
            match allowed {
                Ok(()) => Answer::stream().into(),
                Err(denied) => late.denied(denied).into(),
            }
        }))
    }

    /// A stream for a client that has its place and may subscribe; a refusal if too many begin at once.
    fn accept(&self, subscription: Subscription, admitted: Admitted, mut grant: Option<Box<Grant>>) -> Decision {
        let subscription = match subscription.named_by(grant.as_deref_mut(), self.node.options.requests.channels) {
            Ok(subscription) => subscription,
            Err(denied) => {
                self.stats().denied.count(Right::Subscribe, &denied);
                return admitted.late.denied(denied).into();
            }
        };
        let Admitted { client, mut permit, late } = admitted;
        let (admission, channels) = (&self.node.admission, subscription.channels.len());
        match admission.begin(&mut permit, client, grant.as_deref(), channels, Instant::now()) {
            Ok(()) => self.stream(subscription, Admitted { client, permit, late }, grant),
            Err(refused) => late.refused(&refused).into(),
        }
    }

    /// A stream for a client that may begin it now.
    fn stream(&self, subscription: Subscription, admitted: Admitted, grant: Option<Box<Grant>>) -> Decision {
        // Its ticket or the application may have named its channels.
        if let Err(problem) = self.check_counted(&subscription) {
            return problem.into();
        }
        let Admitted { client, permit, late } = admitted;
        let payer = self.node.admission.payer(client, grant.as_deref());
        let head = Answer::stream().ending(subscription.close).with(self.node.headers(&late.common));
        let refuse = Box::new(move |why| late.answer(&why));
        Decision::Stream(Box::new(Subscribe { subscription, payer, head, refuse, grant, permit }))
    }

    /// What a request for `/events` asks for, the ticket by which it does, and what a refusal depends on. The inner error: what stands there
    /// is no ticket.
    fn subscription(&self, uri: &Uri, headers: &HeaderMap) -> Result<AskedFor, Problem> {
        let found = tickets::in_query(uri.query());
        let parse = |may_be_unnamed| subscription::parse(uri, headers, &self.node.options.requests, may_be_unnamed);
        let (subscription, ticket, brought) = match (&self.node.tickets, found) {
            (Some(_), Err(problem)) => return Err(problem),
            (Some(_), Ok(Some(ticket))) => (parse(true)?, Some(ticket), Brought::Ticket),
            // For another node, as it seems.
            (None, Ok(Some(Ok(ticket)))) => {
                let subscription = parse(true)?;
                let is_needed = subscription.channels.is_empty();
                (subscription, is_needed.then_some(Ok(ticket)), Brought::Unasked)
            }
            _ => {
                let authorizer = self.node.options.authorizer.as_ref();
                let may_be_named = authorizer.is_some_and(|authorizer| authorizer.names_channels());
                (parse(may_be_named)?, None, Brought::Nothing)
            }
        };
        self.check_counted(&subscription)?;
        let asked = Asked::of(&subscription, subscription::asks_for_stream(headers), brought);
        Ok((subscription, ticket, asked))
    }

    /// Whether all channels of a subscription are counted that wants to hear how many read them.
    fn check_counted(&self, subscription: &Subscription) -> Result<(), Problem> {
        let uncounted = subscription.channels.iter().find(|channel| subscription.occupancy && !self.counts(channel));
        uncounted.map_or(Ok(()), |channel| Err(occupancy::not_counted(Kind::InvalidRequest, channel)))
    }

    fn counts(&self, channel: &ChannelName) -> bool {
        self.node.counts.as_ref().is_some_and(|counts| counts.covers(channel))
    }

    /// What a ticket is worth, before it begins a stream.
    async fn check_ticket(
        &self,
        address: IpAddr,
        ticket: Result<Ticket, Denied>,
        named: &[ChannelName],
    ) -> Result<(), Denied> {
        match self.redeem(address, ticket, named, Purpose::Check, |_, _| Ok(())).await {
            Ok(_) | Err(Unredeemed::Refused(_)) => Ok(()),
            Err(Unredeemed::Denied(denied)) => Err(denied),
        }
    }

    /// What a ticket is worth; `begin` says whether a stream may begin with it.
    async fn redeem(
        &self,
        address: IpAddr,
        ticket: Result<Ticket, Denied>,
        named: &[ChannelName],
        purpose: Purpose,
        begin: impl FnOnce(&Grant, usize) -> Result<(), Refused>,
    ) -> Result<Redeemed, Unredeemed> {
        let client = AddressKey::of(address);
        let redeemed = match &self.node.tickets {
            Some(tickets) => tickets.redeem(client, ticket, named, purpose, &self.stats().ticket_uses, begin).await,
            None => Err(Denied::TicketsOff.into()),
        };
        redeemed.map_err(|unredeemed| match unredeemed {
            Unredeemed::Denied(denied) => self.note(client, Right::Subscribe, denied).into(),
            refused @ Unredeemed::Refused(_) => refused,
        })
    }

    fn make_ticket(&self, socket: &SocketPermit, request: Request<Incoming>) -> Result<Soon<Decision>, Problem> {
        if self.node.tickets.is_none() {
            return Err(tickets::off());
        }
        let access = publish::authorize(self.node.options.publish_key.as_ref(), true, request.headers())?;
        let client = self.client(socket, request.headers());
        let asking = match access {
            Access::ByKey => None,
            Access::ByToken => {
                Some(self.ask(socket, client, (Right::Tickets, &[]), (request.uri(), request.headers())))
            }
        };
        let handler = self.clone();
        Ok(Soon::later(async move {
            let made = handler.make_ticket_for(client, asking, request).await;
            made.unwrap_or_else(Answer::from).into()
        }))
    }

    /// Makes a ticket for a client that has the publish key (`None`), or of which it was asked what it may do.
    async fn make_ticket_for(
        &self,
        client: IpAddr,
        asking: Option<Asking>,
        request: Request<Incoming>,
    ) -> Result<Answer, Problem> {
        let tickets = self.node.tickets.as_ref().ok_or_else(tickets::off)?;
        let grant = match asking {
            None => None,
            // Nobody may do this without a grant.
            Some(asking) => Some(self.wait(asking).await?.ok_or(Denied::By(Refusal::Missing))?),
        };
        let key = AddressKey::of(client);
        let allow = async |channels: &[ChannelName]| match grant.as_deref() {
            None => Ok(()),
            Some(grant) => {
                self.still(client, Right::Tickets.into(), Some(grant), channels).await?;
                let permitted = grant.permit(Right::Tickets, channels).map_err(Denied::By);
                permitted.map_err(|denied| self.note(key, Right::Tickets, denied).into())
            }
        };
        let payer = self.node.admission.payer_key(client, grant.as_deref());
        tickets.make(payer, grant.as_deref(), request, self.stats(), allow).await
    }

    fn publish(
        &self,
        socket: &SocketPermit,
        channel: &str,
        request: Request<Incoming>,
    ) -> Result<Soon<Decision>, Problem> {
        let options = &self.node.options;
        // Where nobody is asked, a token gives nothing.
        let tokens = options.publish_tokens && options.authorizer.is_some();
        let access = publish::authorize(options.publish_key.as_ref(), tokens, request.headers())?;
        let channel = subscription::channel(channel)?;
        let client = self.client(socket, request.headers());
        let asking = match access {
            Access::ByKey => None,
            Access::ByToken => {
                let head = (request.uri(), request.headers());
                Some(self.ask(socket, client, (Right::Publish, std::slice::from_ref(&channel)), head))
            }
        };
        let handler = self.clone();
        Ok(Soon::later(async move {
            let grant = match asking {
                None => None,
                Some(asking) => match handler.allow_publish(client, asking).await {
                    Ok(grant) => grant,
                    Err(problem) => return problem.into(),
                },
            };
            let asked = channel.clone();
            // A grant that is over meanwhile, or that cannot be judged, says nothing of how busy the node is.
            let is_over = Cell::new(false);
            let still = async || {
                let still =
                    handler.still(client, Right::Publish.into(), grant.as_deref(), std::slice::from_ref(&asked)).await;
                still.inspect_err(|_| is_over.set(true))
            };
            let published = publish::answer(Arc::clone(&handler.node), channel, request, still).await;
            handler.stats().published.add(u64::from(published.is_ok()));
            handler.stats().busy_publishes.add(u64::from(is_busy(&published) && !is_over.get()));
            published.unwrap_or_else(Answer::from).into()
        }))
    }

    /// Whether a client may publish by what it brings, and once more now.
    async fn allow_publish(&self, client: IpAddr, asking: Asking) -> Result<Option<Box<Grant>>, Problem> {
        let grant = self.wait(asking).await?;
        match self.node.admission.publish(client, grant.as_deref(), Instant::now()) {
            Ok(()) => Ok(grant),
            Err(refused) => {
                let problem = Problem::new(Kind::TooManyPublishes, refused.reason.detail());
                Err(problem.retry_after(PUBLISH_RETRY_AFTER))
            }
        }
    }

    /// Whether a grant that was enough when it was asked for is so still. Waits for what is revoked to be known, if it may be known soon and
    /// what is asked for is done at once.
    async fn still(
        &self,
        client: IpAddr,
        Judged { asked, as_if }: Judged,
        grant: Option<&Grant>,
        channels: &[ChannelName],
    ) -> Result<(), Problem> {
        let options = &self.node.options;
        let Some((authorizer, grant)) = options.authorizer.as_ref().zip(grant) else { return Ok(()) };
        if let Some(revocations) = &options.revocations {
            revocations.settled(as_if).await;
        }
        let still = authorizer.still(grant, as_if, channels);
        still.map_err(|denied| self.note(AddressKey::of(client), asked, denied).into())
    }

    fn history(
        &self,
        socket: &SocketPermit,
        channel: &str,
        request: &Request<Incoming>,
    ) -> Result<Soon<Decision>, Problem> {
        let options = &self.node.options.history;
        if !options.enabled {
            return Err(Problem::new(Kind::HistoryOff, "Set history.enabled on the node to turn this endpoint on."));
        }
        let channel = subscription::channel(channel)?;
        let client = self.client(socket, request.headers());
        let head = (request.uri(), request.headers());
        let asking = self.ask(socket, client, (Right::History, std::slice::from_ref(&channel)), head);
        let asked = channel.clone();
        let wanted = history::parse(channel, request.uri().query(), options.max_limit)?;
        let handler = self.clone();
        Ok(Soon::later(async move {
            let grant = match handler.wait(asking).await {
                Ok(grant) => grant,
                Err(denied) => return Problem::from(denied).into(),
            };
            let payer = handler.node.admission.payer(client, grant.as_deref());
            let page = history::answer(Arc::clone(&handler.node), payer, wanted).await;
            handler.stats().busy_histories.add(u64::from(is_busy(&page)));
            // Reading it may have taken seconds, and it holds what was published meanwhile.
            let still =
                handler.still(client, Right::History.into(), grant.as_deref(), std::slice::from_ref(&asked)).await;
            let page = still.and(page);
            handler.stats().histories.add(u64::from(page.is_ok()));
            page.unwrap_or_else(Answer::from).into()
        }))
    }

    /// How many read a channel. Whoever may follow it may know: it could ask for `$occupancy`.
    fn occupancy(
        &self,
        socket: &SocketPermit,
        channel: &str,
        request: &Request<Incoming>,
    ) -> Result<Soon<Decision>, Problem> {
        let channel = subscription::channel(channel)?;
        if !self.counts(&channel) {
            return Err(occupancy::not_counted(Kind::NotCounted, &channel));
        }
        let client = self.client(socket, request.headers());
        let head = (request.uri(), request.headers());
        let asking = self.ask(socket, client, (Right::Subscribe, std::slice::from_ref(&channel)), head);
        let handler = self.clone();
        Ok(Soon::later(async move {
            let counted = handler.count(client, asking, &channel).await;
            counted.unwrap_or_else(Answer::from).into()
        }))
    }

    async fn count(&self, client: IpAddr, asking: Asking, channel: &ChannelName) -> Result<Answer, Problem> {
        let grant = self.wait(asking).await?;
        let payer = self.node.admission.payer_key(client, grant.as_deref());
        let counted = match &self.node.counts {
            Some(counts) => counts.answer(payer, channel.clone(), self.stats()).await,
            None => Err(occupancy::not_counted(Kind::NotCounted, channel)),
        };
        // A number is said at once, as a page of history is, and not kept back like the events of a stream that may begin. Asking for it may
        // have taken seconds.
        let judged = Judged { asked: Right::Subscribe, as_if: Right::History };
        let still = self.still(client, judged, grant.as_deref(), std::slice::from_ref(channel)).await;
        let counted = still.and(counted);
        self.stats().counts.add(u64::from(counted.is_ok()));
        self.stats().busy_counts.add(u64::from(is_busy(&counted)));
        counted
    }
}

/// A subscription, its ticket, and what a refusal of it depends on.
type AskedFor = (Subscription, Option<Result<Ticket, Denied>>, Asked);

/// A client that has its place for a stream, if it may have one.
struct Admitted {
    client: IpAddr,
    permit: SessionPermit,
    late: LateRefusal,
}

/// The right that is asked for, and the one as which it is judged while it is not known what is revoked.
struct Judged {
    asked: Right,
    as_if: Right,
}

impl From<Right> for Judged {
    fn from(right: Right) -> Self {
        Self { asked: right, as_if: right }
    }
}

/// What a subscription is allowed by.
enum By {
    Ticket(Result<Ticket, Denied>),
    Grant(Asking),
}

/// What was asked about a request.
struct Asking {
    client: AddressKey,
    right: Right,
    authorized: Soon<Authorized>,
}

/// Whether the node has as much of this under way as it may.
fn is_busy(outcome: &Result<Answer, Problem>) -> bool {
    outcome.as_ref().is_err_and(|problem| problem.kind == Kind::Unavailable)
}

fn now(answer: Answer) -> Soon<Decision> {
    Soon::Now(answer.into())
}

/// Waits until a request is complete. The error: it has a body.
fn whole(
    rest: Option<Incoming>,
    connection: &Rc<Handover<Stream>>,
) -> impl Future<Output = Result<(), Problem>> + use<> {
    let rest = rest.map(|body| {
        connection.wait_for_rest();
        (body, Rc::clone(connection))
    });
    async move {
        let Some((body, connection)) = rest else { return Ok(()) };
        let outcome = empty_body::ended(body).await;
        connection.rest_has_come();
        outcome
    }
}

fn preflight(path: &Path<'_>, verdict: &CorsVerdict, cross_origin: bool) -> Answer {
    let allow = [(header::ALLOW, HeaderValue::from_static(path.methods()))];
    let answer = Answer::empty(StatusCode::NO_CONTENT).with(allow);
    if cross_origin { answer.with(Cors::preflight(verdict, path.methods())) } else { answer }
}
