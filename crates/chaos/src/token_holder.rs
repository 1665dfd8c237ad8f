//! A client of the channel that is not public, with a token that ends soon, and is revoked now and then.
//!
//! It talks to one node, past the balancer, and takes at once what comes: so what it sees late was written late.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use fanfare_e2e::{Client, Subscribe, pace, request_within};
use fanfare_oracle::resp::{Connection, Reply};
use fanfare_oracle::{ConnectionEnd, Dispatch, EntryId, Observed};

use crate::action::{NODES, channel};
use crate::bounds::{EXPIRED_WITHIN, HEARS_AFTER, NOTHING_LATER_WITHIN, REVOKED_WITHIN, RIGHTS_WITHIN, SERVED_WITHIN};
use crate::client_trace::ClientTrace;
use crate::dice::Dice;
use crate::node_under_test::Life;
use crate::payload;
use crate::published_record::now_ms;
use crate::run::Run;
use crate::tokens::PRIVATE;
use crate::world::MAX_BEHIND_MS;

/// How many there are.
pub(crate) const HOLDERS: usize = 2 * NODES;

/// The key of the log of revocations.
const LOG: &str = "$fanfare:{sse:}:revoked";
/// How long one look for something new takes.
const LOOK: Duration = Duration::from_millis(100);
/// How long the answer to a revocation is waited for.
const ANSWERED_WITHIN: Duration = Duration::from_secs(3);

/// What a client shows for itself.
struct Token {
    text: String,
    /// It has ended by then.
    ends_ms: u64,
}

/// A revocation that was acknowledged.
struct Revoked {
    id: String,
    asked: Instant,
    acknowledged: Instant,
    acknowledged_ms: u64,
    /// How often Redis had been started by then.
    restarts: u64,
    /// The life of the node at that time.
    life: Option<Life>,
}

/// An event that came by a token that had been revoked.
struct Late {
    name: String,
    came: Instant,
    id: EntryId,
}

pub(crate) struct TokenHolder<'a> {
    run: &'a Run,
    /// The node that it talks to.
    node: usize,
    subject: String,
    dice: Dice,
    client: Client,
    trace: ClientTrace,
    token: Token,
    /// Tokens of this second and of those before are revoked.
    revoked_s: u64,
    /// The last request was refused with 401.
    is_denied: bool,
}

/// With everything healed a revocation ends a stream in time at each node, its token opens no other one, and the next token does.
pub(crate) fn revoke_in_peace(run: &Run) {
    for node in 0..NODES {
        let mut holder = TokenHolder::new(run, HOLDERS + node);
        let must = |is_so: bool, what: &str| {
            if !is_so {
                run.counters.breach(|| format!("with everything healed, at node {node}: {what}"));
            }
        };
        must(holder.comes(), "a token opened no stream");
        must(holder.revoke().is_some(), "nobody answered a revocation");
        holder.read_for(REVOKED_WITHIN, &mut Vec::new());
        must(!holder.client.connected(), "a stream went on after its token had been revoked");
        if holder.connect() {
            holder.read_for(REVOKED_WITHIN, &mut Vec::new());
        }
        must(holder.is_denied, "a token that had been revoked was not refused");
        holder.client = Client::new(Subscribe::to(&channel(PRIVATE)).over(run.transport(node)));
        must(holder.comes(), "a token that was made later than the revocation opened no stream");
    }
}

impl<'a> TokenHolder<'a> {
    pub(crate) fn new(run: &'a Run, index: usize) -> Self {
        let (node, subject, name) = (index % NODES, format!("holder {index}"), channel(PRIVATE));
        let trace =
            ClientTrace::new(format!("{subject} at node {node}"), std::slice::from_ref(&name), None, MAX_BEHIND_MS);
        let token = Token { text: String::new(), ends_ms: 0 };
        let (dice, client) =
            (Dice::of(run.seed, "holder", index), Client::new(Subscribe::to(&name).over(run.transport(index))));
        Self { run, node, subject, dice, client, trace, token, revoked_s: 0, is_denied: false }
    }

