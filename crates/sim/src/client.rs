//! An `EventSource` made of memory: it drops at any byte, reads as slowly as it likes, stays away, and comes back to any
//! node with what it has read.

use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

use fanfare_oracle::{ByChannel, Observed, Parsed, Published, ResponseParser, Step};
use fanfare_protocol::ChannelName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Duration, Instant, sleep, timeout_at};

use crate::net::End;
use crate::payload;
use crate::rng::Rng;
use crate::world::World;

/// Where all of them come from.
const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// How a client behaves, for its whole life.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manners {
    /// Bytes on their way to it.
    pub(crate) room: usize,
    /// Chance, in thousandths, that it pauses after a read.
    pub(crate) pauses: usize,
    /// It asks for the newest so many events when it comes for the first time.
    pub(crate) last: Option<usize>,
    /// Chance, in thousandths, that it stays away for minutes after a drop.
    pub(crate) absent: usize,
    /// How long it may stay away then, in milliseconds.
    pub(crate) absent_ms: u64,
    /// How long a connection lasts, at most, in milliseconds.
    pub(crate) stays_ms: u64,
    /// Bytes of one read, at most.
    pub(crate) reads: usize,
}

/// One client.
pub(crate) struct Client {
    pub(crate) number: usize,
    pub(crate) channels: Vec<ChannelName>,
    pub(crate) manners: Manners,
    pub(crate) rng: Rng,
    /// What it saw: when, of which channel, what.
    pub(crate) steps: Vec<(u64, usize, Step)>,
    by_channel: ByChannel,
    pub(crate) last_event_id: String,
    /// Data of the events seen.
    pub(crate) data: Vec<String>,
    /// What no client must ever see.
    pub(crate) breaches: Vec<String>,
}

impl Client {
    pub(crate) fn new(number: usize, channels: Vec<ChannelName>, manners: Manners, rng: Rng) -> Self {
        let names: Vec<String> = channels.iter().map(ToString::to_string).collect();
        Self {
            number,
            channels,
            manners,
            rng,
            steps: Vec::new(),
            by_channel: ByChannel::new(&names),
            last_event_id: String::new(),
            data: Vec::new(),
            breaches: Vec::new(),
        }
    }

    /// Connects, reads and drops until the world is calm; then connects and reads until it has seen the last event of each channel.
    pub(crate) async fn live(mut self, world: Rc<World>) -> Self {
        sleep(self.rng.up_to_ms(3_000)).await;
        while !world.is_over() && !self.has_seen_the_end(&world) {
            let node = self.rng.below(world.nodes.len());
            match world.nodes[node].connect(self.manners.room, ADDRESS) {
                Some(end) => self.visit(&world, node, end).await,
                None => world.trace.note(|| format!("client {} finds node {node} down", self.number)),
            }
            self.stay_away(&world).await;
        }
        self
    }

    fn has_seen_the_end(&self, world: &World) -> bool {
        let seen = |name: &ChannelName| self.data.iter().any(|data| *data == World::last_event_of(name));
        world.is_calm() && self.channels.iter().all(seen)
    }

    async fn stay_away(&mut self, world: &World) {
        let pause = match self.rng.chance(self.manners.absent) {
            true => self.rng.up_to_ms(self.manners.absent_ms),
            false => self.rng.up_to_ms(1_000),
        };
        tokio::select! {
            biased;
            () = sleep(pause) => {}
            () = world.calm() => sleep(Duration::from_millis(50)).await,
        }
    }

    /// One connection.
    async fn visit(&mut self, world: &Rc<World>, node: usize, mut end: End) {
        world.trace.note(|| format!("client {} connects to node {node} with {:?}", self.number, self.last_event_id));
        let connected = Observed::Connected(self.last_event_id.clone());
        self.observe(world, &connected);
        let mut response = ResponseParser::default();
        if end.write_all(self.request().as_bytes()).await.is_err() {
            return;
        }
        let mut patience = if self.rng.chance(700) { self.rng.below(4_000) } else { usize::MAX };
        let leaves_at = Instant::now() + self.rng.up_to_ms(self.manners.stays_ms);
        let mut buffer = vec![0; self.manners.reads];
        while patience > 0 && !self.has_seen_the_end(world) {
            let calm = world.is_calm();
            let most = if calm { buffer.len() } else { (1 + self.rng.below(buffer.len())).min(patience) };
            let until = if calm { world.ends_at() } else { leaves_at };
            let read = tokio::select! {
                biased;
                read = timeout_at(until, end.read(&mut buffer[..most])) => read,
                () = world.calm(), if !calm => continue,
            };
            let Ok(Ok(count @ 1..)) = read else { return };
            if !calm {
                patience -= count;
            }
            world.trace.bytes(&format!("client {} of node {node}", self.number), &buffer[..count]);
            if !self.take(world, &mut response, &buffer[..count]) {
                return;
            }
            if !calm && self.rng.chance(self.manners.pauses) {
                sleep(self.rng.up_to_ms(800)).await;
            }
        }
    }

    fn request(&self) -> String {
        let channels = self.channels.iter().map(|name| format!("channel={name}")).collect::<Vec<_>>().join("&");
        let last = self.manners.last.map(|count| format!("&last={count}")).unwrap_or_default();
        let resume = match self.last_event_id.as_str() {
            "" => String::new(),
            id => format!("Last-Event-ID: {id}\r\n"),
        };
        format!("GET /events?{channels}{last} HTTP/1.1\r\nHost: sim\r\nAccept: text/event-stream\r\n{resume}\r\n")
    }

    /// Takes bytes as they come. `false`: this connection is of no more use.
    fn take(&mut self, world: &World, response: &mut ResponseParser, bytes: &[u8]) -> bool {
        let mut parsed = Vec::new();
        let fed = response.feed(bytes, &mut parsed);
        let Some(head) = response.head() else { return true };
        if head.status != 200 {
            world.trace.note(|| format!("client {} is told {}", self.number, head.status));
            return false;
        }
        if let Err(error) = fed {
            self.breaches.push(format!("the response breaks its protocol: {error}"));
            return false;
        }
        parsed.into_iter().for_each(|item| self.see(world, item));
        // A body of known length ends with its connection.
        !response.has_last_chunk()
    }

    fn see(&mut self, world: &World, item: Parsed) {
        let (observed, id) = match item {
            Parsed::Place(id) => (Ok(Observed::Place(id.clone())), id),
            Parsed::Event(event) => {
                let id = event.last_event_id.clone();
                (Observed::try_from(event), id)
            }
            Parsed::Retry(_) | Parsed::Comment(_) => return,
        };
        match observed {
            Ok(observed) => self.observe(world, &observed),
            Err(what) => self.breaches.push(what),
        }
        if !id.is_empty() {
            self.last_event_id = id;
        }
    }

    fn observe(&mut self, world: &World, observed: &Observed) {
        let data = &mut self.data;
        let (steps, breaches) = self.by_channel.sort(observed, |event| {
            let name = payload::name_of(&event.data)?;
            // Ephemeral events are one word.
            let Some((channel, _)) = name.split_once(' ') else { return Ok(Published::Ephemeral) };
            data.push(name.to_owned());
            Ok(Published::Entry { channel, data: name })
        });
        let now = world.record.now_ms();
        self.steps.extend(steps.into_iter().map(|(index, step)| (now, index, step)));
        self.breaches.extend(breaches);
    }
}
