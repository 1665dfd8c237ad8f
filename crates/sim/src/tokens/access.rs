//! What the nodes of a world ask of their clients: tokens of one issuer, that live for seconds and may be revoked. Nodes of the other worlds
//! ask nothing.
//!
//! It is drawn from a stream of random numbers of its own: three quarters of all seeds are the worlds that they would be without this file.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;

use fanfare_auth::{
    Audience, Gate, GateOptions, IssuerOptions, KeySource, RevocationEntry, RevocationTarget, Revocations, SigningKey,
    Template, Templates, UnixSeconds,
};
use fanfare_log::{AppendRequest, Hub};
use fanfare_protocol::LogName;
use fanfare_protocol::limits::{REVOCATIONS_WRITTEN_MAX, TOKEN_LIFETIME_MIN};
use fanfare_redis::RedisTickets;
use fanfare_server::{Clock, Cors, Gatekeeper, KnownRevocations, Options as ServerOptions, TicketOptions};
use serde_json::{Map, json};
use tokio::time::{Duration, Instant};

use super::token::Token;
use crate::WALL_MS;
use crate::mute_feeds::MuteFeeds;
use crate::revoked_record::{Revoked, RevokedRecord};
use crate::rng::Rng;
use crate::scenario::Scenario;
use crate::ticket_record::TicketRecord;

/// Makes another seed of a seed. The number is one with which the seeds that tests keep for what they have met ask for no tokens.
const APART: u64 = 0x000A_DD17;

pub(crate) const ISSUER: &str = "sim";
const SECRET: &[u8] = b"what the issuer of the simulation signs with";

/// The shortest life of a token, in seconds. A session ends about four seconds before its token does.
const LIFE_MIN: u64 = 8;

/// Makes another seed of a seed, for who comes by tickets. The number is one with which the seeds that tests keep for what they have met have
/// no tickets.
const TICKETS_APART: u64 = 0x0076_8CFD;

/// Clients with the same remainder are one subject.
const SUBJECTS: usize = 4;

/// What came of tokens, beside what the verdicts say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AccessCounts {
    /// Revocations that were acknowledged.
    pub revocations: usize,
    /// Sessions that were told `$revoked`.
    pub revoked: usize,
    /// Sessions, and requests with a token that was over, that were told `$expired`.
    pub expired: usize,
    /// Requests that were refused with 401.
    pub denied: usize,
    /// Streams that began by a ticket.
    pub by_ticket: usize,
    /// Tickets that were over when their clients came back.
    pub over: usize,
}

/// The issuer, and what it remembers.
pub(crate) struct Access {
    key: SigningKey,
    /// When the world began: the clock of the issuer and of all nodes.
    began: Instant,
    leeway: Duration,
    /// Feeds of this world fall mute; `None`: only as everywhere.
    pub(crate) mute_feeds: Option<MuteFeeds>,
    /// Tickets are in use, and clients with these numbers come by them.
    by_ticket: Vec<usize>,
    /// First uses of tickets.
    pub(crate) tickets: TicketRecord,
    /// How long a token lives at most, in seconds.
    longest: u64,
    minted: Cell<u64>,
    /// The token that each client has now.
    present: RefCell<BTreeMap<usize, Token>>,
    pub(crate) record: RevokedRecord,
    pub(crate) counts: RefCell<AccessCounts>,
}

impl Access {
    /// What the nodes of this world ask. Where strangers act, other clients have no tokens; on a Redis that may evict anything no token is
    /// ever believed.
    pub(crate) fn of(
        seed: u64,
        scenario: &Scenario,
        clients: usize,
        record: &RevokedRecord,
        tickets: &TicketRecord,
    ) -> Option<Self> {
        let mut rng = Rng::new(seed ^ APART);
        if rng.below(100) >= 30 || scenario.hardships.hostiles > 0 || scenario.evicts() {
            return None;
        }
        let mut of_tickets = Rng::new(seed ^ TICKETS_APART);
        let are_used = of_tickets.chance(500);
        Some(Self {
            by_ticket: (0..clients).filter(|_| are_used && of_tickets.chance(600)).collect(),
            tickets: tickets.clone(),
            key: SigningKey::secret(SECRET).expect("it is long enough"),
            began: Instant::now(),
            leeway: Duration::from_secs([0, 1, 5][rng.below(3)]),
            mute_feeds: MuteFeeds::of(seed),
            longest: [LIFE_MIN + 4, 25, TOKEN_LIFETIME_MIN.as_secs()][rng.below(3)],
            minted: Cell::default(),
            present: RefCell::default(),
            record: record.clone(),
            counts: RefCell::default(),
        })
    }

