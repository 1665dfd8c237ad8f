//! Another outlet than a socket, in memory: slices of bounded size, one at a time, as the body of an HTTP/2 response will
//! hand them on. Nothing polls the session but who takes the slices.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fanfare_log::memory::MemoryStore;
use fanfare_log::{Desired, Hub, IngestStats, Options, PublishRequest, Random, Registry, feed, ingest};
use fanfare_protocol::{ChannelName, EntryId, Event};
use tokio::runtime::{Builder, LocalOptions};
use tokio::time::Instant;

use super::super::batch::Unit;
use super::super::{Session, Subscribe};
use super::*;
use crate::clock::Clock;
use crate::core::DeliveryOptions;
use crate::core_stats::CoreStats;
use crate::subscription::Subscription;

/// The most bytes of one slice.
const SLICE: usize = 1_000;

#[derive(Debug, Default)]
struct Slices {
    /// Handed out, and not taken yet.
    slice: Option<Vec<u8>>,
    beginning: Vec<u8>,
    queued: Vec<u8>,
    /// An entry that is out in part.
    partial: Option<(EntryId, usize)>,
    finished: bool,
}

/// The bytes of a unit, without any framing.
fn plain(batch: &Batch<'_>, unit: &Unit<'_>) -> Vec<u8> {
    let line = batch.line(unit);
    let event = unit.frame.map_or(&b""[..], |frame| if line.is_empty() { frame.plain() } else { frame.body() });
    [batch.blocks(unit), line, event].concat()
}

impl Outlet for Slices {
    fn begin(&mut self, _: &Answer, blocks: &[u8]) {
        self.beginning = blocks.to_vec();
    }

    fn refuse(&mut self, _: &Answer) {
        unreachable!("the channels of this test open");
    }

    fn offer(&mut self, _: &Core, batch: &Batch<'_>) -> Offered {
        if self.slice.is_some() {
            return Offered::Full;
        }
        let (mut slice, mut taken) = (std::mem::take(&mut self.beginning), 0);
        for unit in &batch.units {
            let out = match self.partial.take() {
                Some((id, out)) if unit.entry == Some(id) => out,
                Some(_) => return Offered::Ended(End::Broken),
                None => 0,
            };
            let bytes = plain(batch, unit);
            let end = bytes.len().min(out + SLICE - slice.len());
            slice.extend_from_slice(&bytes[out..end]);
            if end == bytes.len() {
                taken += 1;
                continue;
            }
            if let Some(id) = unit.entry {
                self.partial = (end > 0).then_some((id, end));
            } else {
                taken += 1;
                self.queued = bytes[end..].to_vec();
            }
            break;
        }
        self.slice = Some(slice).filter(|slice| !slice.is_empty());
        if self.queued.is_empty() { Offered::Taken(taken) } else { Offered::Queued(taken) }
    }

    fn say(&mut self, blocks: &[u8]) {
        self.queued.append(&mut self.beginning);
        self.queued.extend_from_slice(blocks);
    }

    fn end(&mut self, blocks: &[u8]) {
        self.say(blocks);
    }

    fn release(&mut self) -> bool {
        let waited = !self.beginning.is_empty();
        self.say(b"");
        waited
    }

    fn poll_flush(&mut self, _: &Core, _: &mut Context<'_>) -> Poll<Result<(), End>> {
        while !self.queued.is_empty() {
            if self.slice.is_some() {
                return Poll::Pending;
            }
            let rest = self.queued.split_off(self.queued.len().min(SLICE));
            self.slice = Some(std::mem::replace(&mut self.queued, rest));
        }
        Poll::Ready(Ok(()))
    }

