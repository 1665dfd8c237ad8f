//! The append rule, through the registry's own methods: a push goes in only if it certainly follows the head, and is dropped
//! only if that very entry is here. Anything else is a doorbell.
//!
//! Seen to fail with `prev <= head`, with `id <= head` as a duplicate, with `0-0` as a predecessor like any other, and when an
//! entry that created its stream is appended where the archive could tell more, where messages may be missing, or a minute
//! after the absence.

#![allow(clippy::unwrap_used)] // In tests, helpers included.

use std::sync::Arc;

use bytes::Bytes;
use fanfare_log::registry::Command;
use fanfare_log::{
    CoreLog, Desired, FeedBatch, FeedEvent, FeedId, FirstEntry, Hub, IngestStats, MinLife, Options, Payer, Random,
    Registry, Snapshot, Start, Tip,
};
use fanfare_protocol::{ChannelName, Decoded, Entry, EntryId, Epoch, Event, GapReason, Position, Push};
use tokio::time::Instant;

const EPOCH: Epoch = Epoch::from_bits(7);

#[derive(Debug, PartialEq, Eq)]
enum Done {
    Appended,
    Dropped,
    /// The archive is read from the head.
    Asked,
}
use Done::{Appended, Asked, Dropped};

/// One channel of a node, open.
struct Log {
    registry: Registry,
    core: CoreLog,
    hub: Arc<Hub>,
    stats: Arc<IngestStats>,
    now: Instant,
    name: ChannelName,
}

impl Log {
    fn open(head: Position, evicts: bool) -> Self {
        let (hub, stats, now) = (Arc::new(Hub::new(1)), Arc::new(IngestStats::default()), Instant::now());
        let (random, desired) = (Random::seeded(1), Desired::new());
        let registry =
            Registry::new(Options::default(), Arc::clone(&hub), vec![desired], Arc::clone(&stats), random, now);
        let name = ChannelName::parse("orders").unwrap();
        let core = CoreLog::new(Arc::clone(&hub), 0);
        core.open(&name, Some(Start::At(head)), 0, Payer::NODE).unwrap();
        let mut log = Self { registry, core, hub, stats, now, name };
        log.hear(FeedEvent::Connected);
        let mut commands = log.hear(FeedEvent::Subscribed(vec![(&log.name).into()]));
        log.answer_tips(commands.pop(), tip(head, evicts));
        // The thread takes its copy of the tail.
        log.core.sync(|_, _| {}, |_| {});
        log
    }

    fn hear(&mut self, event: FeedEvent) -> Vec<Command> {
        let mut touched = Vec::new();
        self.hub.take_touched(&mut touched);
        self.registry.on_touched(&touched, self.now);
        self.registry.on_feed(FeedBatch::of(FeedId::FIRST, [event]), self.now);
        self.registry.end_turn(self.now)
    }

    /// A message names an entry, and is not believed.
    fn announce(&mut self, id: Position, prev: Position) -> Vec<Command> {
        let (Position::At(id), prev) = (id, Some(entry_of(prev))) else { panic!("{id}") };
        self.hear(FeedEvent::Announced { channel: (&self.name).into(), id, prev })
    }

    /// The archive answers the read of the head that was asked for: the stream has these entries, and ends there.
    fn answer(&mut self, commands: &[Command], entries: &[(u64, u64)]) {
        let [Command::Head { key, .. }] = commands else { panic!("{commands:?}") };
        let entry = |&(id, prev): &(u64, u64)| {
            let event = Event { name: None, data: Bytes::from_static(b"x") };
            Decoded::Entry(Entry { id: entry_of(at(id)), prev: Some(entry_of(at(prev))), event })
        };
        let entries: Vec<_> = entries.iter().map(entry).collect();
        let position = Position::At(entries.last().unwrap().id());
        let tip = Tip { position, now_ms: 1_000, epoch: EPOCH, evicts: false, min_life: fanfare_log::MinLife::LEAST };
        let snapshot = Snapshot { tip, first: None, untouched: false, entries, complete: true };
        self.registry.on_head(*key, Ok(snapshot), self.now);
        self.registry.end_turn(self.now);
    }

    /// Answers a read of the tip. Returns which reads follow.
    fn answer_tips(&mut self, command: Option<Command>, tip: Tip) -> Vec<Command> {
        let Some(Command::Tips { keys, .. }) = command else { panic!("{command:?}") };
        self.registry.on_tips(&keys, Ok(vec![Ok(tip)]), self.now);
        self.registry.end_turn(self.now)
    }

