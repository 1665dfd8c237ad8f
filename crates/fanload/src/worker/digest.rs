//! What received bytes do to a connection.

use super::block::Reader;
use super::cell::Cell;
use super::check::Checker;
use super::connection::{Body, Connection, State};
use crate::fleet::Plan;
use crate::payload;
use crate::target::Primed;
use crate::wire::chunk::ChunkDecoder;
use crate::wire::{Malformed, head};

/// Why a connection is over.
#[derive(Debug)]
pub(crate) enum End {
    /// The server ended the body in order.
    Done,
    /// The server is overloaded or restarting, and may be asked again after `retry_after` seconds.
    Busy { status: u16, retry_after: Option<u64> },
    /// The answer makes no sense.
    Malformed(Malformed),
    /// Every client will get this answer, so there is no point in going on.
    Hopeless(String),
}

/// Everything that bytes of one connection may change.
pub(crate) struct Digest<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) connection: &'a mut Connection,
    pub(crate) cells: &'a mut [Cell],
    pub(crate) checker: &'a mut Checker,
    pub(crate) index: usize,
}

impl Digest<'_> {
    /// Takes bytes as they came. The connection may be primed afterwards.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<(), End> {
        let now = payload::now();
        match &mut self.connection.state {
            State::Away | State::Asking(_) => Ok(()),
            State::Body(_) => self.body(bytes, now),
            State::Head(before) => {
                before.extend_from_slice(bytes);
                let before = std::mem::take(before);
                match head::read(&before).map_err(End::Malformed)? {
                    None => {
                        self.connection.state = State::Head(before);
                        Ok(())
                    }
                    Some((head, size)) => {
                        self.connection.state = State::Body(judge(&head, &before[size..])?);
                        self.prime(now);
                        self.body(&before[size..], now)
                    }
                }
            }
        }
    }

    /// Takes a head that came by itself; `words` is the beginning of a refusal's body.
    pub(crate) fn answer(&mut self, head: &head::Head, words: &[u8]) -> Result<(), End> {
        self.connection.state = State::Body(judge(head, words)?);
        self.prime(payload::now());
        Ok(())
    }

    fn body(&mut self, bytes: &[u8], now: u64) -> Result<(), End> {
        let Connection { state, parser, block, slow, live_since, .. } = &mut *self.connection;
        let State::Body(body) = state else { return Ok(()) };
        let mut reader = Reader {
            plan: self.plan,
            block,
            cells: self.cells,
            checker: self.checker,
            connection: self.index,
            slow: *slow,
            now,
            live_since: *live_since,
        };
        let mut done = false;
        match body {
            Body::UntilClosed => parser.feed(bytes, &mut reader),
            Body::Length(left) => {
                let length = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                parser.feed(&bytes[..length], &mut reader);
                *left -= length as u64;
                done = *left == 0;
            }
            Body::Chunked(chunks) => {
                let mut input = bytes;
                while let Some(part) = chunks.next(&mut input).map_err(End::Malformed)? {
                    parser.feed(part, &mut reader);
                }
                done = chunks.done();
            }
        }
        self.prime(now);
        if done { Err(End::Done) } else { Ok(()) }
    }

    fn prime(&mut self, now: u64) {
        // What has a length is over soon: a refusal, which may tell clients their own place.
        if self.connection.primed || matches!(self.connection.state, State::Body(Body::Length(_))) {
            return;
        }
        let block = &self.connection.block;
        let primed = match self.plan.subscribe.primed {
            Primed::Head => true,
            // Events that were missed may come before any other position.
            Primed::Position => block.placed || block.heard,
            Primed::Bytes => block.spoken,
        };
        if primed {
            self.connection.primed = true;
            self.connection.was_primed = true;
            self.connection.live_since = now;
        }
    }
}

/// Whether the head is that of an event stream.
fn judge(head: &head::Head, rest: &[u8]) -> Result<Body, End> {
    match head.status {
        200 if head.content_type == "text/event-stream" => Ok(match (head.chunked, head.length) {
            (true, _) => Body::Chunked(ChunkDecoder::default()),
            (false, Some(length)) => Body::Length(length),
            (false, None) => Body::UntilClosed,
        }),
        408 | 429 | 500..=599 => Err(End::Busy { status: head.status, retry_after: head.retry_after }),
        204 => Err(End::Hopeless("the server answers 204: clients shall stop for good".to_owned())),
        status => {
            let start = String::from_utf8_lossy(&rest[..rest.len().min(300)]).into_owned();
            let kind = &head.content_type;
            Err(End::Hopeless(format!("the server answers {status} ({kind}) instead of an event stream: {start}")))
        }
    }
}
