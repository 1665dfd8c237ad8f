//! One connection: it reads as a session does.

use fanfare_log::pages::Served;
use fanfare_log::{CoreLog, Cursor, Item, Next, NoPlace, Payer, Start, Tail, ViewKey};
use fanfare_protocol::{ChannelName, Position};

use super::saw::{Client, History, Saw};

/// It takes at most so many items at a time, as a session does whose socket is slow.
const ITEMS: usize = 3;

pub(crate) struct Reader {
    pub(crate) node: usize,
    pub(crate) core: usize,
    view: ViewKey,
    cursor: Cursor,
    /// Something may be due. Only then does the reader look: that is what arming and waking are for.
    pub(crate) awake: bool,
    primed: bool,
}

/// Takes items for a client.
struct Taker<'a> {
    client: &'a mut Client,
    history: &'a History,
}

impl Reader {
    pub(crate) fn connect(
        log: &CoreLog,
        name: &ChannelName,
        (node, core): (usize, usize),
        start: Option<Start>,
        reader: u32,
    ) -> Result<Self, NoPlace> {
        let (view, cursor) = log.open(name, start, reader, Payer::NODE)?;
        Ok(Self { node, core, view, cursor, awake: true, primed: false })
    }

    pub(crate) fn disconnect(&self, log: &CoreLog) {
        log.close(self.view, &self.cursor);
    }

    /// Reads once. The client is told the exact position as soon as there is one.
    pub(crate) fn read(&mut self, log: &CoreLog, client: &mut Client, history: &History) {
        self.awake = false;
        if !self.primed {
            if log.is_open(self.view, &self.cursor) != Ok(true) || !log.resolve_start(self.view, &mut self.cursor) {
                return;
            }
            self.primed = true;
            let position = self.cursor.position();
            if let Some(position) = position.filter(|position| client.last_event_id() != Some(*position)) {
                client.note(Saw::Position(position), history);
            }
        }
        let mut taker = Taker { client, history };
        self.awake = log.next(self.view, &mut self.cursor, |cursor, _, next| match next {
            Next::Tail(tail, index) => taker.take_tail(cursor, tail, index),
            Next::Page(served) => taker.take_page(cursor, &served),
            Next::Begins(position) => {
                taker.note(Saw::Position(position));
                cursor.advance_to(position);
                true
            }
            Next::Live | Next::Waiting | Next::Refused(_) => false,
        });
    }

    /// A heartbeat: a position that ages is renewed.
    pub(crate) fn beat(&mut self, log: &CoreLog, client: &mut Client, history: &History) {
        if self.primed
            && log.refresh(self.view, &mut self.cursor)
            && let Some(position) = self.cursor.position()
        {
            client.note(Saw::Position(position), history);
        }
    }

    /// Whether everything has been handed out, as far as the node knows.
    pub(crate) fn is_live(&mut self, log: &CoreLog) -> bool {
        log.next(self.view, &mut self.cursor, |_, _, next| matches!(next, Next::Live))
    }
}

impl Taker<'_> {
    fn note(&mut self, saw: Saw) {
        self.client.note(saw, self.history);
    }

    fn take_tail(&mut self, cursor: &mut Cursor, tail: &Tail, from: u64) -> bool {
        assert!(tail.get(from).is_some(), "a tail without the item that it offers");
        let mut index = from;
        for _ in 0..ITEMS {
            match tail.get(index) {
                None => break,
                Some(Item::Entry { id, .. }) => {
                    self.note(Saw::Entry(*id));
                    cursor.advance_tail(index, Some(Position::At(*id)));
                }
                Some(Item::Ephemeral { .. }) => cursor.advance_tail(index, None),
                Some(Item::Seam(seam)) => {
                    if let Some(Item::Entry { id, .. }) = tail.get(index + 1) {
                        self.note(Saw::Gap(None));
                        self.note(Saw::Entry(*id));
                        index += 1;
                        cursor.advance_tail(index, Some(Position::At(*id)));
                    } else {
                        self.note(Saw::Gap(Some(seam.resume)));
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
                    self.note(Saw::Gap(None));
                    self.note(Saw::Entry(first.id));
                    cursor.advance_to(Position::At(first.id));
                }
                None => {
                    self.note(Saw::Gap(Some(seam.resume)));
                    cursor.advance_to(seam.resume);
                }
            }
        } else {
            assert!(!served.entries().is_empty(), "a page with nothing to say");
        }
        for entry in entries.take(ITEMS) {
            self.note(Saw::Entry(entry.id));
            cursor.advance_to(Position::At(entry.id));
        }
        true
    }
}
