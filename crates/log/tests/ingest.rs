//! The ingest as the node runs it: on a runtime, with paused time, against the in-process store.

#![allow(clippy::unwrap_used)] // In tests, helpers included.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fanfare_log::memory::{Bell, Fate, MemoryStore};
use fanfare_log::{CoreLog, Cursor, Hub, Item, Next, Options, Payer, PublishRequest, Random, Start, ViewKey, assemble};
use fanfare_protocol::{ChannelName, Event, Position};
use tokio::time::{Instant, timeout};

fn channel() -> ChannelName {
    ChannelName::parse("orders").unwrap()
}

fn event(n: usize) -> Event {
    Event { name: None, data: Bytes::from(n.to_string()) }
}

fn publish(store: &MemoryStore, n: usize) {
    let request = PublishRequest { channel: channel(), event: event(n), dedup: None, max_len: None, ttl: None };
    store.publish_now(&request).unwrap();
}

/// One reader, polled as a session is: only when it is woken.
struct Reader {
    log: CoreLog,
    view: ViewKey,
    cursor: Cursor,
    saw: Vec<String>,
}

impl Reader {
    fn new(hub: &Arc<Hub>, start: Option<Start>) -> Self {
        let log = CoreLog::new(Arc::clone(hub), 0);
        let (view, cursor) = log.open(channel(), start, 1, Payer::NODE).unwrap();
        Self { log, view, cursor, saw: Vec::new() }
    }

    /// Reads until it has seen so many things. Gaps are things.
    async fn read(&mut self, count: usize) {
        while self.saw.len() < count {
            let saw = &mut self.saw;
            let is_due = self.log.next(self.view, &mut self.cursor, |cursor, _, next| match next {
                Next::Tail(tail, index) => {
                    match tail.get(index) {
                        Some(Item::Entry { id, frame }) => {
                            saw.push(String::from_utf8_lossy(frame.fields()).trim().to_owned());
                            cursor.advance_tail(index, Some(Position::At(*id)));
                        }
                        Some(Item::Ephemeral { frame, .. }) => {
                            saw.push(String::from_utf8_lossy(frame.fields()).trim().to_owned());
                            cursor.advance_tail(index, None);
                        }
                        Some(Item::Seam(seam)) => {
                            saw.push(seam.reason.as_str().to_owned());
                            cursor.advance_tail(index, Some(seam.resume));
                        }
                        None => panic!("a tail without the item that it offers"),
                    }
                    true
                }
                Next::Page(served) => {
                    saw.extend(served.seam.iter().map(|seam| seam.reason.as_str().to_owned()));
                    for entry in served.entries() {
                        saw.push(String::from_utf8_lossy(entry.frame.fields()).trim().to_owned());
                        cursor.advance_to(Position::At(entry.id));
                    }
                    true
                }
                Next::Begins(position) => panic!("all entries are kept, and the reader was told {position}"),
                Next::Live | Next::Waiting | Next::Refused(_) => false,
            });
            if !is_due {
                self.wait().await;
            }
        }
    }

    async fn wait(&self) {
        let mut woken = false;
        while !woken {
            self.log.changed().await;
            self.log.sync(|_, _| {}, |_| woken = true);
        }
    }

    async fn open(&mut self) {
        while !self.log.resolve_start(self.view, &mut self.cursor) {
            self.wait().await;
        }
    }
}

/// Runs a node's ingest and feed beside a script.
async fn node<F: Future>(store: &MemoryStore, script: impl FnOnce(Arc<Hub>) -> F) -> F::Output {
    let log = assemble(Options::default(), 1, Random::seeded(1));
    let ingest = log.ingest.run(store.clone(), std::future::pending());
    let attachment = store.attach(log.desired, log.sink).run();
    tokio::select! {
        () = ingest => unreachable!("nobody stops it"),
        () = attachment => unreachable!("it reconnects for ever"),
        output = timeout(Duration::from_secs(600), script(log.hub)) => output.expect("the story ends"),
    }
}

fn data(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|n| format!("data: {n}")).collect()
}

#[tokio::test(start_paused = true)]
async fn a_reader_gets_what_is_published_after_it_came_in_all_ways() {
    let store = MemoryStore::default();
    node(&store, async |hub: Arc<Hub>| {
        let mut reader = Reader::new(&hub, None);
        reader.open().await;
        publish(&store, 0);
        store.xadd(channel(), event(1), Bell::Doorbell);
        store.xadd(channel(), event(2), Bell::Keyspace);
        reader.read(3).await;
        store.publish_ephemeral(channel(), Bytes::from_static(b"3"));
        reader.read(4).await;
        assert_eq!(reader.saw, data(0..4));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_reader_resumes_on_another_node_while_events_go_on() {
    let store = MemoryStore::default();
    let (start, seen) = node(&store, async |hub: Arc<Hub>| {
        let mut reader = Reader::new(&hub, None);
        reader.open().await;
        (0..10).for_each(|n| publish(&store, n));
        reader.read(5).await;
        (Start::At(reader.cursor.position().unwrap()), reader.saw.len())
    })
    .await;
    (10..3_000).for_each(|n| publish(&store, n));
    node(&store, async |hub: Arc<Hub>| {
        let mut reader = Reader::new(&hub, Some(start));
        (3_000..3_010).for_each(|n| publish(&store, n));
        reader.read(3_010 - seen).await;
        assert_eq!(reader.saw, data(seen..3_010));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_last_push_is_delivered_within_the_reconcile_interval_and_a_store_that_was_away_comes_back() {
    let store = MemoryStore::default();
    node(&store, async |hub: Arc<Hub>| {
        let mut reader = Reader::new(&hub, None);
        reader.open().await;
        let start = Instant::now();
        store.next_push(Fate::Lose);
        publish(&store, 0);
        reader.read(1).await;
        assert!(start.elapsed() <= Options::default().reconcile_interval * 5 / 4, "{:?}", start.elapsed());
        store.set_offline(true);
        tokio::time::sleep(Duration::from_secs(90)).await;
        store.set_offline(false);
        publish(&store, 1);
        reader.read(2).await;
        assert_eq!(reader.saw, data(0..2));
    })
    .await;
}