    /// Lives until the last event of the channel has come, or the deadline.
    pub(crate) fn run(mut self) {
        while !self.run.last_events.load(Ordering::Acquire) {
            self.visit();
        }
        let (since, last) = (Instant::now(), payload::last(&channel(PRIVATE)));
        while !self.trace.has_passed(&self.run.record.ledger, &last) && since.elapsed() < SERVED_WITHIN {
            if self.client.connected() || self.connect_anew() {
                self.read_for(LOOK, &mut Vec::new());
            }
            self.judge(self.run.record.horizon_ms());
        }
        self.run.counters.served_ms.most(since.elapsed().as_millis() as u64);
        self.client.disconnect();
        // A client may see an event before its publisher has heard of it.
        let left_ms = now_ms();
        while self.run.record.horizon_ms() <= left_ms && since.elapsed() < 2 * SERVED_WITHIN {
            pace(LOOK);
        }
        self.judge(u64::MAX);
        if !self.trace.has_passed(&self.run.record.ledger, &last) {
            self.trace.silent(&self.run.record.ledger, &self.run.counters, &channel(PRIVATE));
        }
    }

    /// Comes with a token, reads for a while, and is revoked in half of all cases.
    fn visit(&mut self) {
        if !self.client.connected() && !self.connect_anew() {
            return pace(LOOK * 2);
        }
        let time = self.dice.between(500, 5_000);
        self.read_for(Duration::from_millis(time), &mut Vec::new());
        self.judge(self.run.record.horizon_ms());
        if self.dice.once_in(2) {
            let Some(revoked) = self.revoke() else { return };
            let mut late = Vec::new();
            self.read_for(REVOKED_WITHIN + NOTHING_LATER_WITHIN, &mut late);
            // It comes back with the same token.
            if self.connect() {
                self.read_for(LOOK * 5, &mut late);
            }
            self.client.disconnect();
            self.judge_revoked(&revoked, &late);
        } else if self.dice.once_in(3) {
            self.client.disconnect();
        }
    }

    /// Connects with a token that is good until it has a place. `false`: it took too long.
    fn comes(&mut self) -> bool {
        let since = Instant::now();
        while self.client.last_event_id().is_empty() && since.elapsed() < RIGHTS_WITHIN {
            if self.client.connected() || self.connect_anew() {
                self.read_for(LOOK, &mut Vec::new());
            }
        }
        !self.client.last_event_id().is_empty()
    }

    /// Connects with a token that was made later than what was revoked.
    fn connect_anew(&mut self) -> bool {
        while now_ms() / 1_000 <= self.revoked_s {
            pace(LOOK);
        }
        let lives_s = self.dice.between(8, 20);
        let text = self.run.signer.sign(&self.subject, lives_s);
        self.token = Token { text, ends_ms: (now_ms() / 1_000 + lives_s) * 1_000 };
        self.connect()
    }

    fn connect(&mut self) -> bool {
        let place = self.client.last_event_id().to_owned();
        let bearer = format!("Bearer {}", self.token.text);
        let subscribe = Subscribe::to(&channel(PRIVATE)).over(self.run.transport(self.node));
        self.client.ask(subscribe.header("Authorization", &bearer));
        let asked = now_ms();
        self.is_denied = false;
        if self.client.connect(self.run.nodes[self.node].address).is_ok() {
            self.trace.connected(asked, &place, &self.run.counters);
        }
        self.client.connected()
    }

    /// Reads everything that comes. Its events are added to `events`.
    fn read_for(&mut self, time: Duration, events: &mut Vec<Late>) {
        let deadline = Instant::now() + time;
        while self.client.connected() && Instant::now() < deadline {
            let Some(observed) = self.client.next(LOOK) else { continue };
            let now = now_ms();
            self.trace.observed(now, &observed, &self.run.counters);
            match &observed {
                Observed::Event(event) => {
                    self.judge_end(now);
                    events.extend(late(event));
                }
                Observed::Control(event) => self.run.counters.token(match event.event.as_str() {
                    "$expired" => "streams or requests that were told $expired",
                    "$revoked" => "streams that were told $revoked",
                    _ => "other words of the gateway ($ready, $place)",
                }),
                Observed::Ended(ending) => self.ended(ending),
                _ => {}
            }
            self.client.forget();
        }
    }

