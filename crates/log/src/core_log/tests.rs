use fanfare_protocol::limits::LEFT_WANTS_MIN;
use fanfare_protocol::{ChannelName, EntryId};

use super::*;
use crate::wants::Want;

fn position(ms: u64) -> Position {
    Position::At(EntryId { ms, seq: 0 })
}

/// A thread, and an open channel whose tail begins at its head: who stands elsewhere needs the archive.
fn scene() -> (CoreLog, LogName, Arc<Channel>, (ViewKey, Cursor)) {
    let hub = Arc::new(Hub::new(1));
    let log = CoreLog::new(Arc::clone(&hub), 0);
    let name = LogName::from(ChannelName::parse("orders").unwrap());
    let reader = log.open(name.clone(), Some(Start::At(position(1))), 0, Payer::NODE).unwrap();
    let mut touched = Vec::new();
    hub.take_touched(&mut touched);
    let channel = touched.remove(0);
    channel.lock().tail = Some(Tail::new(position(1_000_000)));
    let mut wake = 0;
    hub.notify_cores(&channel, &mut wake);
    log.sync(|_, _| {}, |_| {});
    (log, name, channel, reader)
}

fn waits(log: &CoreLog, (view, cursor): &mut (ViewKey, Cursor)) -> bool {
    log.next(*view, cursor, |_, _, next| matches!(next, Next::Waiting))
}

// Seen to fail when wants are never taken back, and when those who stay are not woken for it.
#[test]
fn wants_of_readers_that_left_do_not_pile_up_and_one_who_stays_keeps_its_own() {
    let (log, name, channel, mut stays) = scene();
    assert!(waits(&log, &mut stays));
    for number in 0..1_000 {
        let mut leaves = log.open(name.clone(), Some(Start::At(position(2 + number))), 1, Payer::NODE).unwrap();
        assert!(waits(&log, &mut leaves));
        log.close(leaves.0, &leaves.1);
        let mut is_woken = false;
        log.sync(|_, _| {}, |reader| is_woken |= reader.session == 0);
        if is_woken {
            assert!(waits(&log, &mut stays));
        }
        let shared = channel.lock();
        assert!(shared.wants.iter().any(|want| *want == Want::Page(position(1))), "{number}");
        assert!(shared.wants.len() <= 2 * LEFT_WANTS_MIN, "{} wants of one reader", shared.wants.len());
    }
}

#[test]
fn a_channel_that_nobody_reads_wants_nothing() {
    let (log, _, channel, mut reader) = scene();
    assert!(waits(&log, &mut reader));
    log.close(reader.0, &reader.1);
    assert_eq!(channel.lock().wants.len(), 0);
}

/// Sessions that are woken, in pieces of `most`.
fn woken(log: &CoreLog, most: usize) -> Vec<u32> {
    let mut woken = Vec::new();
    log.wake(most, |reader| woken.push(reader.session));
    woken
}

fn arm(log: &CoreLog, reader: &mut (ViewKey, Cursor)) {
    assert!(log.next(reader.0, &mut reader.1, |_, _, next| matches!(next, Next::Live)));
}

// Seen to fail when a view that closes stays in the queue, and when the channels are woken one after the other.
#[test]
fn channels_take_turns_and_one_that_closes_leaves_the_queue() {
    let hub = Arc::new(Hub::new(1));
    let log = CoreLog::new(Arc::clone(&hub), 0);
    let names = ["a", "b"].map(|name| LogName::from(ChannelName::parse(name).unwrap()));
    let head = Some(Start::At(position(1)));
    let open = |session: u32| log.open(names[session as usize % 2].clone(), head, session, Payer::NODE).unwrap();
    let mut readers: Vec<_> = (0..40).map(open).collect();
    let mut channels = Vec::new();
    hub.take_touched(&mut channels);
    let mut wake = 0;
    for channel in &channels {
        channel.lock().tail = Some(Tail::new(position(1)));
        hub.notify_cores(channel, &mut wake);
    }
    log.sync(|_, _| {}, |_| {});
    readers.iter_mut().for_each(|reader| arm(&log, reader));
    for channel in &channels {
        channel.lock().tail.as_mut().unwrap().push_ephemeral(frame());
        hub.notify_cores(channel, &mut wake);
    }
    log.take_over(|_, _| {});
    let first = woken(&log, 2 * WAKES_OF_ONE_CHANNEL);
    let of_a = first.iter().filter(|session| **session % 2 == 0).count();
    assert_eq!((of_a, first.len()), (WAKES_OF_ONE_CHANNEL, 2 * WAKES_OF_ONE_CHANNEL));
    for (session, reader) in readers.iter().enumerate() {
        if session % 2 == 0 {
            log.close(reader.0, &reader.1);
        }
    }
    let rest = woken(&log, usize::MAX);
    assert_eq!(rest.len(), 20 - WAKES_OF_ONE_CHANNEL);
    assert!(rest.iter().all(|session| session % 2 == 1), "{rest:?}");
    assert!(!log.wake(1, |_| {}), "everybody was woken");
}

fn frame() -> fanfare_protocol::Frame {
    let data = bytes::Bytes::from_static(b"x");
    fanfare_protocol::Frame::ephemeral(&fanfare_protocol::Event { name: None, data })
}

// Seen to fail when only the thread's own readers are counted, when readers that left still count, when the second part is the last, and
// when the gateway's own logs are offered.
#[test]
fn each_thread_offers_its_channels_in_parts_with_the_readers_of_all_threads() {
    let hub = Arc::new(Hub::new(2));
    let logs = [0, 1].map(|core| CoreLog::new(Arc::clone(&hub), core));
    let channel = |name: &str| ChannelName::parse(name).unwrap();
    let open = |core: usize, name: &str| logs[core].open(channel(name), None, 0, Payer::NODE).unwrap();
    logs[0].open(LogName::revoked(), None, 0, Payer::NODE).unwrap();
    let mut left = Vec::new();
    for number in 0..10 {
        open(0, &format!("c{number}"));
        left.push(open(0, "left"));
    }
    for core in [0, 0, 0, 1, 1, 1, 1, 1] {
        open(core, "c4");
    }
    left.push(open(0, "c4"));
    left.iter().for_each(|(key, cursor)| logs[0].close(*key, cursor));

    let offered = |core: usize, most: usize| {
        let (mut top, mut from, mut parts) = (TopChannels::default(), Some(0), 0);
        while let Some(start) = from {
            from = logs[core].offer(start, most, &mut top);
            parts += 1;
        }
        let channels = top.into_channels().into_iter().map(|one| (one.channel.to_string(), one.readers));
        (channels.collect::<Vec<_>>(), parts)
    };
    let (all, parts) = offered(0, 3);
    assert!(parts >= 4, "{parts} parts");
    assert_eq!((all.len(), &all[..2]), (10, &[("c4".to_owned(), 9), ("c0".to_owned(), 1)][..]));
    assert_eq!(offered(1, 3).0, [("c4".to_owned(), 9)]);
    assert_eq!(offered(0, usize::MAX), (all, 1));
}
