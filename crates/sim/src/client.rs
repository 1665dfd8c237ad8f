//! An `EventSource` made of memory: it drops at any byte, reads as slowly as it likes, stays away, and comes back to any
//! node with what it has read.

use std::rc::Rc;

use fanfare_oracle::{ChunkDecoder, Dispatch, Head, Parsed, Parser};
use fanfare_protocol::{ChannelName, LastEventId, Position};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Duration, Instant, sleep, timeout_at};

use crate::judge::Sight;
use crate::net::End;
use crate::rng::Rng;
use crate::world::World;

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
}

/// One client.
pub(crate) struct Client {
    pub(crate) number: usize,
    pub(crate) channels: Vec<ChannelName>,
    pub(crate) manners: Manners,
    pub(crate) rng: Rng,
    pub(crate) sights: Vec<(Option<usize>, Sight)>,
    pub(crate) last_event_id: String,
    /// For which channels it has a position.
    pub(crate) primed: Vec<bool>,
    /// Data of the events seen.
    pub(crate) data: Vec<String>,
    /// What no client must ever see.
    pub(crate) breaches: Vec<String>,
}

/// What has been read on one connection.
#[derive(Default)]
struct Reading {
    raw: Vec<u8>,
    in_body: bool,
    is_chunked: bool,
    chunks: ChunkDecoder,
    parser: Parser,
}

impl Client {
    pub(crate) fn new(number: usize, channels: Vec<ChannelName>, manners: Manners, rng: Rng) -> Self {
        Self {
            number,
            primed: vec![false; channels.len()],
            channels,
            manners,
            rng,
            sights: Vec::new(),
            last_event_id: String::new(),
            data: Vec::new(),
            breaches: Vec::new(),
        }
    }

    /// Connects, reads and drops until the world is calm; then connects and reads until it has seen each of `ends`.
    pub(crate) async fn live(mut self, world: Rc<World>) -> Self {
        sleep(self.rng.up_to_ms(3_000)).await;
        while !world.is_over() && !self.has_seen_the_end(&world) {
            let node = self.rng.below(world.nodes.len());
            match world.nodes[node].connect(self.manners.room) {
                Some(end) => self.visit(&world, node, end).await,
                None => world.trace.note(|| format!("client {} finds node {node} down", self.number)),
            }
            self.stay_away(&world).await;
        }
        self
    }

    fn has_seen_the_end(&self, world: &World) -> bool {
        let seen = |name: &ChannelName| self.data.iter().any(|data| *data == World::end_of(name));
        world.is_calm() && self.channels.iter().all(seen)
    }

    async fn stay_away(&mut self, world: &World) {
        let pause = match self.rng.chance(self.manners.absent) {
            true => self.rng.up_to_ms(90_000),
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
        self.sights.push((None, Sight::Connected));
        let mut reading = Reading::default();
        if end.write_all(self.request().as_bytes()).await.is_err() {
            return;
        }
        let mut patience = if self.rng.chance(700) { self.rng.below(4_000) } else { usize::MAX };
        let leaves_at = Instant::now() + self.rng.up_to_ms(20_000);
        let mut buffer = [0; 512];
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
            if !self.take(world, &mut reading, &buffer[..count]) {
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
    fn take(&mut self, world: &World, reading: &mut Reading, bytes: &[u8]) -> bool {
        reading.raw.extend_from_slice(bytes);
        if !reading.in_body {
            let Some((head, length)) = Head::parse(&reading.raw) else { return true };
            if head.status != 200 {
                world.trace.note(|| format!("client {} is told {}", self.number, head.status));
                return false;
            }
            reading.raw.drain(..length);
            reading.in_body = true;
            reading.is_chunked = head.header("transfer-encoding") == Some("chunked");
        }
        let (mut body, mut parsed) = (Vec::new(), Vec::new());
        if !reading.is_chunked {
            body.append(&mut reading.raw);
        } else if let Err(error) = reading.chunks.feed(&reading.raw, &mut body) {
            self.breaches.push(format!("not chunked: {error}"));
            return false;
        }
        reading.raw.clear();
        reading.parser.feed(&body, &mut parsed);
        parsed.into_iter().for_each(|item| self.see(world, item));
        !reading.chunks.finished()
    }

    fn see(&mut self, world: &World, item: Parsed) {
        match item {
            Parsed::Place(id) => self.move_to(world, id),
            Parsed::Event(event) => {
                self.event(world, &event);
                self.move_to(world, event.last_event_id);
            }
            Parsed::Retry(_) | Parsed::Comment(_) => {}
        }
    }

    fn move_to(&mut self, world: &World, id: String) {
        if id.is_empty() {
            // A stream that gives a client no position has told it nothing yet; one that takes it away has lost it.
            if !self.last_event_id.is_empty() {
                self.breaches.push("the client's position was erased".into());
            }
            return;
        }
        // Who asks for the newest events may get the first position of one of several channels later than those of others.
        for index in 0..self.channels.len() {
            if !self.primed[index]
                && let Some(place) = self.places(world, &id, index)
            {
                let name = &self.channels[index];
                world.trace.note(|| format!("client {} begins on {name} at {place:?}", self.number));
                self.sights.push((Some(index), Sight::Primed(place)));
                self.primed[index] = true;
            }
        }
        self.last_event_id = id;
    }

    /// What a position means for one of the channels, right now.
    fn places(&self, world: &World, id: &str, index: usize) -> Option<Vec<crate::truth::Place>> {
        let position = LastEventId::parse(id).ok()?.resolve(&self.channels).get(index).copied().flatten()?;
        Some(world.places(self.channels[index].as_str(), position))
    }

    fn event(&mut self, world: &World, event: &Dispatch) {
        if event.event == "$gap" {
            return self.gap(world, event);
        }
        let (name, _) = event.data.split_once(' ').unwrap_or_default();
        // Ephemeral events promise nothing.
        let Some(index) = self.channels.iter().position(|channel| channel.as_str() == name) else { return };
        let id = event.own_id.clone().filter(|_| self.channels.len() == 1);
        self.sights.push((Some(index), Sight::Event { data: event.data.clone(), id }));
        self.data.push(event.data.clone());
    }

    fn gap(&mut self, world: &World, event: &Dispatch) {
        let json: serde_json::Value = serde_json::from_str(&event.data).unwrap_or_default();
        let text = |field: &str| json[field].as_str().map(str::to_owned);
        let (Some(channel), Some(reason)) = (text("channel"), text("reason")) else {
            return self.breaches.push(format!("not a gap: {event:?}"));
        };
        let Some(index) = self.channels.iter().position(|name| name.as_str() == channel) else {
            return self.breaches.push(format!("a gap of a foreign channel: {event:?}"));
        };
        let after = match text("after").map(|after| after.parse::<Position>()) {
            None => None,
            Some(Ok(position)) => Some(world.places(&channel, position)),
            Some(Err(_)) => return self.breaches.push(format!("a gap after no position: {event:?}")),
        };
        let resume = event.own_id.as_ref().and_then(|id| self.places(world, id, index));
        self.sights.push((Some(index), Sight::Gap { reason, after, next: text("next"), resume }));
    }
}
