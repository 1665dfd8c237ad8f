use std::collections::BTreeSet;

use bytes::Bytes;
use fanfare_protocol::{Entry, EntryId, Event, LogName, Push, limits};
use proptest::prelude::*;
use tokio::time::Instant;
use tokio_test::{assert_pending, assert_ready, task};

use super::event::Standing;
use super::*;
use crate::payer::Payer;

fn name(n: usize) -> LogName {
    LogName::from(fanfare_protocol::ChannelName::parse(&format!("c{n}")).unwrap())
}

fn event(bytes: usize) -> Event {
    Event { name: None, data: Bytes::from(vec![b'x'; bytes]) }
}

fn ephemeral(channel: usize, bytes: usize) -> FeedEvent {
    FeedEvent::Push { channel: name(channel), push: Push::Ephemeral(event(bytes)) }
}

fn entry(channel: usize, bytes: usize) -> FeedEvent {
    let entry = Entry { id: EntryId { ms: 2, seq: 0 }, prev: Some(EntryId { ms: 1, seq: 0 }), event: event(bytes) };
    FeedEvent::Push { channel: name(channel), push: Push::Entry(entry) }
}

fn doorbell(channel: usize) -> FeedEvent {
    FeedEvent::Push { channel: name(channel), push: Push::Doorbell }
}

/// What a feed can say: kind, channel, bytes.
fn said((kind, channel, bytes): (usize, usize, usize)) -> FeedEvent {
    match kind {
        0 => FeedEvent::Connected,
        1 => FeedEvent::Disconnected,
        2 => FeedEvent::Subscribed(vec![name(channel)]),
        3 => FeedEvent::Refused { channels: vec![name(channel)], detail: String::new() },
        4 => FeedEvent::Probe { began: Instant::now() },
        5 => doorbell(channel),
        6 => FeedEvent::Push { channel: name(channel), push: Push::Malformed },
        7 => FeedEvent::KeyspaceAdd { channel: name(channel) },
        8..12 => entry(channel, bytes),
        _ => ephemeral(channel, bytes),
    }
}

fn text(event: &FeedEvent) -> String {
    format!("{event:?}")
}

