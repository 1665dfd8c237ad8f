//! When all clients have left and nothing else happens: what a node promises with Redis at its `maxmemory` and when rights
//! come back, and how it ends.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use fanfare_e2e::{Client, Node, Signal, Subscribe, key, pace, request_over};
use fanfare_oracle::Observed;
use fanfare_oracle::resp::{Connection, Reply};

use crate::access::{self, Access};
use crate::action::channel;
use crate::bounds::{COUNTED_WITHIN, DRAIN_WITHIN, FULL_MEMORY_WITHIN, RIGHTS_WITHIN};
use crate::payload;
use crate::published_record::now_ms;
use crate::run::Run;
use crate::world::World;

/// How long one look for something new takes.
const LOOK: Duration = Duration::from_millis(200);
/// Streams that are open on each node when it is told to end.
const STREAMS: usize = 8;

/// Redis refuses writes: publishers hear so, whoever follows a channel goes on, and whoever comes is served.
pub(crate) fn full_memory(run: &Run) {
    run.log(&format!("{} Redis is at maxmemory, and nothing else is wrong", now_ms()));
    let mut followers: Vec<Client> = run.nodes.iter().map(|_| client(run, &channel(0))).collect();
    for (index, follower) in followers.iter_mut().enumerate() {
        if !comes(follower, run.nodes[index].address, has_place) {
            run.counters.breach(|| format!("node {index} served nobody with everything healed"));
        }
    }
    match refuse_writes(run, &mut followers) {
        Ok(()) => {}
        Err(error) => run.counters.breach(|| format!("the harness lost Redis with everything healed: {error}")),
    }
}

fn refuse_writes(run: &Run, followers: &mut [Client]) -> io::Result<()> {
    let mut redis = Connection::open(run.redis)?;
    redis.try_words(&["CONFIG", "SET", "maxmemory", "1"])?;
    let refused = redis.try_words(&["FCALL", "sse_publish", "1", &key(&channel(0)), "DATA", "nobody sees this"])?;
    if refused.error().is_none_or(|error| !error.starts_with("OOM")) {
        run.counters.breach(|| format!("Redis at maxmemory answers a publisher {refused:?}"));
    }
    for (index, follower) in followers.iter_mut().enumerate() {
        let node = run.nodes[index].address;
        if !hears(follower, node, &mut redis)? {
            run.counters.breach(|| format!("with Redis at maxmemory the feed of node {index} brings nothing"));
        }
        // Once what a node remembers, once what it has to read, and once what it has to find absent.
        let newest = Client::new(subscribe(run, &channel(1)).query("last", "5"));
        let behind = Client::remembering(subscribe(run, &channel(2)), "1-0");
        let absent = client(run, &format!("free:calm{index}"));
        for (what, mut client) in [("last=5", newest), ("an old place", behind), ("an absent channel", absent)] {
            let enough = |client: &Client| has_place(client) && client.last_event_id() != "1-0";
            if !comes(&mut client, node, enough) {
                let seen = client.recent();
                run.counters.breach(|| format!("with Redis at maxmemory node {index} did not serve {what}: {seen}"));
            }
        }
    }
    redis.try_words(&["CONFIG", "SET", "maxmemory", "0"])?;
    Ok(())
}

fn subscribe(run: &Run, channel: &str) -> Subscribe {
    Subscribe::to(channel).over(run.transport(0))
}

fn client(run: &Run, channel: &str) -> Client {
    Client::new(subscribe(run, channel))
}

fn has_place(client: &Client) -> bool {
    !client.last_event_id().is_empty()
}

/// Connects as often as need be until the client has seen enough.
fn comes(client: &mut Client, node: SocketAddr, enough: impl Fn(&Client) -> bool) -> bool {
    let deadline = Instant::now() + FULL_MEMORY_WITHIN;
    while !enough(client) && Instant::now() < deadline {
        if client.connected() || client.connect(node).is_ok() {
            client.next(LOOK);
        }
        if !client.connected() {
            pace(LOOK);
        }
    }
    enough(client)
}

