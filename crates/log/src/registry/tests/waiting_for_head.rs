//! Which reads readers cause who are ahead of a stale head, driven by hand.

use std::time::Duration;

use bytes::Bytes;
use fanfare_protocol::{ChannelName, Decoded, Entry, EntryId, Epoch, Event, LogName, Position, Push};

use super::super::*;
use crate::archive::{ArchiveError, Snapshot, Tip};
use crate::core_log::{CoreLog, ViewKey};
use crate::cursor::{Cursor, Start};
use crate::feed::{FeedBatch, FeedEvent, FeedId};
use crate::payer::Payer;
use crate::view::Next;

fn at(ms: u64) -> Position {
    Position::At(EntryId { ms, seq: 0 })
}

fn tip(position: Position) -> Tip {
    Tip { position, now_ms: 100, epoch: Epoch::from_bits(7), evicts: false, min_life: crate::MinLife::LEAST }
}

/// The stream ends at the reader's position, which the node's head has not reached.
fn nothing_follows(position: Position) -> Snapshot {
    Snapshot { tip: tip(position), first: None, untouched: false, entries: Vec::new(), complete: true }
}

fn entry(ms: u64) -> Decoded {
    let event = Event { name: None, data: Bytes::from_static(b"x") };
    Decoded::Entry(Entry { id: EntryId { ms, seq: 0 }, prev: None, event })
}

/// A node that follows so many channels, each with a reader who is ahead of its head.
struct Ahead {
    registry: Registry,
    hub: Arc<Hub>,
    core: CoreLog,
    readers: Vec<(ViewKey, Cursor)>,
    now: Instant,
}

impl Ahead {
    fn of(channels: usize) -> (Self, Vec<LogName>) {
        Self::of_heads(channels, at(5))
    }

    fn of_heads(channels: usize, head: Position) -> (Self, Vec<LogName>) {
        Self::with(Options::default(), channels, head)
    }

    fn with(options: Options, channels: usize, head: Position) -> (Self, Vec<LogName>) {
        let now = Instant::now();
        let hub = Arc::new(Hub::new(1));
        let registry =
            Registry::new(options, Arc::clone(&hub), vec![Desired::new()], Arc::default(), Random::seeded(1), now);
        let core = CoreLog::new(Arc::clone(&hub), 0);
        let names: Vec<_> =
            (0..channels).map(|number| LogName::from(ChannelName::parse(&format!("c{number}")).unwrap())).collect();
        let readers =
            names.iter().map(|name| core.open(name, Some(Start::At(at(9))), 0, Payer::NODE).unwrap()).collect();
        let mut scene = Self { registry, hub, core, readers, now };
        scene.turn(Vec::new());
        let mut commands = scene.turn(vec![FeedEvent::Subscribed(names.clone())]);
        let Some(Command::Tips { keys, .. }) = commands.pop() else { panic!("{commands:?}") };
        scene.registry.on_tips(&keys, Ok(keys.iter().map(|_| Ok(tip(head))).collect()), now);
        (scene, names)
    }

    fn turn(&mut self, events: Vec<FeedEvent>) -> Vec<Command> {
        self.registry.on_feed(FeedBatch::of(FeedId::FIRST, events), self.now);
        let mut touched = Vec::new();
        self.hub.take_touched(&mut touched);
        self.registry.on_touched(&touched, self.now);
        self.registry.on_time(self.now);
        self.registry.end_turn(self.now)
    }

    /// Lets every reader look. Returns how many have everything.
    fn look(&mut self) -> usize {
        self.core.sync(|_, _| {}, |_| {});
        let Self { core, readers, .. } = self;
        let is_live =
            |(view, cursor): &mut (ViewKey, Cursor)| core.next(*view, cursor, |_, _, next| matches!(next, Next::Live));
        readers.iter_mut().map(is_live).filter(|live| *live).count()
    }