fn of(channel: usize, batch: &FeedBatch) -> usize {
    let is_of = |event: &FeedEvent| match event.standing() {
        Standing::Kept => false,
        Standing::Read(name_of) | Standing::Shed(name_of) => *name_of == name(channel),
    };
    batch.events.iter().filter(|(_, event)| is_of(event)).count()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn what_is_turned_away_is_told_and_nothing_else_is_missing(
        max_bytes in 0usize..9_000,
        sent in proptest::collection::vec((0usize..18, 0usize..4, 0usize..900).prop_map(said), 0..60),
    ) {
        let (sink, mut source) = feed(max_bytes);
        sent.iter().for_each(|event| sink.send(event.clone()));
        let batch = source.take();
        let mut arrived = batch.events.iter().map(|(_, event)| text(event)).peekable();
        let (mut unread, mut shed) = (BTreeSet::new(), 0);
        for event in &sent {
            if arrived.peek() == Some(&text(event)) {
                arrived.next();
                continue;
            }
            match event.standing() {
                // A proof gives way to the next one.
                Standing::Kept => {
                    let is_followed = arrived.peek().is_some_and(|next| next.starts_with("Probe"));
                    prop_assert!(is_followed && matches!(event, FeedEvent::Probe { .. }), "{event:?} was turned away");
                }
                Standing::Read(channel) => drop(unread.insert(channel.clone())),
                Standing::Shed(_) => shed += 1,
            }
        }
        prop_assert_eq!(arrived.next(), None, "in order, none twice");
        prop_assert_eq!((&batch.overflowed, batch.shed), (&unread, shed));
        let held = batch.events.iter().map(|(_, event)| event).filter(|event| event.standing() != Standing::Kept);
        prop_assert!(held.map(FeedEvent::cost).sum::<usize>() <= max_bytes);
        sink.send(ephemeral(0, 0));
        prop_assert_eq!(source.take().events.len(), usize::from(max_bytes >= ephemeral(0, 0).cost()), "there is room again");
    }

    #[test]
    fn a_flood_of_any_kind_leaves_room_for_the_others(
        flood in 0usize..2_000,
        is_ephemeral in any::<bool>(),
        others in proptest::collection::vec((1usize..4, any::<bool>()), 0..8),
    ) {
        let (sink, mut source) = feed(400 * 1024);
        for _ in 0..flood {
            sink.send(if is_ephemeral { ephemeral(0, 100) } else { entry(0, 100) });
        }
        others.iter().for_each(|(channel, rings)| sink.send(if *rings { doorbell(*channel) } else { entry(*channel, 1_000) }));
        let batch = source.take();
        prop_assert!(!batch.overflowed.iter().any(|channel| *channel != name(0)));
        prop_assert_eq!((1..4).map(|channel| of(channel, &batch)).sum::<usize>(), others.len());
        let missing = flood - of(0, &batch);
        prop_assert_eq!(batch.shed, if is_ephemeral { missing as u64 } else { 0 });
        prop_assert_eq!(batch.overflowed.contains(&name(0)), !is_ephemeral && missing > 0);
    }

    #[test]
    fn parts_are_the_whole_in_order_and_losses_are_told_with_the_first(
        bursts in proptest::collection::vec((0usize..3_000, 0usize..3), 1..4),
    ) {
        let (sink, mut source) = feed(300 * 1024);
        let (mut told, mut shed, mut overflowed) = (0, 0, 0);
        for (burst, parts) in bursts {
            (0..burst).for_each(|_| sink.send(ephemeral(1, 1)));
            (0..burst).for_each(|_| sink.send(entry(2, 1)));
            for _ in 0..parts {
                if source.told() == source.arrived() {
                    break;
                }
                let part = assert_ready!(task::spawn(source.recv()).poll());
                prop_assert!(part.events.len() <= limits::FEED_TURN_MESSAGES);
                told += part.events.len();
                shed += part.shed;
                overflowed += part.overflowed.len();
            }
        }
        let rest = source.take();
        let arrived = (told + rest.events.len()) as u64 + shed + rest.shed;
        if overflowed + rest.overflowed.len() == 0 {
            prop_assert_eq!(arrived, source.arrived());
        }
        prop_assert_eq!(source.told(), source.arrived());
    }

    #[test]
    fn a_feed_that_takes_changes_ends_with_what_is_desired(
        steps in proptest::collection::vec((0usize..6, 0usize..5), 0..80),
    ) {
        let desired = Desired::new();
        let mut followed: BTreeSet<LogName> = BTreeSet::new();
        let mut apply = |desired: &Desired| {
            let Changes { wanted, unwanted } = desired.take(2);
            for name in unwanted {
                assert!(followed.remove(&name), "{name} comes and goes and is no change");
            }
            followed.extend(wanted.into_iter().map(|(_, name)| name));
            followed.clone()
        };
        for (what, channel) in steps {
            match what {
                0..3 => desired.insert(&name(channel)),
                3..5 => desired.remove(&name(channel)),
                _ => { apply(&desired); }
            }
        }
        (0..3).for_each(|_| _ = apply(&desired));
        prop_assert_eq!(apply(&desired).into_iter().collect::<Vec<_>>(), desired.snapshot());
    }
}

#[test]
fn the_number_of_messages_is_bounded_too() {
    let (sink, mut source) = feed(usize::MAX);
    for number in 0..=limits::FEED_QUEUE_MESSAGES_MAX {
        sink.send(FeedEvent::KeyspaceAdd { channel: name(number) });
    }
    let batch = source.take();
    assert_eq!(batch.events.len(), limits::FEED_QUEUE_MESSAGES_MAX);
    assert!(batch.overflowed.contains(&name(limits::FEED_QUEUE_MESSAGES_MAX)));
}

// The table of `shares`.
#[test]
fn a_flood_holds_its_share_and_no_more() {
    let flood = |make: &dyn Fn(usize) -> FeedEvent| {
        let (sink, mut source) = feed(usize::MAX);
        (0..2 * limits::FEED_QUEUE_MESSAGES_MAX).for_each(|number| sink.send(make(number)));
        source.take().events.len() * 100 / limits::FEED_QUEUE_MESSAGES_MAX
    };
    assert_eq!(flood(&|_| ephemeral(0, 1)), 20);
    assert_eq!(flood(&|number| ephemeral(number % 1_000, 1)), 50);
    assert_eq!(flood(&|_| entry(0, 1)), 80);
    assert_eq!(flood(&|number| entry(number % 2, 1)), 88);
}

