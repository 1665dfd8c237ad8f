//! One connection: it reads as a session does.

use fanfare_protocol::{ChannelName, Position};

use super::rng::Rng;
use super::truth::{Client, Saw};
use crate::core_log::{CoreLog, ViewKey};
use crate::cursor::{Cursor, ReaderId, Start};
use crate::pages::Served;
use crate::tail::{Item, Tail};
use crate::view::Next;

pub(super) struct Reader {
    pub(super) node: usize,
    pub(super) core: usize,
    pub(super) channel: usize,
    view: ViewKey,
    pub(super) cursor: Cursor,
    /// Something may be due. Only then does anybody look: that is what arming and waking are for.
    pub(super) awake: bool,
    primed: bool,
}

/// Takes at most so many items, and says what the client saw.
struct Taker<'a> {
    client: &'a mut Client,
    left: usize,
}

impl Reader {
    pub(super) fn connect(
        log: &CoreLog,
        name: &ChannelName,
        (node, core, channel): (usize, usize, usize),
        start: Option<Start>,
        reader: ReaderId,
    ) -> Self {
        let (view, cursor) = log.open(name, start, reader);
        Self { node, core, channel, view, cursor, awake: true, primed: false }
    }

    pub(super) fn disconnect(&self, log: &CoreLog) {
        log.close(self.view, &self.cursor);
    }

    /// Reads once. The client is told the exact position as soon as there is one.
    pub(super) fn read(&mut self, log: &CoreLog, client: &mut Client, rng: &mut Rng) {
        self.awake = false;
        if !self.primed {
            if log.is_open(self.view, &self.cursor) != Ok(true) || !log.settle(self.view, &mut self.cursor) {
                return;
            }
            self.primed = true;
            let position = self.cursor.position();
            if let Some(position) = position.filter(|position| client.last_event_id() != Some(*position)) {
                client.saw.push(Saw::Position(position));
            }
        }
        let mut taker = Taker { client, left: 1 + rng.below(5) };
        let due = log.next(self.view, &mut self.cursor, |cursor, _, next| match next {
            Next::Tail(tail, index) => taker.take_tail(cursor, tail, index),
            Next::Page(served) => taker.take_page(cursor, &served),
            Next::Begins(position) => {
                taker.client.saw.push(Saw::Position(position));
                cursor.advance_to(position);
                true
            }
            Next::Live | Next::Waiting | Next::Refused(_) => false,
        });
        self.awake = due;
    }

    /// A heartbeat: positions that age are renewed.
    pub(super) fn beat(&mut self, log: &CoreLog, client: &mut Client) {
        if self.primed
            && log.refresh(self.view, &mut self.cursor)
            && let Some(position) = self.cursor.position()
        {
            client.saw.push(Saw::Position(position));
        }
    }

    pub(super) fn is_refused(&self, log: &CoreLog) -> bool {
        log.is_open(self.view, &self.cursor).is_err()
    }

    /// Whether everything has been handed out, as far as the node knows.
    pub(super) fn is_live(&mut self, log: &CoreLog) -> bool {
        log.next(self.view, &mut self.cursor, |_, _, next| matches!(next, Next::Live))
    }
}

impl Taker<'_> {
    fn take_tail(&mut self, cursor: &mut Cursor, tail: &Tail, from: u64) -> bool {
        let mut index = from;
        assert!(tail.get(index).is_some(), "a tail without the item that it offers");
        while self.left > 0
            && let Some(item) = tail.get(index)
        {
            self.left -= 1;
            match item {
                Item::Entry { id, .. } => {
                    self.client.saw.push(Saw::Entry(*id));
                    cursor.advance_tail(index, Some(Position::At(*id)));
                }
                Item::Ephemeral { .. } => cursor.advance_tail(index, None),
                Item::Seam(seam) => {
                    if let Some(Item::Entry { id, .. }) = tail.get(index + 1) {
                        self.client.saw.extend([Saw::Gap(None), Saw::Entry(*id)]);
                        index += 1;
                        cursor.advance_tail(index, Some(Position::At(*id)));
                    } else {
                        self.client.saw.push(Saw::Gap(Some(seam.resume)));
                        cursor.advance_tail(index, Some(seam.resume));
                    }
                }
            }
            index += 1;
        }
        true
    }

    fn take_page(&mut self, cursor: &mut Cursor, served: &Served) -> bool {
        let mut entries = served.entries().iter();
        if let Some(seam) = &served.seam {
            match entries.next() {
                Some(first) => {
                    self.client.saw.extend([Saw::Gap(None), Saw::Entry(first.id)]);
                    cursor.advance_to(Position::At(first.id));
                }
                None => {
                    self.client.saw.push(Saw::Gap(Some(seam.resume)));
                    cursor.advance_to(seam.resume);
                }
            }
        } else {
            assert!(!served.entries().is_empty(), "a page with nothing to say");
        }
        for entry in entries.take(self.left) {
            self.client.saw.push(Saw::Entry(entry.id));
            cursor.advance_to(Position::At(entry.id));
        }
        true
    }
}