    /// The feed is away for a moment on a store that evicts, and the stream was absent and is. `meanwhile`: what the feed says while
    /// the head is read for that. Returns whether readers are told of a gap.
    fn look_again(&mut self, meanwhile: Option<FeedEvent>) -> bool {
        let told = self.gaps();
        let gone = tip(absent(1_500), true);
        self.hear(FeedEvent::Disconnected);
        self.hear(FeedEvent::Connected);
        let mut commands = self.hear(FeedEvent::Subscribed(vec![(&self.name).into()]));
        let commands = self.answer_tips(commands.pop(), gone);
        if let [Command::Head { key, .. }] = commands.as_slice() {
            meanwhile.into_iter().for_each(|event| _ = self.hear(event));
            let snapshot = Snapshot { tip: gone, first: None, untouched: false, entries: vec![], complete: true };
            self.registry.on_head(*key, Ok(snapshot), self.now);
            self.registry.end_turn(self.now);
        }
        self.core.sync(|_, _| {}, |_| {});
        self.gaps() > told
    }

    /// Time passes until the stream is compared.
    fn wait_for_comparison(&mut self) -> Option<Command> {
        for _ in 0..100 {
            self.now = self.registry.deadline();
            self.registry.on_time(self.now);
            if let Some(command) = self.registry.end_turn(self.now).pop() {
                return Some(command);
            }
        }
        None
    }

    fn gaps(&self) -> u64 {
        self.stats.seams.of(GapReason::Reset).get()
    }

    fn push(&mut self, id: Position, prev: Option<Position>) -> Done {
        let (Position::At(id), prev) = (id, prev.map(entry_of)) else { panic!("{id}") };
        let entry = Entry { id, prev, event: Event { name: None, data: Bytes::from_static(b"x") } };
        let dropped = self.stats.duplicates.get();
        let commands = self.hear(FeedEvent::Push { channel: (&self.name).into(), push: Push::Entry(entry) });
        let mut appended = 0;
        self.core.sync(|_, _| appended += 1, |_| {});
        match (commands.as_slice(), appended, self.stats.duplicates.get() - dropped) {
            ([], 1, 0) => Appended,
            ([], 0, 1) => Dropped,
            ([Command::Head { .. }], 0, 0) => Asked,
            other => panic!("{other:?}"),
        }
    }
}

fn entry_of(position: Position) -> EntryId {
    match position {
        Position::At(id) => id,
        Position::Absent { .. } => EntryId::ZERO,
    }
}

fn tip(position: Position, evicts: bool) -> Tip {
    Tip { position, now_ms: 1_000, epoch: EPOCH, evicts, min_life: MinLife::LEAST }
}

fn at(ms: u64) -> Position {
    Position::At(EntryId { ms, seq: 0 })
}

fn absent(at_ms: u64) -> Position {
    Position::Absent { at_ms, epoch: EPOCH }
}

/// What becomes of a push `(id, prev)` at a head.
fn done(head: Position, (id, prev): (u64, Option<u64>)) -> Done {
    Log::open(head, false).push(at(id), prev.map(at))
}

#[test]
fn only_an_entry_that_names_the_head_as_its_predecessor_is_appended() {
    assert_eq!(done(at(5), (6, Some(5))), Appended);
    for other in [(6, None), (6, Some(0)), (6, Some(4)), (7, Some(6)), (4, Some(5))] {
        assert_eq!(done(at(5), other), Asked, "{other:?}");
    }
    // A stream without entries ends there, and so does what came before any other stream.
    assert_eq!(done(at(0), (6, Some(0))), Asked);
}

#[test]
fn only_an_entry_that_is_here_is_dropped() {
    let mut log = Log::open(at(5), false);
    assert_eq!(log.push(at(7), Some(at(5))), Appended);
    assert_eq!(log.push(at(8), Some(at(7))), Appended);
    for here in [(8, 7), (7, 5)] {
        assert_eq!(log.push(at(here.0), Some(at(here.1))), Dropped);
    }
    assert_eq!(done(at(5), (5, Some(4))), Dropped, "the head itself");
    for below in [(3, Some(2)), (4, Some(3)), (1, Some(0))] {
        assert_eq!(done(at(5), below), Asked, "{below:?} may be of another history");
    }
}

#[test]
fn an_entry_that_created_its_stream_is_appended_only_where_streams_are_evicted_and_no_message_was_missed() {
    assert_eq!(done(absent(1_000), (1_001, Some(0))), Asked, "the archive can tell whether the stream came and went");
    let evicting = || Log::open(absent(1_000), true);
    assert_eq!(evicting().push(at(1_001), Some(at(0))), Appended);
    assert_eq!(evicting().push(at(1_001), None), Asked);
    assert_eq!(evicting().push(at(999), Some(at(0))), Asked, "it is older than the absence");
    assert_eq!(evicting().push(at(61_000), Some(at(0))), Asked, "the absence is too old");
    let mut log = evicting();
    log.hear(FeedEvent::Disconnected);
    assert_eq!(log.push(at(1_001), Some(at(0))), Asked, "messages may be missing");
}

