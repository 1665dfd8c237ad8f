//! What comes of one request whose token is known, piece by piece: each is asked of every verdict about tokens.

use fanfare_oracle::Parsed;
use tokio::time::Instant;

use super::delivery::Delivery;
use super::token::Token;
use super::{after_the_end, cut_within_a_second, farewells, refusals, withheld_out_of_reach};
use crate::WALL_MS;
use crate::payload;
use crate::revoked_record::Revoked;
use crate::world::World;

/// One response to a client with a token.
#[derive(Debug)]
pub(crate) struct TokenResponse {
    token: Token,
    channels: Vec<String>,
    node: usize,
    node_began_ms: u64,
    /// When it was asked for.
    asked_ms: u64,
    /// When its token ends, known since its head has come.
    ends_ms: Option<u64>,
    /// When a byte of the block was written that is not complete.
    block_began_ms: Option<u64>,
    /// What follows the first breach is its consequence.
    is_broken: bool,
}

/// Bytes that were written at one time, and what they complete.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) written: Instant,
    pub(crate) completes: &'a [Parsed],
}

impl TokenResponse {
    /// `times`: when the node began, and when this is asked for.
    pub(crate) fn new(token: Token, channels: Vec<String>, node: usize, [node_began_ms, asked_ms]: [u64; 2]) -> Self {
        let (ends_ms, block_began_ms) = (None, None);
        Self { token, channels, node, node_began_ms, asked_ms, ends_ms, block_began_ms, is_broken: false }
    }

    /// What the request shows.
    pub(crate) fn token(&self) -> &Token {
        &self.token
    }

    /// Takes a piece. `is_session`: of a stream that has begun. Returns what must not be.
    pub(crate) fn take(&mut self, world: &World, is_session: bool, piece: Piece<'_>) -> Option<String> {
        let last_ms = world.record.ms(piece.written);
        if piece.bytes.is_empty() {
            return None;
        }
        let bytes = Delivery {
            what: "a byte",
            is_event: false,
            node: self.node,
            node_began_ms: self.node_began_ms,
            first_ms: last_ms,
            last_ms,
            published_ms: None,
        };
        let mut breach = is_session.then(|| self.begin(world, last_ms)).flatten();
        breach = breach.or_else(|| is_session.then(|| self.judge(world, &bytes, is_session)).flatten());
        let mut first_ms = self.block_began_ms.take().unwrap_or(last_ms);
        for item in piece.completes {
            if let Parsed::Event(event) = item
                && event.event.starts_with('$')
            {
                let said = || self.said(world, &event.event, last_ms);
                breach = breach.or_else(|| is_session.then(said).flatten());
            } else if let Parsed::Event(event) = item {
                let name = payload::name_of(&event.data).unwrap_or_default();
                let published_ms = world.record.published_ms(name);
                let event = Delivery { what: name, is_event: true, first_ms, published_ms, ..bytes };
                breach = breach.or_else(|| self.judge(world, &event, is_session));
            }
            first_ms = last_ms;
        }
        let is_between_blocks = piece.bytes.ends_with(b"\n\n") || piece.bytes.ends_with(b"\n\n\r\n");
        self.block_began_ms = (!is_between_blocks).then_some(first_ms);
        breach.filter(|_| !std::mem::replace(&mut self.is_broken, true))
    }

    /// It was refused with this status. Returns what must not be.
    pub(crate) fn refused(&self, world: &World, status: u16) -> Option<String> {
        let access = world.access.as_ref()?;
        refusals::breach(world, access, &self.token, &self.channels, self.asked_ms, status)
    }

    /// A stream has begun, the head of which was written then. A ticket's end is known from its first use on, by the clock of Redis.
    fn begin(&mut self, world: &World, written_ms: u64) -> Option<String> {
        if self.ends_ms.is_some() {
            return None;
        }
        let Some(ticket) = self.token.ticket else {
            self.ends_ms = Some(self.token.expires_ms);
            return None;
        };
        let access = world.access.as_ref()?;
        access.counts.borrow_mut().by_ticket += 1;
        let Some(end) = access.tickets.end(ticket.name) else {
            self.ends_ms = Some(written_ms);
            return Some(format!(
                "a stream began by ticket {}, and nothing says when it was used first",
                self.token.id
            ));
        };
        let [behind, _] = world.redis.lock().skews_since(world.record.at(self.asked_ms));
        let redis_ms = world.record.redis_ms(written_ms, behind);
        self.ends_ms = Some(written_ms + end.latest_ms.saturating_sub(redis_ms));
        refusals::breach_of_maker(access, &self.token, self.asked_ms)
    }

    fn said(&self, world: &World, event: &str, written_ms: u64) -> Option<String> {
        let access = world.access.as_ref()?;
        let reset_ms = world.nodes[self.node].log_reset_at().map(|at| at * 1_000 - WALL_MS);
        farewells::breach(access, &self.token, &self.channels, event, reset_ms, [self.asked_ms, written_ms])
    }

    fn judge(&self, world: &World, delivery: &Delivery<'_>, is_session: bool) -> Option<String> {
        let access = world.access.as_ref()?;
        let is_hit = |revoked: &Revoked| access.hits(&revoked.target, revoked.at(), &self.token, &self.channels);
        if let Some(breach) =
            after_the_end::breach(delivery, &self.token, self.ends_ms.unwrap_or(self.token.expires_ms), is_session)
        {
            return Some(breach);
        }
        let redis = world.redis.lock();
        for revoked in access.record.in_force().iter().filter(|revoked| is_hit(revoked)) {
            let cut = || cut_within_a_second::breach(delivery, revoked, &redis);
            if let Some(breach) = withheld_out_of_reach::breach(delivery, revoked).or_else(cut) {
                return Some(breach);
            }
        }
        None
    }
}