    fn poll_room(&mut self, _: &mut Context<'_>) -> Poll<Result<(), End>> {
        if self.slice.is_some() { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    fn is_within_entry(&self) -> bool {
        self.partial.is_some()
    }

    fn is_idle(&self) -> bool {
        self.beginning.is_empty() && self.queued.is_empty() && self.partial.is_none()
    }

    fn active_at(&self) -> u32 {
        0
    }

    fn is_gone(&mut self, _: &mut Context<'_>) -> bool {
        false
    }

    fn has_vanished(&mut self, _: &Core) -> bool {
        false
    }

    fn finish(&mut self) {
        self.finished = true;
    }
}

/// A connection thread over the in-process store.
fn core(store: &MemoryStore) -> Rc<Core> {
    let (hub, desired, (sink, source)) = (Arc::new(Hub::new(1)), Desired::new(), feed(1 << 20));
    let options = Options { tail_entries: 2, ..Options::default() };
    let (stats, random) = (Arc::new(IngestStats::default()), Random::seeded(1));
    let registry = Registry::new(options, Arc::clone(&hub), desired.clone(), stats, random, Instant::now());
    spawn(store.attach(desired, sink).run());
    spawn(ingest::run(registry, Arc::clone(&hub), source, store.clone(), std::future::pending()));
    let (stats, random) = (Arc::new(CoreStats::default()), Random::seeded(2));
    let core = Core::new(hub, 0, DeliveryOptions::default(), stats, Clock::system(), random);
    spawn(Rc::clone(&core).run());
    core
}

#[expect(clippy::disallowed_methods, reason = "tasks end with the test's runtime")]
fn spawn(task: impl Future<Output = ()> + 'static) {
    drop(tokio::task::spawn_local(task));
}

fn publish(store: &MemoryStore, channel: &ChannelName, data: String) {
    let event = Event { name: None, data: Bytes::from(data) };
    let request = PublishRequest { channel: channel.clone(), event, dedup: None, max_len: None, ttl: None };
    store.publish_now(&request).unwrap();
}

/// Takes slices until the stream has the text, or is over.
async fn read_until(session: &mut Session<(), Slices>, body: &mut String, text: &str) {
    let read = poll_fn(|cx| {
        loop {
            let ended = Pin::new(&mut *session).poll(cx).is_ready();
            if let Some(slice) = session.outlet.slice.take() {
                assert!(slice.len() <= SLICE);
                body.push_str(std::str::from_utf8(&slice).unwrap());
            } else if ended || body.contains(text) {
                return Poll::Ready(());
            } else {
                return Poll::Pending;
            }
        }
    });
    tokio::time::timeout(Duration::from_secs(10), read).await.expect("what was published");
    assert!(body.contains(text), "{body}");
}

// Seen to fail when a session does not go on with an entry that is half out.
#[test]
fn a_session_over_slices_gets_every_event_whole_and_in_order_and_a_farewell() {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap();
    runtime.block_on(async {
        for names in [&["a"][..], &["a", "b"]] {
            let store = MemoryStore::default();
            let core = core(&store);
            let channels: Vec<_> = names.iter().map(|name| ChannelName::parse(name).unwrap()).collect();
            let subscription = Subscription { channels: channels.clone(), resume: None, last: None, ready: false };
            let refuse = Box::new(|_| unreachable!("the channels of this test open"));
            let subscribe = Subscribe { subscription, head: Answer::stream(), refuse, permit: () };
            let mut session = Session::new(&core, Slices::default(), subscribe);
            let mut body = String::new();
            read_until(&mut session, &mut body, "\n\n").await;
            // From the tail and, behind it, from the archive; smaller and larger than a slice.
            let sizes = [3, 5_000, 999, 1, 2_500, 10];
            for (number, size) in sizes.into_iter().enumerate() {
                publish(&store, &channels[0], format!("{number}{}", "x".repeat(size)));
            }
            read_until(&mut session, &mut body, "data: 5xxxxxxxxxx\n\n").await;
            let seen: Vec<_> = body.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
            let all = sizes.into_iter().enumerate().map(|(number, size)| format!("{number}{}", "x".repeat(size)));
            assert_eq!(seen, all.collect::<Vec<_>>());
            core.drain(Duration::from_millis(1)).await;
            body.clear();
            read_until(&mut session, &mut body, "retry: ").await;
            assert!(session.outlet.finished && body.ends_with('\n'), "{body}");
        }
    });
}