    /// Lets everybody go round so many times, with every page answered at once and no head. Returns the pages and heads.
    fn go_round(&mut self, times: usize) -> (usize, Vec<usize>) {
        let (mut pages, mut heads) = (0, Vec::new());
        for _ in 0..times {
            self.look();
            for command in self.turn(Vec::new()) {
                match command {
                    Command::Page { key, .. } => {
                        pages += 1;
                        self.registry.on_page(key, Ok(nothing_follows(at(9))), self.now);
                    }
                    Command::Head { key, .. } => heads.push(key),
                    Command::Tips { .. } => {}
                    other @ Command::Newest { .. } => panic!("{other:?}"),
                }
            }
        }
        (pages, heads)
    }
}

/// Seen to fail when it does not wait for the head: 20 pages.
#[test]
fn a_reader_ahead_of_a_stale_head_asks_once_and_then_waits_for_the_read_of_the_head() {
    let (mut scene, _) = Ahead::of(1);
    let (pages, heads) = scene.go_round(20);
    assert_eq!((pages, heads.len()), (1, 1));
    let head_moved = Snapshot { entries: vec![entry(5), entry(9)], ..nothing_follows(at(9)) };
    scene.registry.on_head(heads[0], Ok(head_moved), scene.now);
    assert_eq!(scene.look(), 1, "the tail reaches the reader now");
    assert_eq!(scene.go_round(5), (0, Vec::new()));
}

/// Seen to fail when a reader is let go on only by a read of the head that succeeds.
#[test]
fn a_reader_ahead_of_a_head_that_cannot_be_read_asks_once_for_each_try() {
    let (mut scene, _) = Ahead::of(1);
    for _ in 0..5 {
        let (pages, heads) = scene.go_round(20);
        assert_eq!((pages, heads.len()), (1, 1));
        scene.registry.on_head(heads[0], Err(ArchiveError::Unavailable("no answer".into())), scene.now);
        assert_eq!(scene.go_round(5), (0, Vec::new()), "the archive rests");
        scene.now += Duration::from_secs(10);
    }
}

/// Seen to fail when the end of a read of the head lets nobody ask again.
#[test]
fn a_reader_whom_the_read_of_the_head_did_not_place_asks_again() {
    let (mut scene, _) = Ahead::of(1);
    let (_, heads) = scene.go_round(3);
    // It was taken before the stream went on to where the reader is.
    scene.registry.on_head(heads[0], Ok(nothing_follows(at(5))), scene.now);
    let (pages, heads) = scene.go_round(20);
    assert_eq!((pages, heads.len()), (1, 1));
}

