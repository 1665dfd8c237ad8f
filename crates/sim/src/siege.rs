//! While strangers act and everything else works, the reader of a channel with which they have nothing to do waits for nothing.

use std::net::{IpAddr, Ipv4Addr};

use fanfare_oracle::{Parsed, ResponseParser};
use fanfare_protocol::limits::{TIP_REQUESTS_MAX, TIPS_OF_NODE, TIPS_PER_REQUEST_MAX};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Duration, Instant, sleep, timeout_at};

use crate::hostile;
use crate::names::QUIET;
use crate::net::End;
use crate::payload;
use crate::publisher::{self, PublishMethod};
use crate::rng::Rng;
use crate::world::{STOCK, World};

const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7));

/// How long it may take from the request until the reader has its place, and an event to the reader, beside what the feed lags: twelve
/// round trips. A node may have a single connection. On that one read of the strangers comes first, which may be tried in four forms
/// (function, script for reading, script, transaction), then comparisons, then the read for this reader, in as many forms.
const WITHIN: Duration = Duration::from_millis(12 * FAR_MS);

/// How many channels of strangers may have their tips asked for before the one of the quiet channel, from when its subscription is
/// acknowledged: what is left of the requests that are under way then, the node's part of its own request, and in that one the turns
/// of the node and of the strangers, who are one payer.
const TIPS_BEFORE: usize = TIP_REQUESTS_MAX * TIPS_PER_REQUEST_MAX + TIPS_OF_NODE + 2;

/// The round in which a crowd comes right before the reader: the first, since the log of the quiet channel is not open yet.
const CROWDED_ROUND: usize = 0;

/// How far away Redis is for everything but messages: what waits for turns of reads waits for a while.
const FAR: Duration = Duration::from_millis(FAR_MS);
const FAR_MS: u64 = 250;

/// Events of a flood, and their bytes.
pub(crate) const FLOOD: usize = 40;
const FLOOD_BYTES: usize = 1_800;

const ROUNDS: usize = 5;
const EVENTS: usize = 3;

/// Comes, reads some events and goes, again and again. Returns what took too long.
pub(crate) async fn endure(world: &World, rng: &mut Rng) -> Vec<String> {
    let mut breaches = Vec::new();
    // The nodes have their connections by then.
    sleep(Duration::from_secs(6)).await;
    world.redis.lock().go_far(Some(FAR));
    for round in 0..ROUNDS {
        sleep(rng.up_to_ms(1_500)).await;
        let node = rng.below(world.nodes.len());
        let crowd = if round == CROWDED_ROUND { hostile::crowd(world, node, round).await } else { Vec::new() };
        sleep(rng.up_to_ms(60)).await;
        let Some(end) = world.nodes[node].connect(65_536, ADDRESS) else { continue };
        let mut reader = QuietReader { end, response: ResponseParser::default(), seen: Vec::new() };
        if let Err(what) = reader.read_events(world, round, rng).await {
            world.trace.note(|| format!("the reader of {QUIET} on node {node}: {what}"));
            breaches.push(format!("the reader of a quiet channel on node {node}, round {round}: {what}"));
        }
        let before = world.redis.lock().take_tips_before();
        if before > TIPS_BEFORE {
            breaches.push(format!("{before} channels of strangers had their turn before a quiet one on node {node}"));
        }
        flood(world, round, rng);
        drop(crowd);
    }
    world.redis.lock().go_far(None);
    breaches
}

/// Publishes to the channel of the stock, of which somebody reads what comes.
fn flood(world: &World, round: usize, rng: &mut Rng) {
    let channel = fanfare_protocol::ChannelName::parse(STOCK).expect("a valid name");
    for count in 0..FLOOD {
        let data = payload::sized(&format!("{STOCK} flood.{round}.{count}"), FLOOD_BYTES);
        publisher::add(world, &channel, &data, Some(PublishMethod::Function), rng);
    }
}

/// One connection of the reader.
struct QuietReader {
    end: End,
    response: ResponseParser,
    seen: Vec<Parsed>,
}

impl QuietReader {
    async fn read_events(&mut self, world: &World, round: usize, rng: &mut Rng) -> Result<(), String> {
        let lag = Duration::from_millis(world.scenario.hardships.feed_lag_ms);
        let request = format!("GET /events?channel={QUIET} HTTP/1.1\r\nHost: sim\r\nAccept: text/event-stream\r\n\r\n");
        self.end.write_all(request.as_bytes()).await.map_err(|error| format!("the node hangs up: {error}"))?;
        let is_place = |item: &Parsed| match item {
            Parsed::Place(_) => true,
            Parsed::Event(event) => event.own_id.is_some(),
            _ => false,
        };
        self.wait_for(world, WITHIN + lag, is_place).await.map_err(|what| format!("no place: {what}"))?;
        let channel = fanfare_protocol::ChannelName::parse(QUIET).expect("a valid name");
        for count in 0..EVENTS {
            sleep(rng.up_to_ms(300)).await;
            let data = format!("{QUIET} {round}.{count}");
            publisher::add(world, &channel, &data, Some(PublishMethod::Function), rng);
            let is_it = |item: &Parsed| matches!(item, Parsed::Event(event) if event.data == data);
            self.wait_for(world, WITHIN + lag, is_it).await.map_err(|what| format!("{data}: {what}"))?;
        }
        Ok(())
    }

    /// Reads until something of that kind has come.
    async fn wait_for(
        &mut self,
        world: &World,
        patience: Duration,
        is_wanted: impl Fn(&Parsed) -> bool,
    ) -> Result<(), String> {
        let until = Instant::now() + patience;
        let mut buffer = vec![0; 8_192];
        while !self.seen.iter().any(&is_wanted) {
            let count = match timeout_at(until, self.end.read(&mut buffer)).await {
                Ok(Ok(count @ 1..)) => count,
                Ok(_) => return Err("the node ended the stream".into()),
                Err(_) => return Err(format!("nothing came within {patience:?}")),
            };
            world.trace.bytes("the reader of the quiet channel", &buffer[..count]);
            self.response.feed(&buffer[..count], &mut self.seen)?;
        }
        Ok(())
    }
}
