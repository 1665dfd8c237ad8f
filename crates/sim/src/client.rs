//! An `EventSource` made of memory: it drops at any byte, reads as slowly as it likes, stays away, and comes back to any
//! node with what it has read.

use std::rc::Rc;

use fanfare_oracle::{ByChannel, Observed, Parsed, Published, ResponseParser, Step};
use fanfare_protocol::ChannelName;
use tokio::io::AsyncWriteExt as _;
use tokio::time::{Duration, Instant, sleep, timeout_at};

use crate::CLIENT_ADDRESS;
use crate::browser::Browser;
use crate::occupancy::told::Told;
use crate::payload;
use crate::response::{Arrived, Response};
use crate::rng::Rng;
use crate::tokens::ticket_office;
use crate::tokens::token::Token;
use crate::tokens::token_response::{Piece, TokenResponse};
use crate::world::World;

/// How long clients stay away once everything works.
const CALM_PAUSE: Duration = Duration::from_millis(50);
/// The same where they may be refused until they have another token.
const CALM_PAUSE_DENIED: Duration = Duration::from_millis(400);

/// A token that has so many milliseconds left is soon replaced.
const SOON_OVER_MS: u64 = 5_000;

/// How a client behaves, for its whole life.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manners {
    /// Bytes on their way to it.
    pub(crate) room: usize,
    /// Chance, in thousandths, that it pauses after a read.
    pub(crate) pauses: usize,
    /// It asks for the newest so many events when it comes for the first time.
    pub(crate) last: Option<usize>,
    /// Chance, in thousandths, that it stays away for minutes after a drop.
    pub(crate) absent: usize,
    /// How long it may stay away then, in milliseconds.
    pub(crate) absent_ms: u64,
    /// How long a connection lasts, at most, in milliseconds.
    pub(crate) stays_ms: u64,
    /// Bytes of one read, at most.
    pub(crate) reads: usize,
}

/// One client.
pub(crate) struct Client {
    pub(crate) number: usize,
    pub(crate) channels: Vec<ChannelName>,
    pub(crate) manners: Manners,
    pub(crate) rng: Rng,
    /// It speaks HTTP/2, as a tab of this browser; `None`: it speaks HTTP/1.
    browser: Option<Rc<Browser>>,
    /// What it saw: when, of which channel, what.
    pub(crate) steps: Vec<(u64, usize, Step)>,
    by_channel: ByChannel,
    pub(crate) last_event_id: String,
    /// What it shows for itself, where nodes ask for that.
    token: Option<Token>,
    /// Data of the events seen.
    pub(crate) data: Vec<String>,
    /// What the present connection was told of readers.
    told: Told,
    /// What no client must ever see.
    pub(crate) breaches: Vec<String>,
}

/// One answer that is read.
struct Visit {
    response: Response,
    by_token: Option<TokenResponse>,
}

impl Client {
    pub(crate) fn new(
        number: usize,
        channels: Vec<ChannelName>,
        manners: Manners,
        rng: Rng,
        browser: Option<Rc<Browser>>,
    ) -> Self {
        let names: Vec<String> = channels.iter().map(ToString::to_string).collect();
        Self {
            number,
            channels,
            manners,
            rng,
            browser,
            steps: Vec::new(),
            by_channel: ByChannel::new(&names),
            last_event_id: String::new(),
            token: None,
            data: Vec::new(),
            told: Told::default(),
            breaches: Vec::new(),
        }
    }

    /// Connects, reads and drops until the world is calm; then connects and reads until it has seen the last event of each channel.
    pub(crate) async fn live(mut self, world: Rc<World>) -> Self {
        sleep(self.rng.up_to_ms(3_000)).await;
        while !world.is_over() && !self.has_seen_the_end(&world) {
            let node = self.rng.below(world.nodes.len());
            self.call_on(&world, node).await;
            self.stay_away(&world).await;
        }
        // The last tab closes the browser.
        self.browser = None;
        self
    }

    /// Connects to a node, with what it asks for.
    async fn call_on(&mut self, world: &Rc<World>, node: usize) {
        if world.access.is_some() && world.nodes[node].is_running() && !self.has_token(world).await {
            return world.trace.note(|| format!("client {} has no ticket", self.number));
        }
        let by_token = self.by_token(world, node);
        match self.ask(world, node, by_token.as_ref()).await {
            Some(response) => self.read(world, node, Visit { response, by_token }).await,
            None => world.trace.note(|| format!("client {} finds node {node} down", self.number)),
        }
    }