    fn ended(&mut self, ending: &ConnectionEnd) {
        match ending {
            ConnectionEnd::Violation(what) => {
                self.trace.breach(&self.run.counters, &format!("the response breaks its protocol: {what}"));
            }
            ConnectionEnd::Status(401) => {
                self.is_denied = true;
                self.run.counters.token("requests that were refused with 401");
            }
            _ => pace(LOOK),
        }
    }

    /// An event came: its token has not ended. A node that was frozen may have written it in time.
    fn judge_end(&self, now: u64) {
        let is_late = now > self.token.ends_ms + EXPIRED_WITHIN.as_millis() as u64;
        let since = Instant::now().checked_sub(EXPIRED_WITHIN);
        let runs = self.run.nodes[self.node].life().is_some_and(|life| since.is_some_and(|since| life.since < since));
        if is_late && runs {
            self.trace.breach(
                &self.run.counters,
                &format!("an event came {} ms after its token had ended", now - self.token.ends_ms),
            );
        }
    }

    /// Has its own tokens revoked, at a node of chance. `None`: nobody said that this is stored.
    fn revoke(&mut self) -> Option<Revoked> {
        let run = self.run;
        let (restarts, life, asked) = (run.record.restarts(), run.nodes[self.node].life(), Instant::now());
        let admin = run.nodes[self.dice.below(NODES as u64) as usize].admin;
        let body = format!("{{\"subject\":\"{}\"}}", self.subject);
        let headers = [("Content-Type", "application/json")];
        let reply = request_within(ANSWERED_WITHIN, admin, "POST", "/revocations", &headers, body.as_bytes());
        // It may have been stored, whatever is known of it.
        self.revoked_s = now_ms() / 1_000;
        let Some(id) = reply
            .ok()
            .filter(|reply| reply.status() == 201)
            .and_then(|reply| reply.json().get("id").and_then(|id| id.as_str()).map(str::to_owned))
        else {
            run.counters.token("revocations without an answer");
            return None;
        };
        run.counters.token("revocations");
        Some(Revoked { id, asked, acknowledged: Instant::now(), acknowledged_ms: now_ms(), restarts, life })
    }

    /// What came since something was revoked that Redis still knows.
    fn judge_revoked(&self, revoked: &Revoked, late: &[Late]) {
        let run = self.run;
        let life = run.nodes[self.node].life();
        let knows = |mut redis: Connection| {
            let reply = redis.try_words(&["XRANGE", LOG, &revoked.id, &revoked.id]).ok()?;
            Some(matches!(reply, Reply::Array(entries) if !entries.is_empty()))
        };
        let is_known = Connection::open(run.redis).ok().and_then(knows) == Some(true);
        if !is_known || run.record.restarts() != revoked.restarts || life.is_none() || life != revoked.life {
            return;
        }
        run.counters.token("revocations after which nothing came that was published later");
        let before = revoked.asked.checked_sub(HEARS_AFTER);
        let is_quiet = before.is_some_and(|before| {
            run.interference.is_none_since(self.node, before) && life.is_some_and(|life| life.since < before)
        });
        if is_quiet {
            run.counters.token("revocations after which nothing came within the bound");
        }
        for Late { name, came, id } in late {
            let after = came.saturating_duration_since(revoked.acknowledged);
            let published_after = id.ms.saturating_sub(revoked.acknowledged_ms);
            if is_quiet && after > REVOKED_WITHIN {
                let what = format!("{name} came {after:?} after its token had been revoked ({})", revoked.id);
                self.trace.breach(&run.counters, &what);
            }
            if u128::from(published_after) > NOTHING_LATER_WITHIN.as_millis() {
                let what = format!(
                    "{name} came, published {published_after} ms after its token had been revoked ({})",
                    revoked.id
                );
                self.trace.breach(&run.counters, &what);
            }
        }
    }

    fn judge(&mut self, horizon_ms: u64) {
        self.trace.judge(&self.run.record.ledger, &self.run.counters, horizon_ms);
    }
}

fn late(event: &Dispatch) -> Option<Late> {
    let id = event.own_id.as_deref()?.parse().ok()?;
    Some(Late { name: payload::name_in(&event.data).to_owned(), came: Instant::now(), id })
}
