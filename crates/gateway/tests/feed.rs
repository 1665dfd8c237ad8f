//! What the feed's thread promises: nothing else of the node holds it up, and a flood on one channel does not hold up the others.
#![allow(clippy::unwrap_used)]
#![allow(clippy::disallowed_methods, reason = "what is outside this process can only be polled, against the clock")]

mod support;

use std::io::BufRead;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use fanfare_gateway::config::{self, Config, Sources};
use fanfare_gateway::metrics::{Samples, Source};
use fanfare_gateway::node::{Node, Store, memory, redis as redis_store};
use fanfare_gateway::process::Process;
use fanfare_log::memory::MemoryStore;
use fanfare_log::{
    Archive, ArchiveError, Desired, FeedEvent, FeedSink, MinLives, NewestRead, PublishRequest, Publisher, ReadRequest,
    Snapshot, Tip,
};
use fanfare_protocol::{ChannelName, Event, LogName, Push};
use support::{eventually, read_past, subscribe};

fn name(name: &str) -> ChannelName {
    ChannelName::parse(name).unwrap()
}

/// A node that is shut down when the test ends.
struct Running(Option<Node>);

impl Running {
    fn start<A: Archive, P: Publisher>(
        mut config: Config,
        store: impl FnOnce(&Config, Desired, FeedSink) -> anyhow::Result<Store<A, P>>,
    ) -> Self {
        config.server.listen = "127.0.0.1:0".parse().unwrap();
        config.server.cores = 2;
        config.history.enabled = true;
        Self(Some(Node::start(&config, &Process::default(), |desired, sink, _| store(&config, desired, sink)).unwrap()))
    }

    fn node(&self) -> &Node {
        self.0.as_ref().unwrap()
    }

    fn metric(&self, name: &str, label: Option<&str>) -> u64 {
        let mut samples = Samples::default();
        self.node().view().collect(&mut samples);
        let all = samples.to_json();
        let value = label.map_or(&all[name], |label| &all[name][label]);
        value.as_f64().unwrap_or_else(|| panic!("no {name}")) as u64
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.take().unwrap().shut_down();
    }
}

fn publish(store: &MemoryStore, channel: &str, data: &str) {
    let event = Event { name: None, data: Bytes::from(data.to_owned()) };
    store
        .publish_now(&PublishRequest { channel: name(channel), event, dedup: None, max_len: None, ttl: None })
        .unwrap();
}

/// How long the thread works that parses a page.
const LARGE: Duration = Duration::from_secs(3);

/// An archive whose pages take long to parse.
#[derive(Clone)]
struct Large {
    store: MemoryStore,
    at_work: Arc<AtomicBool>,
}

impl Archive for Large {
    async fn tips(&self, logs: Vec<LogName>) -> Result<Vec<Result<Tip, ArchiveError>>, ArchiveError> {
        self.store.tips(logs).await
    }

    async fn read(&self, request: ReadRequest) -> Result<Snapshot, ArchiveError> {
        if request.log == name("large").into() {
            self.at_work.store(true, Ordering::Release);
            std::thread::sleep(LARGE);
        }
        self.store.read(request).await
    }

    async fn newest(&self, log: LogName, count: usize) -> Result<NewestRead, ArchiveError> {
        self.store.newest(log, count).await
    }
}

// Seen to fail when replies are parsed on the thread that asked: 3 s.
#[test]
fn a_reply_that_takes_long_to_parse_holds_up_no_event() {
    let (store, at_work) = (MemoryStore::default(), Arc::new(AtomicBool::new(false)));
    let archive = Large { store: store.clone(), at_work: Arc::clone(&at_work) };
    let followed = store.clone();
    let node = Running::start(Config::default(), |_, desired, sink| {
        let Store { publisher, name, report, feed, upkeep, tickets, occupancy, .. } = memory(&followed, desired, sink);
        Ok(Store { history: archive.clone(), archive, publisher, name, report, feed, upkeep, tickets, occupancy })
    });
    publish(&store, "large", "x");
    // The first event of a stream is read from the archive, the second is taken from its push.
    publish(&store, "news", "first");
    let mut reader = subscribe(node.node().server().tcp_address().unwrap(), "news");
    let address = node.node().server().tcp_address().unwrap();
    let history = std::thread::spawn(move || support::get(address, "/channels/large/history"));
    eventually("the page is being parsed", || at_work.load(Ordering::Acquire).then_some(()));
    let began = Instant::now();
    publish(&store, "news", "hello");
    read_past(&mut reader, "data: hello");
    let took = began.elapsed();
    assert!(took < LARGE / 3, "{took:?}");
    assert_eq!(history.join().unwrap().0, 200);
}

