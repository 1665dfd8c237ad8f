//! Another outlet than a socket, in memory: slices of bounded size, one at a time, as the body of an HTTP/2 response will
//! hand them on. Nothing polls the session but who takes the slices.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use fanfare_log::memory::MemoryStore;
use fanfare_log::{Options, Payer};
use fanfare_protocol::{ChannelName, EntryId};

use super::super::batch::Unit;
use super::super::{Session, Subscribe};
use super::*;
use crate::scene;
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
    let ending = batch.ending(unit);
    let event = unit.frame.map_or(&b""[..], |frame| if ending.is_empty() { frame.plain() } else { frame.fields() });
    [batch.blocks(unit), event, ending].concat()
}

impl Outlet for Slices {
    fn begin(&mut self, _: &Answer, blocks: &[u8]) {
        self.beginning = blocks.to_vec();
    }

    fn is_full(&self) -> bool {
        self.slice.is_some()
    }

    fn cut(&mut self) {
        unreachable!("no grant of this test ends");
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

    fn end(&mut self, blocks: &[u8], _: Close) {
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

    fn peer(&mut self, _: &mut Context<'_>) -> Peer {
        Peer::Here
    }

    fn check_peer(&mut self, _: &Core) -> Option<End> {
        None
    }

    fn finish(&mut self) {
        self.finished = true;
    }
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
    scene::run(async {
        for names in [&["a"][..], &["a", "b"]] {
            let store = MemoryStore::default();
            let core = scene::core(&store, Options { tail_entries: 2, ..Options::default() });
            let channels: Vec<_> = names.iter().map(|name| ChannelName::parse(name).unwrap()).collect();
            let subscription = Subscription { channels: channels.clone(), ..Subscription::default() };
            let refuse = Box::new(|_| unreachable!("the channels of this test open"));
            let (payer, head) = (Payer::NODE, Answer::stream());
            let subscribe = Subscribe { subscription, payer, head, refuse, grant: None, permit: () };
            let mut session = Session::new(&core, Slices::default(), subscribe);
            let mut body = String::new();
            read_until(&mut session, &mut body, "\n\n").await;
            // From the tail and, behind it, from the archive; smaller and larger than a slice.
            let sizes = [3, 5_000, 999, 1, 2_500, 10];
            for (number, size) in sizes.into_iter().enumerate() {
                scene::publish(&store, &channels[0], format!("{number}{}", "x".repeat(size)));
            }
            read_until(&mut session, &mut body, "data: 5xxxxxxxxxx\nid: ").await;
            // Seen to fail when a vector stands before the data.
            let mut events = body.split("\n\n").filter(|block| block.contains("data: "));
            assert!(events.all(|block| block.lines().last().unwrap().starts_with("id: ")), "{body}");
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