/// Says something to whoever is connected, again and again, until the client has heard it.
fn hears(client: &mut Client, node: SocketAddr, redis: &mut Connection) -> io::Result<bool> {
    let text = format!("{}is anybody there", payload::EPHEMERAL);
    let deadline = Instant::now() + RIGHTS_WITHIN;
    while Instant::now() < deadline {
        let reply = redis.try_words(&["PUBLISH", &key(&channel(0)), &text])?;
        if !matches!(reply, Reply::Integer(_)) {
            return Err(io::Error::other(format!("{reply:?}")));
        }
        let until = Instant::now() + LOOK * 5;
        while Instant::now() < until {
            if !client.connected() && client.connect(node).is_err() {
                pace(LOOK);
                continue;
            }
            if matches!(client.next(LOOK), Some(Observed::Event(event)) if event.data == text) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Every node says how many read a channel, whatever happened before.
pub(crate) fn readers_are_counted(run: &Run) {
    run.log(&format!("{} all nodes are asked how many read a channel", now_ms()));
    let name = "free:counted";
    let mut readers: Vec<Client> = run.nodes.iter().flat_map(|_| [client(run, name), client(run, name)]).collect();
    for (index, reader) in readers.iter_mut().enumerate() {
        comes(reader, run.nodes[index / 2].address, has_place);
    }
    all_say(run, name, readers.len() as u64);
    drop(readers);
    all_say(run, name, 0);
}

fn all_say(run: &Run, channel: &str, readers: u64) {
    let deadline = Instant::now() + COUNTED_WITHIN;
    for (index, node) in run.nodes.iter().enumerate() {
        let mut said = None;
        while said != Some(readers) {
            let path = format!("/channels/{channel}");
            let answer = request_over(run.transport(0), LOOK * 10, node.address, "GET", &path, &[], b"").ok();
            said = answer
                .and_then(|answer| serde_json::from_slice::<serde_json::Value>(&answer.body).ok()?["readers"].as_u64());
            if Instant::now() > deadline {
                break;
            }
            pace(LOOK / 10);
        }
        if said != Some(readers) {
            run.counters
                .breach(|| format!("node {index} counts {said:?} readers of {channel}, and there are {readers}"));
        }
    }
}

/// A channel that somebody follows is taken away from the nodes' user and given back, and nobody connects anew: the nodes
/// follow it again by themselves.
pub(crate) fn rights_that_come_back(run: &Run, world: &World) {
    run.log(&format!("{} the nodes may not follow a channel for a while, and nothing else is wrong", now_ms()));
    let mut followers: Vec<Client> = run.nodes.iter().map(|_| client(run, &channel(0))).collect();
    for (follower, node) in followers.iter_mut().zip(&run.nodes) {
        comes(follower, node.address, has_place);
    }
    let mut given_back = || -> io::Result<()> {
        let mut redis = Connection::open(run.redis)?;
        redis.try_words(&access::set_user(Access::FirstChannels.taken()))?;
        let refused = |node: &Node| node.metric("fanfare_feed_refused_channels", "").is_some_and(|count| count > 0.0);
        let deadline = Instant::now() + RIGHTS_WITHIN;
        while !world.nodes.iter().all(refused) && Instant::now() < deadline {
            pace(LOOK);
        }
        if !world.nodes.iter().all(refused) {
            run.counters.breach(|| "a channel was taken from the nodes, and not all of them say so".to_owned());
        }
        redis.try_words(&access::set_user(Access::FirstChannels.given()))?;
        for (index, follower) in followers.iter_mut().enumerate() {
            if !hears(follower, run.nodes[index].address, &mut redis)? {
                run.counters
                    .breach(|| format!("node {index} may follow a channel again, and its client hears nothing"));
            }
        }
        Ok(())
    };
    if let Err(error) = given_back() {
        run.counters.breach(|| format!("the harness lost Redis with everything healed: {error}"));
    }
}

/// Every node is told to end while clients are there, one of them with a log that nobody reads.
pub(crate) fn farewell(run: &Run, world: &mut World) {
    run.log(&format!("{} all nodes are told to end", now_ms()));
    let mut clients = Vec::new();
    for (node, under_test) in world.nodes.iter().zip(&run.nodes) {
        for _ in 0..STREAMS {
            let mut client = client(run, &channel(0));
            comes(&mut client, node.address(), has_place);
            clients.push(client);
        }
        under_test.ends();
    }
    let begun = Instant::now();
    world.nodes.iter().for_each(|node| node.signal(Signal::Term));
    let mut left: Vec<usize> = (0..world.nodes.len()).collect();
    while !left.is_empty() && begun.elapsed() < DRAIN_WITHIN {
        left.retain(|&index| match world.nodes[index].ended() {
            Some(status) => {
                run.counters.drain_ms.most(begun.elapsed().as_millis() as u64);
                if !status.success() {
                    run.counters.breach(|| format!("node {index} was told to end in peace, and ended with {status}"));
                }
                false
            }
            None => true,
        });
        pace(LOOK / 10);
    }
    for index in left {
        run.counters.breach(|| format!("node {index} has not ended {DRAIN_WITHIN:?} after SIGTERM"));
    }
    // For the directory of a failing run.
    world.nodes.iter().for_each(|node| node.read_log());
}
