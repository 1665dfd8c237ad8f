//! The block of the event stream that a connection is in the middle of, and what it means once it is whole.

use std::borrow::Cow;

use serde::Deserialize;

use super::cell::{Cell, Doubt};
use super::check::{Checker, Delivery};
use crate::fleet::Plan;
use crate::payload::Payload;
use crate::target;
use crate::wire::stream::Lines;

/// Bytes of a line that the worker reads: facts of an event, a `$gap`, a position.
const KEEP: usize = 512;
/// The same where a server wraps several events in one line.
const KEEP_WRAPPED: usize = 1 << 20;

/// What has come of a block, and what outlasts it.
#[derive(Debug, Default)]
pub(crate) struct Block {
    /// The last event ID that the client would send. Outlasts the connection.
    pub(crate) position: Vec<u8>,
    /// The last `retry:`, in milliseconds. Outlasts the connection.
    pub(crate) retry: Option<u64>,
    /// Whether this connection has received a position.
    pub(crate) placed: bool,
    /// Whether this connection has received any line at all.
    pub(crate) spoken: bool,
    /// Whether this connection has received an event.
    pub(crate) heard: bool,
    /// The id of the entry that the last `$gap` announced.
    announced: Option<Box<str>>,
    id: Vec<u8>,
    has_id: bool,
    is_gap: bool,
    /// The server says it itself: no publisher's event.
    is_own: bool,
    payloads: Vec<Payload>,
    other: Vec<u8>,
    has_other: bool,
    damaged: u64,
}

/// How many bytes of a line the parser has to keep.
pub(crate) fn keep(dialect: &target::Dialect) -> usize {
    if *dialect == target::Dialect::default() { KEEP } else { KEEP_WRAPPED }
}

impl Block {
    /// A new stream begins: what was not whole never came.
    pub(crate) fn begin(&mut self) {
        (self.placed, self.spoken, self.heard) = (false, false, false);
        self.announced = None;
        self.clear();
    }

    fn clear(&mut self) {
        (self.has_id, self.is_gap, self.is_own) = (false, false, false);
        (self.has_other, self.damaged) = (false, 0);
        self.payloads.clear();
        self.other.clear();
    }
}

/// One connection's block together with all that it may change.
pub(crate) struct Reader<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) block: &'a mut Block,
    pub(crate) cells: &'a mut [Cell],
    pub(crate) checker: &'a mut Checker,
    /// The index of the connection in its worker.
    pub(crate) connection: usize,
    pub(crate) slow: bool,
    /// When these bytes were received, in microseconds since 1970.
    pub(crate) now: u64,
    /// Latencies count for events that were published after this time.
    pub(crate) live_since: u64,
}

#[derive(Deserialize)]
struct Gap<'a> {
    #[serde(borrow)]
    channel: Cow<'a, str>,
    #[serde(borrow)]
    after: Option<Cow<'a, str>>,
    #[serde(borrow)]
    next: Option<Cow<'a, str>>,
}

/// An entry id (`milliseconds-sequence`), comparable; `None` for positions of other forms.
fn entry_id(text: &str) -> Option<(u64, u64)> {
    let (ms, sequence) = text.split_once('-')?;
    Some((ms.parse().ok()?, sequence.parse().ok()?))
}

