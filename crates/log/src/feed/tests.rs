use std::collections::BTreeSet;

use bytes::Bytes;
use proptest::prelude::*;
use tokio_test::{assert_pending, assert_ready, task};

use super::*;
use crate::payer::Payer;

fn name(n: usize) -> LogName {
    LogName::from(fanfare_protocol::ChannelName::parse(&format!("c{n}")).unwrap())
}

fn ephemeral(channel: usize, bytes: usize) -> FeedEvent {
    let event = Event { name: None, data: Bytes::from(vec![b'x'; bytes]) };
    FeedEvent::Push { channel: name(channel), push: Push::Ephemeral(event) }
}

fn text(event: &FeedEvent) -> String {
    format!("{event:?}")
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn what_does_not_fit_is_told_by_its_channel_and_nothing_else_is_missing(
        max_bytes in 0usize..4_000,
        sent in proptest::collection::vec((0usize..4, 0usize..900, any::<bool>()), 0..60),
    ) {
        let (sink, mut source) = feed(max_bytes);
        let mut events = Vec::new();
        for (channel, bytes, is_state) in sent {
            let event = if is_state { FeedEvent::Connected } else { ephemeral(channel, bytes) };
            events.push(event.clone());
            sink.send(event);
        }
        let batch = source.take();
        let mut arrived = batch.events.iter().map(|(_, event)| text(event)).peekable();
        for event in &events {
            if arrived.peek() == Some(&text(event)) {
                arrived.next();
            } else {
                let channel = event.droppable().expect("only messages may be dropped");
                prop_assert!(batch.overflowed.contains(channel), "{channel} lost a message in silence");
            }
        }
        prop_assert_eq!(arrived.next(), None, "in order, none twice");
        let held: usize = batch.events.iter().map(|(_, event)| event).filter(|e| e.droppable().is_some()).map(FeedEvent::cost).sum();
        prop_assert!(held <= max_bytes);
        sink.send(ephemeral(0, 0));
        prop_assert_eq!(source.take().events.len(), usize::from(max_bytes >= ephemeral(0, 0).cost()), "there is room again");
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
    for _ in 0..=limits::FEED_QUEUE_MESSAGES_MAX {
        sink.send(FeedEvent::KeyspaceAdd { channel: name(0) });
    }
    let batch = source.take();
    assert_eq!(batch.events.len(), limits::FEED_QUEUE_MESSAGES_MAX);
    assert!(batch.overflowed.contains(&name(0)));
}

#[test]
fn a_message_wakes_the_ingest_and_an_overflow_does_too() {
    let (sink, mut source) = feed(0);
    let mut recv = task::spawn(source.recv());
    assert_pending!(recv.poll());
    sink.send(ephemeral(1, 1));
    assert!(recv.is_woken());
    assert!(assert_ready!(recv.poll()).overflowed.contains(&name(1)));
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