    /// Makes its request. `None`: the node cannot be reached.
    async fn ask(&mut self, world: &World, node: usize, by_token: Option<&TokenResponse>) -> Option<Response> {
        let connected = Observed::Connected(self.last_event_id.clone());
        let asks = world.counting.as_ref().is_some_and(|counting| counting.asks(self.number));
        self.told = Told::new(asks, self.channels.iter().map(ToString::to_string).collect());
        if let Some(browser) = self.browser.clone() {
            let asked = browser.ask(world, node, self.http2_request(by_token)).await?;
            self.observe(world, &connected);
            return Some(Response::Http2(asked));
        }
        let mut end = world.nodes[node].connect(self.manners.room, CLIENT_ADDRESS)?;
        world.trace.note(|| format!("client {} connects to node {node} with {:?}", self.number, self.last_event_id));
        self.observe(world, &connected);
        if by_token.is_some() {
            end.keep_dates();
        }
        end.write_all(self.request(by_token).as_bytes()).await.ok()?;
        Some(Response::Http1(end, ResponseParser::default()))
    }

    fn has_seen_the_end(&self, world: &World) -> bool {
        let seen = |name: &ChannelName| self.data.iter().any(|data| *data == World::last_event_of(name));
        world.is_calm() && self.channels.iter().all(seen)
    }

    async fn stay_away(&mut self, world: &World) {
        let pause = match self.rng.chance(self.manners.absent) {
            true => self.rng.up_to_ms(self.manners.absent_ms),
            false => self.rng.up_to_ms(1_000),
        };
        tokio::select! {
            biased;
            () = sleep(pause) => {}
            () = world.calm() => sleep(if world.access.is_some() { CALM_PAUSE_DENIED } else { CALM_PAUSE }).await,
        }
    }

    /// Reads what comes, until it has enough.
    async fn read(&mut self, world: &Rc<World>, node: usize, mut visit: Visit) {
        let mut patience = if self.rng.chance(700) { self.rng.below(4_000) } else { usize::MAX };
        let leaves_at = Instant::now() + self.rng.up_to_ms(self.manners.stays_ms);
        let mut buffer = vec![0; self.manners.reads];
        while patience > 0 && !self.has_seen_the_end(world) {
            let calm = world.is_calm();
            let most = if calm { buffer.len() } else { (1 + self.rng.below(buffer.len())).min(patience) };
            let until = if calm { world.ends_at() } else { leaves_at };
            let read = tokio::select! {
                biased;
                read = timeout_at(until, visit.response.read(&mut buffer[..most])) => read,
                () = world.calm(), if !calm => continue,
            };
            let Ok(Some(arrived)) = read else { return };
            if !calm {
                patience -= arrived.bytes.len();
            }
            world.trace.bytes(&format!("client {} of node {node}", self.number), &arrived.bytes);
            if !self.take(world, &mut visit, &arrived) {
                return;
            }
            if !calm && self.rng.chance(self.manners.pauses) {
                sleep(self.rng.up_to_ms(800)).await;
            }
        }
    }

    /// Sees to it that it has a token to show, or a ticket. Mostly that is a token that has some time left; a ticket is kept until a node says
    /// that it is worth nothing. `false`: nobody could make it one.
    async fn has_token(&mut self, world: &World) -> bool {
        let Some(access) = &world.access else { return true };
        let (now, calm) = (world.record.now_ms(), world.is_calm());
        if access.comes_by_ticket(self.number) {
            if self.token.is_none() {
                self.token = ticket_office::make(world, access, self.number, &self.channels, &mut self.rng).await;
            }
            return self.token.is_some();
        }
        let is_good = |token: &Token| token.expires_ms > now + SOON_OVER_MS;
        let may_be_over = !calm && self.rng.chance(300);
        let kept = self.token.take().filter(|token| is_good(token) || may_be_over);
        self.token = Some(kept.unwrap_or_else(|| access.mint(self.number, !calm, &mut self.rng)));
        true
    }

    /// What is judged of a connection to this node, where it asks for tokens.
    fn by_token(&self, world: &World, node: usize) -> Option<TokenResponse> {
        let token = self.token.clone().filter(|_| world.access.is_some())?;
        let channels = self.channels.iter().map(ToString::to_string).collect();
        let now = world.record.now_ms();
        let began = world.nodes[node].began().map_or(now, |began| world.record.ms(began));
        Some(TokenResponse::new(token, channels, node, [began, now]))
    }

    /// It was refused with this status. A browser never comes back with the ticket then.
    fn note_refusal(&mut self, world: &World, status: u16) {
        let Some(access) = &world.access else { return };
        let mut counts = access.counts.borrow_mut();
        counts.denied += usize::from(status == 401);
        counts.over += usize::from(status == 204);
        drop(counts);
        if status == 204 {
            self.token = None;
        } else {
            self.doubt_token(world);
        }
    }

    /// Its token is not good any more, as it was told. Now and then it comes back with it nevertheless.
    fn doubt_token(&mut self, world: &World) {
        if world.is_calm() || self.rng.chance(500) {
            self.token = None;
        }
    }