impl Lines for Reader<'_> {
    fn data(&mut self, start: &[u8], length: usize) {
        self.block.spoken = true;
        if let target::Position::After(marker) = &self.plan.subscribe.dialect.position
            && let Some(at) = memchr::memmem::find(start, marker.as_bytes())
        {
            let rest = &start[at + marker.len()..];
            let end = memchr::memchr(b'"', rest).unwrap_or(rest.len());
            self.id(&rest[..end]);
            return;
        }
        match &self.plan.subscribe.dialect.payload {
            target::Payload::Line => match Payload::read(start) {
                Some(payload) => {
                    self.block.damaged += u64::from(length != self.plan.bytes.max(Payload::SHORTEST));
                    self.block.payloads.push(payload);
                }
                None => self.other(start),
            },
            target::Payload::After(marker) => {
                let before = self.block.payloads.len();
                let found = memchr::memmem::find_iter(start, marker.as_bytes());
                let payloads = found.filter_map(|at| Payload::read(&start[at + marker.len()..]));
                self.block.payloads.extend(payloads);
                if self.block.payloads.len() == before {
                    self.other(start);
                }
            }
        }
    }

    fn event(&mut self, name: &[u8]) {
        self.block.spoken = true;
        self.block.is_gap = name == b"$gap";
        self.block.is_own = name.starts_with(b"$");
    }

    fn id(&mut self, id: &[u8]) {
        self.block.spoken = true;
        self.block.has_id = true;
        self.block.id.clear();
        self.block.id.extend_from_slice(id);
    }

    fn retry(&mut self, milliseconds: u64) {
        self.block.retry = Some(milliseconds);
    }

    fn comment(&mut self) {
        self.block.spoken = true;
    }

    /// A blank line without an `id:` before it leaves the position alone, as browsers do.
    fn blank(&mut self) {
        if self.block.is_gap {
            self.gap();
        } else if self.block.has_other && !self.block.is_own {
            self.checker.integrity.foreign += 1;
        }
        if self.block.has_id {
            std::mem::swap(&mut self.block.position, &mut self.block.id);
            self.block.placed = true;
        }
        let payloads = std::mem::take(&mut self.block.payloads);
        self.checker.integrity.damaged += self.block.damaged;
        for payload in &payloads {
            self.take(payload);
        }
        self.block.payloads = payloads;
        self.block.clear();
    }
}

impl Reader<'_> {
    fn other(&mut self, text: &[u8]) {
        self.block.has_other = true;
        self.block.other.clear();
        self.block.other.extend_from_slice(&text[..text.len().min(KEEP)]);
    }

    fn take(&mut self, payload: &Payload) {
        self.block.heard = true;
        let offset = self.plan.offset_of(self.connection, payload.channel as usize);
        let Some(offset) = offset else {
            self.checker.integrity.damaged += 1;
            return;
        };
        if let Some(announced) = self.block.announced.take()
            && self.block.position != announced.as_bytes()
        {
            self.cells[offset].doubt = Doubt::None;
        }
        let index = self.connection * self.plan.channels_per_connection + offset;
        let delivery = Delivery { cell: index, channel: payload.channel, number: payload.sequence, slow: self.slow };
        self.checker.take(&mut self.cells[offset], delivery);
        if !self.slow && payload.at >= self.live_since {
            self.checker.latency(self.now.saturating_sub(payload.at));
        }
    }

    /// A `$gap` excuses what is missing in its channel until the next event, which must be the one that it announces. One
    /// whose channel cannot be read excuses nothing, nor does one that begins behind the client's position: what lies
    /// between is not told. (Positions are compared where they are entry ids: on connections with one channel.)
    fn gap(&mut self) {
        self.checker.integrity.gaps += 1;
        let Ok(gap) = serde_json::from_slice::<Gap<'_>>(&self.block.other) else { return };
        let index = gap.channel.strip_prefix(self.plan.prefix.as_str()).and_then(|index| index.parse().ok());
        let Some(offset) = index.and_then(|index| self.plan.offset_of(self.connection, index)) else { return };
        let mut announced = None;
        if self.plan.channels_per_connection == 1 {
            let position = std::str::from_utf8(&self.block.position).ok().and_then(entry_id);
            let after = gap.after.as_deref().and_then(entry_id);
            if position.zip(after).is_some_and(|(position, after)| after > position) {
                return;
            }
            announced = gap.next.map(Box::from);
        }
        self.block.announced = announced;
        self.cells[offset].doubt = if self.block.has_id { Doubt::Gap } else { Doubt::GapBeforeEntry };
    }
}