/// Publishes durable events and waits for each. How long that takes is for benchmarks to say: here many things run at a time.
fn arrive_one_by_one(reader: &mut impl BufRead, publish: &mut dyn FnMut(&str)) {
    for number in 0..20 {
        std::thread::sleep(Duration::from_millis(20));
        publish(&number.to_string());
        read_past(reader, &format!("data: {number}\n"));
    }
}

#[test]
fn a_flood_of_ephemeral_events_on_one_channel_sheds_those_and_no_others() {
    let store = MemoryStore::default();
    let followed = store.clone();
    let node = Running::start(Config::default(), |_, desired, sink| {
        let mut parts = memory(&followed, desired, sink.clone());
        let feed = parts.feed;
        let event = Event { name: None, data: Bytes::from_static(b"flood") };
        let flood = FeedEvent::Push { channel: name("loud").into(), push: Push::Ephemeral(event) };
        parts.feed = Box::pin(async move {
            let flood = async {
                loop {
                    (0..20_000).for_each(|_| sink.send(flood.clone()));
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            tokio::select! {
                () = feed => {}
                () = flood => {}
            }
        });
        Ok(parts)
    });
    let _loud = subscribe(node.node().server().tcp_address().unwrap(), "loud");
    let mut reader = subscribe(node.node().server().tcp_address().unwrap(), "news");
    arrive_one_by_one(&mut reader, &mut |data| publish(&store, "news", data));
    assert!(node.metric("fanfare_feed_events_total", Some("shed")) > 0);
    assert_eq!(node.metric("fanfare_feed_events_total", Some("overflow")), 0);
}

/// A redis-server on a socket. Ends when it is dropped.
struct RedisServer(Child);

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_flood_of_publishes_on_one_channel_of_a_real_redis_holds_up_no_durable_event_on_another() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("redis.sock");
    let mut command = Command::new("redis-server");
    // What docs/redis.md advises.
    command.args(["--port", "0", "--save", "", "--client-output-buffer-limit", "pubsub 256mb 64mb 60", "--unixsocket"]);
    command.arg(&socket).current_dir(directory.path()).stdin(Stdio::null()).stdout(Stdio::null());
    let _server = RedisServer(command.spawn().unwrap());
    let url = format!("unix://{}", socket.display());
    let env = vec![("FANFARE__REDIS__URL".to_owned(), url.clone())];
    let config = config::load(&Sources { env, ..Sources::default() }).unwrap().config;
    let client = redis::Client::open(url).unwrap();
    let mut connection = eventually("redis-server", || client.get_connection().ok());
    let node = Running::start(config, |config, desired, sink| redis_store(config, desired, sink, MinLives::default()));
    let mut fcall = |data: &str| {
        redis::cmd("FCALL").arg(&["sse_publish", "1", "sse:news", "DATA", data]).query::<String>(&mut connection).ok()
    };
    eventually("the library", || fcall("first"));
    let _loud = subscribe(node.node().server().tcp_address().unwrap(), "loud");
    let mut reader = subscribe(node.node().server().tcp_address().unwrap(), "news");

    let stop = Arc::new(AtomicBool::new(false));
    let flood = std::thread::spawn({
        let (stop, mut connection) = (Arc::clone(&stop), client.get_connection().unwrap());
        move || {
            let mut batch = redis::pipe();
            for _ in 0..500 {
                batch.cmd("PUBLISH").arg("sse:loud").arg("x".repeat(100)).ignore();
            }
            let mut sent = 0;
            while !stop.load(Ordering::Acquire) {
                batch.query::<()>(&mut connection).unwrap();
                sent += 500;
                // An unoptimised node on a busy machine reads this much.
                std::thread::sleep(Duration::from_millis(20));
            }
            sent
        }
    });
    arrive_one_by_one(&mut reader, &mut |data| drop(fcall(data).unwrap()));
    stop.store(true, Ordering::Release);
    let sent: u64 = flood.join().unwrap();
    assert_eq!(node.metric("fanfare_feed_connects_total", None), 1, "Redis has not cut the feed");
    eventually("each message is handed on or counted", || {
        let of = |kind| node.metric("fanfare_feed_events_total", Some(kind));
        (of("ephemeral") + of("shed") == sent).then_some(())
    });
}