// Fails if what follows the head is appended whoever says so: there is no event to append then but a made-up one. And if what a
// read brings is not compared with what messages have named.
#[test]
fn where_messages_are_not_believed_the_stream_is_read_and_what_it_lacks_is_counted() {
    let mut log = Log::open(at(5), false);
    let asked = log.announce(at(6), at(5));
    log.answer(&asked, &[(5, 4), (6, 5)]);
    let stats = Arc::clone(&log.stats);
    let counted = move || (stats.verified.get(), stats.repaired.get(), stats.unfounded.get(), stats.duplicates.get());
    assert_eq!(counted(), (1, 0, 0, 0));
    assert!(log.announce(at(6), at(5)).is_empty(), "it is here");
    assert_eq!(counted(), (1, 0, 0, 1));
    let asked = log.announce(at(7), at(6));
    log.answer(&asked, &[(6, 5)]);
    assert_eq!(counted(), (1, 0, 1, 1), "nobody stored it");
    let asked = log.hear(FeedEvent::Push { channel: (&log.name).into(), push: Push::Doorbell });
    log.answer(&asked, &[(6, 5), (8, 6)]);
    assert_eq!(counted(), (1, 1, 1, 1), "a doorbell names nothing, and what it brings is a repair as ever");
}

// Seen to fail when only a tip shows that no message was missed, and when a read of the head shows it whatever happened meanwhile.
#[test]
fn a_read_of_the_head_shows_that_no_message_was_missed_if_the_feed_was_whole_since_before_it_began() {
    let evicting = || Log::open(absent(1_000), true);
    let mut log = evicting();
    assert!(log.look_again(None), "the stream may have come and gone");
    assert_eq!(log.push(at(1_501), Some(at(0))), Appended);
    for meanwhile in [
        FeedEvent::Disconnected,
        FeedEvent::Push { channel: (&evicting().name).into(), push: Push::Doorbell },
        FeedEvent::KeyspaceAdd { channel: (&evicting().name).into() },
        FeedEvent::Subscribed(vec![(&evicting().name).into()]),
    ] {
        let (mut log, what) = (evicting(), format!("{meanwhile:?}"));
        log.look_again(Some(meanwhile));
        log.hear(FeedEvent::Probe);
        let entry = Entry {
            id: entry_of(at(1_501)),
            prev: Some(EntryId::ZERO),
            event: Event { name: None, data: Bytes::new() },
        };
        log.hear(FeedEvent::Push { channel: (&log.name).into(), push: Push::Entry(entry) });
        let mut appended = 0;
        log.core.sync(|_, _| appended += 1, |_| {});
        assert_eq!(appended, 0, "{what}");
    }
}

// An answer that outran the messages: no message is known to be missing when the next stream is found. Seen to fail when such a stream
// continues the absence.
#[test]
fn where_streams_are_evicted_a_new_stream_that_only_a_read_has_found_is_a_gap() {
    for evicts in [false, true] {
        let mut log = Log::open(absent(1_000), evicts);
        let asked = log.wait_for_comparison();
        let found = tip(at(1_500), evicts);
        let asked = log.answer_tips(asked, found);
        let [Command::Head { key, .. }] = asked.as_slice() else { panic!("{asked:?}") };
        let event = Event { name: None, data: Bytes::from_static(b"x") };
        let entries = vec![Decoded::Entry(Entry { id: entry_of(at(1_500)), prev: Some(EntryId::ZERO), event })];
        let first = Some(FirstEntry { id: entry_of(at(1_500)), prev: Some(EntryId::ZERO) });
        let snapshot = Snapshot { tip: found, first, untouched: true, entries, complete: true };
        log.registry.on_head(*key, Ok(snapshot), log.now);
        log.registry.end_turn(log.now);
        assert_eq!(
            log.gaps(),
            u64::from(evicts),
            "another stream may have come and gone before where streams are evicted"
        );
        log.core.sync(|_, _| {}, |_| {});
        assert_eq!(log.push(at(1_501), Some(at(1_500))), Appended);
    }
}

// The tip that was asked for first may be answered last. Seen to fail when each tip says anew whether a message was missed.
#[test]
fn a_tip_does_not_take_back_what_a_read_of_the_head_has_shown_meanwhile() {
    let mut log = Log::open(absent(1_000), true);
    let asked = log.wait_for_comparison();
    assert!(matches!(asked, Some(Command::Tips { .. })), "{asked:?}");
    let rung = log.hear(FeedEvent::Push { channel: (&log.name).into(), push: Push::Doorbell });
    let [Command::Head { key, .. }] = rung.as_slice() else { panic!("{rung:?}") };
    let gone = Tip { now_ms: 1_500, ..tip(absent(1_500), true) };
    let snapshot = Snapshot { tip: gone, first: None, untouched: false, entries: vec![], complete: true };
    log.registry.on_head(*key, Ok(snapshot), log.now);
    log.registry.end_turn(log.now);
    assert_eq!(log.gaps(), 1, "the doorbell may have been of a stream that came and went");
    assert!(log.answer_tips(asked, gone).is_empty());
    let asked = log.wait_for_comparison();
    assert!(log.answer_tips(asked, gone).is_empty(), "the gap is told once");
    log.core.sync(|_, _| {}, |_| {});
    assert_eq!(log.push(at(1_501), Some(at(0))), Appended);
}