    /// The clock of the issuer and of all nodes.
    pub(crate) fn clock(&self) -> Clock {
        let began = self.began;
        Clock::from_fn(move || WALL_MS + u64::try_from(began.elapsed().as_millis()).unwrap_or(0))
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// In seconds since 1970.
    fn now(&self) -> u64 {
        (WALL_MS + self.now_ms()) / 1_000
    }

    /// Whether a client comes by tickets, and not by tokens.
    pub(crate) fn comes_by_ticket(&self, client: usize) -> bool {
        self.by_ticket.contains(&client)
    }

    /// Lets a node ask for tokens, follow what is revoked and, where they are used, take tickets of this store.
    pub(crate) fn guard(
        &self,
        options: &mut ServerOptions,
        hub: &Arc<Hub>,
        store: RedisTickets,
    ) -> Arc<KnownRevocations> {
        if !self.by_ticket.is_empty() {
            let (store, clock) = (Arc::new(store), self.clock());
            options.tickets = Some(TicketOptions { store, max_life: TOKEN_LIFETIME_MIN, clock });
        }
        let everything = Template::parse("*").expect("a valid pattern");
        let issuer = IssuerOptions {
            issuer: Some(ISSUER.to_owned()),
            audience: Audience::Any,
            keys: vec![KeySource::Secret(SECRET.to_vec())],
            templates: Templates { subscribe: vec![everything], ..Templates::default() },
            ..IssuerOptions::default()
        };
        let gate = GateOptions {
            leeway: self.leeway,
            max_token_lifetime: TOKEN_LIFETIME_MIN,
            issuers: vec![issuer],
            ..GateOptions::default()
        };
        let gate = Arc::new(Gate::new(gate).expect("the options of the simulation are valid"));
        let known = KnownRevocations::new(Arc::clone(hub), self.clock(), TOKEN_LIFETIME_MIN, self.leeway);
        let known = Arc::new(known);
        let keeper = Gatekeeper::new(gate, None, Cors::default(), self.clock(), self.leeway);
        options.authorizer = Some(Arc::new(keeper.with_revocations(Arc::clone(&known))));
        options.revocations = Some(Arc::clone(&known));
        known
    }

    /// Makes a token for a client. `may_be_undated`: one in ten does not say when it was made.
    pub(crate) fn mint(&self, client: usize, may_be_undated: bool, rng: &mut Rng) -> Token {
        let number = self.minted.get();
        self.minted.set(number + 1);
        let now = self.now();
        let life = LIFE_MIN + rng.number() % (self.longest - LIFE_MIN + 1);
        let is_undated = may_be_undated && rng.chance(100);
        let (subject, id) = (Self::subject_of(client), format!("token {number}"));
        let mut claims = Map::new();
        claims.insert("iss".into(), json!(ISSUER));
        claims.insert("sub".into(), json!(subject));
        claims.insert("jti".into(), json!(id));
        claims.insert("exp".into(), json!(now + life));
        if !is_undated {
            claims.insert("iat".into(), json!(now));
        }
        let text = self.key.sign(self.key.algorithm(), None, &claims).expect("a secret signs");
        let token = Token {
            text,
            issuer: ISSUER,
            subject,
            id,
            issued_at: (!is_undated).then_some(now),
            expires_ms: (now + life) * 1_000 - WALL_MS,
            ticket: None,
        };
        self.hand_out(client, &token);
        token
    }

    /// Whose the tokens and tickets of a client are.
    pub(super) fn subject_of(client: usize) -> String {
        format!("subject {}", client % SUBJECTS)
    }

    /// A client has this one now.
    pub(super) fn hand_out(&self, client: usize, token: &Token) {
        self.present.borrow_mut().insert(client, token.clone());
    }

    /// Something of a client that may be revoked: whose its token is, or which. `None`: it has none yet.
    pub(crate) fn something_of(&self, client: usize, rng: &mut Rng) -> Option<RevocationTarget> {
        let present = self.present.borrow();
        let token = present.get(&client)?;
        let maker = token.ticket.and_then(|ticket| ticket.maker).map(|(maker, _)| maker);
        let maker = maker.filter(|_| rng.chance(300));
        let target = match (maker, rng.chance(400)) {
            (Some(maker), _) => RevocationTarget::subject(Some(ISSUER), maker),
            (None, true) => RevocationTarget::token(Some(token.issuer), &token.id),
            (None, false) => RevocationTarget::subject(Some(token.issuer), &token.subject),
        };
        Some(target.expect("a valid name"))
    }

    /// The entry of the log of revocations that says so, as nodes and the command line write it.
    pub(crate) fn entry(&self, target: RevocationTarget) -> AppendRequest {
        let keep = Revocations::lasts(TOKEN_LIFETIME_MIN, self.leeway);
        let data = RevocationEntry { target, keep: Some(keep) }.to_json().into();
        let log = LogName::revoked().name().clone();
        AppendRequest { log, data, keep, max_entries: REVOCATIONS_WRITTEN_MAX }
    }

    /// Whether a revocation at this time, by the clock of Redis, is one of what a token gives for these channels. Nodes forget it by their own
    /// clock: where that of Redis is a life of a token behind, it is out of force when it is written.
    pub(crate) fn hits(&self, target: &RevocationTarget, at: UnixSeconds, token: &Token, channels: &[String]) -> bool {
        is_about(target, token, channels) && self.reaches(at, token.issued_at)
    }

    /// The same of whose token a ticket was made with: it begins no stream then.
    pub(crate) fn hits_maker(&self, target: &RevocationTarget, at: UnixSeconds, token: &Token) -> bool {
        let Some((maker, issued_at)) = token.ticket.and_then(|ticket| ticket.maker) else { return false };
        let is_it = |issuer: &Option<Arc<str>>, subject: &str| issuer.as_deref() == Some(ISSUER) && subject == maker;
        let is_of_it =
            matches!(target, RevocationTarget::Subject { issuer, subject } if is_it(issuer, subject.as_ref()));
        is_of_it && self.reaches(at, Some(issued_at))
    }

    /// Whether a revocation is one of what a token gives for these channels, in force or not.
    pub(super) fn may_hit(&self, revoked: &Revoked, token: &Token, channels: &[String]) -> bool {
        is_about(&revoked.target, token, channels) && self.is_issued_by(revoked.at(), token.issued_at)
    }

    /// Whether a revocation at this time is in force, and reaches what was issued then.
    fn reaches(&self, at: UnixSeconds, issued_at: Option<u64>) -> bool {
        let is_in_force = at.0 + Revocations::lasts(TOKEN_LIFETIME_MIN, self.leeway).as_secs() > self.now();
        is_in_force && self.is_issued_by(at, issued_at)
    }

    fn is_issued_by(&self, at: UnixSeconds, issued_at: Option<u64>) -> bool {
        issued_at.is_none_or(|issued| issued <= at.0 + self.leeway.as_secs())
    }

    /// How much longer a client may take to have seen everything: until no revocation hits a token that is made then. The clock of Redis
    /// may be ahead, and tickets are made by it, where it is that of `redis_ms`.
    pub(crate) fn patience(&self, redis_ms: u64) -> Duration {
        let now = self.now().min(if self.by_ticket.is_empty() { u64::MAX } else { redis_ms / 1_000 });
        let ahead = self.record.latest_at().map_or(0, |at| at.0.saturating_sub(now));
        self.leeway + Duration::from_secs(ahead + 3)
    }
}

/// Whether a revocation of this is about what a token gives for these channels.
fn is_about(target: &RevocationTarget, token: &Token, channels: &[String]) -> bool {
    let is_of_issuer = |issuer: &Option<Arc<str>>| issuer.as_deref() == Some(token.issuer);
    match target {
        RevocationTarget::Subject { issuer, subject } => is_of_issuer(issuer) && **subject == *token.subject,
        RevocationTarget::Token { issuer, token_id } => is_of_issuer(issuer) && **token_id == *token.id,
        RevocationTarget::Channel(channel) => channels.iter().any(|name| *name == channel.as_str()),
    }
}
