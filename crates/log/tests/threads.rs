//! The hand-off between the ingest and the connection threads, on real threads: channels are opened, closed and opened again
//! as fast as possible, with a linger that ends all the time, while events go on. What chance under a seed cannot reach is
//! the order of atomics and locks. Nothing here asserts a time.

#![allow(clippy::unwrap_used)] // In tests, helpers included.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use fanfare_log::memory::MemoryStore;
use fanfare_log::{Assembly, CoreLog, Hub, Item, Next, Options, Payer, PublishRequest, Random, Start, assemble};
use fanfare_protocol::{ChannelName, Event, Position};
use tokio::runtime::Builder;
use tokio::time::timeout;

const EVENTS: usize = 1_500;
const CORES: usize = 3;
const CLIENTS: usize = 3;

fn channel() -> ChannelName {
    ChannelName::parse("orders").unwrap()
}

fn publish(store: &MemoryStore, n: usize) {
    let event = Event { name: None, data: Bytes::from(n.to_string()) };
    let request = PublishRequest { channel: channel(), event, dedup: None, max_len: None, ttl: None };
    store.publish_now(&request).unwrap();
}

fn number(body: &[u8]) -> usize {
    std::str::from_utf8(body).unwrap().trim().trim_start_matches("data: ").parse().unwrap()
}

/// Reads everything, over many connections of one to a few events each.
async fn client(log: &CoreLog, token: u32, place: Position, busy: usize) {
    let (mut position, mut expected) = (place, 1);
    while expected < EVENTS {
        let (view, mut cursor) = log.open(channel(), Some(Start::At(position)), token, Payer::NODE).unwrap();
        let until = (expected + 1 + (expected + busy) % 7).min(EVENTS);
        while expected < until {
            let due = log.next(view, &mut cursor, |cursor, _, next| {
                let (id, found) = match next {
                    Next::Tail(tail, index) => match tail.get(index) {
                        Some(Item::Entry { id, frame }) => (*id, number(frame.fields())),
                        other => panic!("unexpected {other:?}"),
                    },
                    Next::Page(served) => {
                        assert!(served.seam.is_none(), "a gap: {served:?}");
                        (served.entries()[0].id, number(served.entries()[0].frame.fields()))
                    }
                    Next::Begins(position) => panic!("the client has a place, and was told {position}"),
                    Next::Live | Next::Waiting | Next::Refused(_) => return false,
                };
                assert_eq!(found, expected, "in order, none missing, none twice");
                expected += 1;
                position = Position::At(id);
                cursor.advance_to(position);
                true
            });
            if !due {
                log.changed().await;
                log.sync(|_, _| {}, |_| {});
            }
        }
        log.close(view, &cursor);
    }
}

/// Counts a thread as done, also when it panics.
struct Done<'a>(&'a AtomicUsize);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn core(hub: &Arc<Hub>, core: usize, place: Position, done: &AtomicUsize) {
    let _done = Done(done);
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let log = CoreLog::new(Arc::clone(hub), core);
        for round in 0..CLIENTS {
            let reading = client(&log, u32::try_from(round).unwrap(), place, core + round);
            timeout(Duration::from_secs(120), reading).await.expect("a reader waits for ever");
        }
    });
}

#[test]
fn readers_on_many_threads_miss_nothing_while_channels_close_and_open() {
    let store = MemoryStore::default();
    publish(&store, 0);
    let start = Position::At(store.last_id(channel()).unwrap());
    let options = Options { linger: Duration::ZERO, page_entries: 50, tail_entries: 100, ..Options::default() };
    let Assembly { hub, desired, sink, ingest, .. } = assemble(options, CORES, Random::seeded(1));
    let done = AtomicUsize::new(0);
    std::thread::scope(|threads| {
        for number in 0..CORES {
            let (hub, done) = (&hub, &done);
            threads.spawn(move || core(hub, number, start, done));
        }
        threads.spawn(|| {
            for n in 1..EVENTS {
                publish(&store, n);
                std::thread::yield_now();
            }
        });
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let finished = async {
                while done.load(Ordering::Relaxed) < CORES {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            tokio::select! {
                () = ingest.run(store.clone(), finished) => {}
                () = store.attach(desired, sink).run() => {}
            }
        });
    });
}