/// Seen to fail when any absence of the same store is a head to go on from: the reader is led back to 5.
#[test]
fn a_reader_of_a_deleted_stream_goes_on_from_an_absence_after_its_place() {
    let absent_at = |at_ms| Position::Absent { at_ms, epoch: Epoch::from_bits(7) };
    let (mut scene, _) = Ahead::of_heads(1, absent_at(5));
    let gone = |at_ms| Snapshot { tip: Tip { now_ms: at_ms, ..tip(absent_at(at_ms)) }, ..nothing_follows(at(9)) };
    let (mut pages, mut heads) = (0, Vec::new());
    for _ in 0..20 {
        scene.look();
        for command in scene.turn(Vec::new()) {
            match command {
                Command::Page { key, .. } => {
                    pages += 1;
                    scene.registry.on_page(key, Ok(gone(20)), scene.now);
                }
                Command::Head { key, .. } => heads.push(key),
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!((pages, heads.len()), (1, 1), "the page waits for the head");
    scene.registry.on_head(heads[0], Ok(gone(21)), scene.now);
    scene.core.sync(|_, _| {}, |_| {});
    let (view, cursor) = &mut scene.readers[0];
    let resume = scene.core.next(*view, cursor, |_, _, next| match next {
        Next::Page(served) => served.seam.map(|seam| seam.resume),
        other => panic!("{other:?}"),
    });
    assert_eq!(resume, Some(absent_at(21)));
}

/// A message has told of a stream, and the node has still to see whether it is there.
///
/// Seen to fail when the page answers at once: the reader goes on from "no stream at 20", behind what was lost.
#[test]
fn a_page_that_finds_no_stream_waits_for_the_read_that_a_message_asked_for() {
    let absent_at = |at_ms| Position::Absent { at_ms, epoch: Epoch::from_bits(7) };
    let promised =
        |at_ms| Tip { now_ms: at_ms, min_life: crate::MinLife::LEAST.if_permanent(), ..tip(absent_at(at_ms)) };
    let gone = |tip| Snapshot { tip, ..nothing_follows(at(9)) };
    let (mut scene, names) = Ahead::of_heads(1, absent_at(5));
    scene.readers = vec![scene.core.open(&names[0], Some(Start::At(absent_at(3))), 0, Payer::NODE).unwrap()];
    let (mut pages, mut heads) = (Vec::new(), Vec::new());
    let mut doorbell = vec![FeedEvent::Push { channel: names[0].clone(), push: Push::Doorbell }];
    let mut go_round = |scene: &mut Ahead, found: Tip| {
        for _ in 0..10 {
            scene.look();
            for command in scene.turn(std::mem::take(&mut doorbell)) {
                match command {
                    Command::Page { key, request } => {
                        pages.push(request.after);
                        scene.registry.on_page(key, Ok(gone(found)), scene.now);
                    }
                    Command::Head { key, .. } => heads.push(key),
                    other => panic!("{other:?}"),
                }
            }
        }
        (pages.clone(), heads.clone())
    };
    let (pages, heads) = go_round(&mut scene, promised(20));
    assert_eq!((pages.len(), heads.len()), (1, 1));
    scene.registry.on_head(heads[0], Ok(gone(promised(21))), scene.now);
    // The promise is not believed any longer, and the archive says so.
    let (pages, _) = go_round(&mut scene, Tip { evicts: true, ..promised(22) });
    assert_eq!(pages, [absent_at(3); 2], "the reader asks once more, from where it was");
}

/// A node whose heads are stale: its clients were elsewhere meanwhile and are ahead of it.
#[test]
fn readers_ahead_of_stale_heads_do_not_keep_the_heads_from_being_read() {
    let concurrency = Options::default().archive_concurrency;
    let (mut scene, names) = Ahead::of(3 * concurrency);
    let mut pages = Vec::new();
    let (mut heads, mut asked) = (0, 0);
    for round in 0..10 * concurrency {
        scene.look();
        let doorbell = FeedEvent::Push { channel: names[0].clone(), push: Push::Doorbell };
        for command in scene.turn(if round == 2 { vec![doorbell] } else { Vec::new() }) {
            match command {
                Command::Page { key, .. } => {
                    asked += 1;
                    pages.push(key);
                }
                Command::Head { .. } => heads += 1,
                other => panic!("{other:?}"),
            }
        }
        assert!(pages.len() + heads <= concurrency, "round {round}");
        if round == 2 * concurrency {
            assert!(!pages.is_empty());
            assert_eq!(heads, concurrency.div_ceil(2), "half of the reads are for heads while pages are wanted");
        }
        if !pages.is_empty() {
            scene.registry.on_page(pages.remove(0), Ok(nothing_follows(at(9))), scene.now);
        }
    }
    assert_eq!((asked, heads), (3 * concurrency, concurrency), "a page for each reader, and then nothing but heads");
}

/// Seen to fail when heads always come first: the reader waits until the whole repair is done, and where it never is, for ever.
#[test]
fn with_one_read_at_a_time_a_long_repair_and_readers_who_are_behind_take_turns() {
    let options = Options { archive_concurrency: 1, ..Options::default() };
    let (mut scene, names) = Ahead::with(options, 2, at(5));
    let doorbell = FeedEvent::Push { channel: names[0].clone(), push: Push::Doorbell };
    let mut commands = scene.turn(vec![doorbell]);
    let mut started = String::new();
    for ms in 6..14 {
        match commands.pop() {
            Some(Command::Head { key, .. }) => {
                started.push('h');
                scene.look();
                let part = Snapshot {
                    tip: tip(at(99)),
                    first: None,
                    untouched: false,
                    entries: vec![entry(ms - 1), entry(ms)],
                    complete: false,
                };
                scene.registry.on_head(key, Ok(part), scene.now);
            }
            Some(Command::Page { key, .. }) => {
                started.push('p');
                scene.registry.on_page(key, Ok(nothing_follows(at(9))), scene.now);
            }
            other => panic!("{other:?}"),
        }
        commands = scene.turn(Vec::new());
    }
    assert!(started.starts_with("hp"), "{started}");
}