#[test]
fn the_largest_event_fits_into_an_empty_queue_whatever_it_is() {
    for make in [ephemeral, entry] {
        let (sink, mut source) = feed(limits::FEED_QUEUE_BYTES_MAX);
        sink.send(make(0, limits::EVENT_BYTES_MAX));
        assert_eq!(source.take().events.len(), 1);
    }
}

#[test]
fn a_channel_that_will_be_read_takes_no_more_room() {
    let (sink, mut source) = feed(2_000);
    sink.send(entry(0, 4_000));
    sink.send(entry(0, 10));
    sink.send(ephemeral(0, 10));
    let batch = source.take();
    assert_eq!((of(0, &batch), batch.overflowed.len()), (1, 1), "the read brings the second entry as well");
    sink.send(entry(0, 10));
    assert_eq!(of(0, &source.take()), 1, "what comes after the ingest was told may come after its read");
}

#[test]
fn what_arrives_wakes_the_ingest_whether_it_is_kept_or_turned_away() {
    for event in [ephemeral(1, 1), entry(1, 1), FeedEvent::Probe { began: Instant::now() }] {
        let (sink, mut source) = feed(0);
        let mut recv = task::spawn(source.recv());
        assert_pending!(recv.poll());
        sink.send(event.clone());
        assert!(recv.is_woken());
        let batch = assert_ready!(recv.poll());
        assert_eq!(batch.overflowed.len() as u64 + batch.shed + batch.events.len() as u64, 1, "{event:?}");
    }
}

#[test]
fn a_change_is_seen_whether_it_comes_before_or_while_the_feed_waits() {
    let desired = Desired::new();
    desired.insert(&name(1));
    assert_ready!(task::spawn(desired.changed()).poll());
    assert_eq!(desired.take(9).wanted, [(Payer::NODE, name(1))]);
    // A permit may be left over from before: at most one wake without a change.
    let mut changed = task::spawn(desired.changed());
    if changed.poll().is_ready() {
        changed = task::spawn(desired.changed());
        assert_pending!(changed.poll());
    }
    desired.remove(&name(1));
    assert!(changed.is_woken());
    assert_ready!(changed.poll());
    assert_eq!(desired.take(9).unwanted, [name(1)]);
}

#[test]
fn a_channel_closed_and_opened_again_is_a_change_though_the_set_is_the_same() {
    let desired = Desired::new();
    desired.insert(&name(1));
    assert_eq!(desired.snapshot(), [name(1)]);
    desired.remove(&name(1));
    desired.insert(&name(1));
    assert_eq!(desired.take(9).wanted, [(Payer::NODE, name(1))], "its new log waits for an acknowledgement of its own");
}

#[test]
fn feeds_of_a_node_share_a_queue_and_each_event_says_where_it_comes_from() {
    let (first, mut source) = feed(1 << 20);
    let second = first.of(FeedId::new(1));
    second.send(FeedEvent::Connected);
    first.send(FeedEvent::Connected);
    let feeds: Vec<_> = source.take().events.into_iter().map(|(feed, _)| feed).collect();
    assert_eq!(feeds, [FeedId::new(1), FeedId::FIRST]);
}

// Seen to fail when changes come in the order of names.
#[test]
fn a_channel_of_one_payer_is_not_held_up_by_a_thousand_of_another() {
    let desired = Desired::new();
    (0..1000).for_each(|number| desired.insert_for(Payer::of(1), &name(number)));
    desired.insert_for(Payer::of(2), &name(7_777));
    assert!(desired.take(2).wanted.contains(&(Payer::of(2), name(7_777))));
}

// Fails when each is kept: an ingest that hangs would have them pile up.
#[test]
fn of_proofs_that_follow_each_other_the_last_one_is_kept() {
    let (sink, mut source) = feed(1 << 20);
    let began: Vec<_> = (0..4).map(|number| Instant::now() + std::time::Duration::from_secs(number)).collect();
    let proof = |number: usize| FeedEvent::Probe { began: began[number] };
    [proof(0), proof(1), entry(0, 10), proof(2), proof(3)].into_iter().for_each(|event| sink.send(event));
    sink.of(FeedId::new(1)).send(proof(0));
    let told = |(feed, event): (FeedId, FeedEvent)| match event {
        FeedEvent::Probe { began } => (feed.number(), Some(began)),
        _ => (feed.number(), None),
    };
    let kept: Vec<_> = source.take().events.into_iter().map(told).collect();
    assert_eq!(kept, [(0, Some(began[1])), (0, None), (0, Some(began[3])), (1, Some(began[0]))]);
}