    /// What is asked for. A ticket's URL names its channels for some, for others the ticket does.
    fn target(&self, by_token: Option<&TokenResponse>) -> String {
        let ticket = by_token.map(TokenResponse::token).filter(|token| token.ticket.is_some());
        let named = ticket.is_none() || self.number.is_multiple_of(2);
        let channels = self.channels.iter().filter(|_| named).map(|name| format!("channel={name}"));
        let last = self.manners.last.map(|count| format!("last={count}"));
        let ticket = ticket.map(|token| format!("ticket={}", token.text));
        let occupancy = self.told.asked.then(|| "occupancy=1".to_owned());
        format!("/events?{}", channels.chain(last).chain(ticket).chain(occupancy).collect::<Vec<_>>().join("&"))
    }

    fn request(&self, by_token: Option<&TokenResponse>) -> String {
        let resume = match self.last_event_id.as_str() {
            "" => String::new(),
            id => format!("Last-Event-ID: {id}\r\n"),
        };
        let token = by_token.map(TokenResponse::token).filter(|token| token.ticket.is_none());
        let token = token.map(|token| format!("Authorization: Bearer {}\r\n", token.text)).unwrap_or_default();
        let target = self.target(by_token);
        format!("GET {target} HTTP/1.1\r\nHost: sim\r\nAccept: text/event-stream\r\n{resume}{token}\r\n")
    }

    fn http2_request(&self, by_token: Option<&TokenResponse>) -> http::Request<()> {
        let mut request = http::Request::get(format!("http://sim{}", self.target(by_token)));
        request = request.header(http::header::ACCEPT, "text/event-stream");
        if !self.last_event_id.is_empty() {
            request = request.header("last-event-id", self.last_event_id.as_str());
        }
        if let Some(token) = by_token.map(TokenResponse::token).filter(|token| token.ticket.is_none()) {
            request = request.header(http::header::AUTHORIZATION, format!("Bearer {}", token.text));
        }
        request.body(()).expect("a valid request")
    }

    /// Takes bytes as they come, with when they were sent. `false`: this connection is of no more use.
    fn take(&mut self, world: &World, visit: &mut Visit, arrived: &Arrived) -> bool {
        let Visit { response, by_token } = visit;
        let mut parsed = Vec::new();
        let fed = match by_token {
            None => response.feed(&arrived.bytes, &mut parsed),
            Some(by_token) => self.take_dated(world, response, by_token, arrived, &mut parsed),
        };
        let Some(status) = response.status() else { return true };
        if status != 200 {
            world.trace.note(|| format!("client {} is told {status}", self.number));
            self.breaches.extend(by_token.iter().filter_map(|by_token| by_token.refused(world, status)));
            self.note_refusal(world, status);
            return false;
        }
        if let Err(error) = fed {
            self.breaches.push(format!("the response breaks its protocol: {error}"));
            return false;
        }
        parsed.into_iter().for_each(|item| self.see(world, item));
        !response.has_ended()
    }

    /// The same, in pieces that were sent at one time each.
    fn take_dated(
        &mut self,
        world: &World,
        response: &mut Response,
        by_token: &mut TokenResponse,
        arrived: &Arrived,
        parsed: &mut Vec<Parsed>,
    ) -> Result<(), String> {
        let mut bytes = &arrived.bytes[..];
        for (count, written) in &arrived.dates {
            let (piece, rest) = bytes.split_at(*count);
            let before = parsed.len();
            response.feed(piece, parsed)?;
            let piece = Piece { bytes: piece, written: *written, completes: &parsed[before..] };
            self.breaches.extend(by_token.take(world, response.is_session(), piece));
            bytes = rest;
        }
        Ok(())
    }

    fn see(&mut self, world: &World, item: Parsed) {
        let (observed, id) = match item {
            Parsed::Place(id) => (Ok(Observed::Place(id.clone())), id),
            Parsed::Event(event) => {
                self.heed(world, &event.event);
                // When it was said is not known: this one may read late.
                self.breaches.extend(self.told.take(&event, false));
                let id = event.last_event_id.clone();
                (Observed::try_from(event), id)
            }
            Parsed::Retry(_) | Parsed::Comment(_) => return,
        };
        match observed {
            Ok(observed) => self.observe(world, &observed),
            Err(what) => self.breaches.push(what),
        }
        if !id.is_empty() {
            self.last_event_id = id;
        }
    }

    /// What the gateway says of its token.
    fn heed(&mut self, world: &World, event: &str) {
        let Some(access) = &world.access else { return };
        let mut counts = access.counts.borrow_mut();
        match event {
            "$expired" => counts.expired += 1,
            "$revoked" => counts.revoked += 1,
            _ => return,
        }
        drop(counts);
        self.doubt_token(world);
    }

    fn observe(&mut self, world: &World, observed: &Observed) {
        let data = &mut self.data;
        let (steps, breaches) = self.by_channel.sort(observed, |event| {
            let name = payload::name_of(&event.data)?;
            // Ephemeral events are one word.
            let Some((channel, _)) = name.split_once(' ') else { return Ok(Published::Ephemeral) };
            data.push(name.to_owned());
            Ok(Published::Entry { channel, data: name })
        });
        let now = world.record.now_ms();
        self.steps.extend(steps.into_iter().map(|(index, step)| (now, index, step)));
        self.breaches.extend(breaches);
    }
}
