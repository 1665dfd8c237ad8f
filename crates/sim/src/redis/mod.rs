//! A Redis made of memory, which speaks RESP3 to the nodes' own client library and can do everything to them that a real
//! one, its network and its administrators can.
//!
//! Every connection has an inbox of commands and an outbox of answers and pushes, each with the time at which it is due:
//! what is late, frozen or lost is decided there. Commands themselves run in no time, one after the other, as in Redis.

mod commands;
mod connection;
mod faults;
mod reads;
mod resp;
mod store;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use fanfare_oracle::Place;
use fanfare_redis::{Dial, Dialling};
use tokio::sync::Notify;
use tokio::time::{Duration, Instant};

use crate::WALL_MS;
use crate::net::{self, End};
use crate::rng::Rng;
use crate::trace::Trace;
use crate::truth::Truth;
use connection::Connection;
pub(crate) use faults::{Destruction, Weather};
use reads::Reads;
pub(crate) use resp::Reply;
use store::Data;

/// What this Redis is like for a whole run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Nature {
    /// It sends keyspace notifications of streams.
    pub(crate) keyspace: bool,
    /// It may evict keys.
    pub(crate) evicts: bool,
    /// It is older than 7.0: no functions, no `entries-added`.
    pub(crate) old: bool,
    /// Its ACL forbids the nodes' probe channels.
    pub(crate) no_probes: bool,
    /// Its clock goes back when a replica takes over, and when everything is flushed.
    pub(crate) turns_back: bool,
    /// The nodes' limit on the data of an event, for the record.
    pub(crate) event_bytes: usize,
}

/// A server, its connections and its network.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) nature: Nature,
    pub(crate) weather: Weather,
    began: Instant,
    /// How far its clock is ahead of the machine's, in milliseconds.
    skew: i64,
    data: Data,
    /// What a replica has, and up to where in each channel's record that is.
    replica: (Data, BTreeMap<String, Place>),
    script: bool,
    reads: Reads,
    connections: BTreeMap<u64, Connection>,
    next_connection: u64,
    /// Streams that were dialled and that nobody serves yet.
    dialled: Vec<(u64, End)>,
    /// Nobody can connect until then.
    down_until: Instant,
    /// Nothing moves until then.
    frozen_until: Instant,
    truth: Truth,
    rng: Rng,
    trace: Trace,
}

/// Handle to a server. Cloning shares it.
#[derive(Debug, Clone)]
pub(crate) struct FakeRedis {
    server: Arc<Mutex<Server>>,
    dialled: Arc<Notify>,
}

impl FakeRedis {
    pub(crate) fn new(nature: Nature, weather: Weather, truth: Truth, rng: Rng, trace: Trace) -> Self {
        let now = Instant::now();
        let server = Server {
            nature,
            weather,
            began: now,
            skew: 0,
            data: Data::default(),
            replica: Default::default(),
            script: false,
            reads: Reads::default(),
            connections: BTreeMap::new(),
            next_connection: 0,
            dialled: Vec::new(),
            down_until: now,
            frozen_until: now,
            truth,
            rng,
            trace,
        };
        Self { server: Arc::new(Mutex::new(server)), dialled: Arc::default() }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Server> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves connections for ever. To be run within a `LocalSet`.
    #[expect(clippy::disallowed_methods, reason = "connections end with the world's `LocalSet` at the latest")]
    pub(crate) async fn run(self) {
        loop {
            self.dialled.notified().await;
            let dialled = std::mem::take(&mut self.lock().dialled);
            for (number, end) in dialled {
                drop(tokio::task::spawn_local(connection::serve(self.clone(), number, end)));
            }
        }
    }

    /// One command of somebody whose connection never fails: a publisher or an administrator.
    pub(crate) fn command(&self, parts: &[&str]) -> Reply {
        self.transaction(&[parts])
    }

    /// Several commands with nothing in between. The last reply.
    pub(crate) fn transaction(&self, commands: &[&[&str]]) -> Reply {
        let mut server = self.lock();
        let owned =
            |parts: &[&str]| parts.iter().map(|part| Bytes::copy_from_slice(part.as_bytes())).collect::<Vec<_>>();
        commands.iter().map(|parts| server.run(&owned(parts))).last().unwrap_or(Reply::Nil)
    }

    /// The way of one node to this server.
    pub(crate) fn dial_for(&self, node: usize) -> Arc<dyn Dial> {
        Arc::new(DialFrom { redis: self.clone(), node })
    }
}

struct DialFrom {
    redis: FakeRedis,
    node: usize,
}

impl Dial for DialFrom {
    fn dial(&self) -> Dialling {
        let mut server = self.redis.lock();
        if Instant::now() < server.down_until {
            return Box::pin(async { Err(io::ErrorKind::ConnectionRefused.into()) });
        }
        let (ours, theirs) = net::pair(usize::MAX);
        server.next_connection += 1;
        let number = server.next_connection;
        let latency = Duration::from_millis(1) + server.rng.up_to_ms(2);
        let connection = Connection::new(format!("n{} c{number}", self.node), latency);
        server.connections.insert(number, connection);
        server.dialled.push((number, ours));
        drop(server);
        self.redis.dialled.notify_one();
        Box::pin(async { Ok(Box::new(theirs) as Box<dyn fanfare_redis::RedisSocket>) })
    }
}

impl Server {
    /// Redis `TIME`, in milliseconds.
    pub(crate) fn now_ms(&self) -> u64 {
        let machine_ms = WALL_MS + u64::try_from(self.began.elapsed().as_millis()).unwrap_or(0);
        machine_ms.saturating_add_signed(self.skew)
    }

    /// Sets the clock so many milliseconds ahead.
    fn set_clock(&mut self, ahead_ms: i64) {
        let before = self.now_ms();
        self.skew += ahead_ms;
        self.truth.clock_was_set(before, self.now_ms());
    }

    /// How often the nodes read one and the same range within one second, at most.
    pub(crate) fn most_reads(&self) -> usize {
        self.reads.most()
    }

    /// Whether publishers and administrators get an answer.
    pub(crate) fn is_up(&self) -> bool {
        Instant::now() >= self.down_until.max(self.frozen_until)
    }

    /// `PUBLISH`, with the weather's losses and repetitions.
    fn publish(&mut self, channel: &Bytes, message: &Bytes) -> Reply {
        let push =
            Reply::Push(vec![Reply::text("message"), Reply::Bulk(channel.clone()), Reply::Bulk(message.clone())]);
        let mut bytes = Vec::new();
        push.encode(&mut bytes);
        let now = Instant::now();
        let is_probe = channel.windows(7).any(|part| part == b"$probe:");
        let mut receivers = 0;
        let Self { connections, weather, rng, trace, .. } = self;
        for connection in connections.values_mut().filter(|connection| connection.subscribed.contains(channel)) {
            receivers += 1;
            if !is_probe && rng.chance(weather.lost_pushes) {
                trace.note(|| format!("the push on {} to {} is lost", channel.escape_ascii(), connection.name));
                continue;
            }
            let late = if rng.chance(weather.late) { rng.up_to_ms(300) } else { Duration::ZERO };
            connection.say(now + late, bytes.clone());
            if !is_probe && rng.chance(weather.doubled_pushes) {
                connection.say(now + late, bytes.clone());
            }
            if !is_probe && rng.chance(weather.swapped_pushes) {
                connection.swap_last();
            }
        }
        Reply::Number(receivers)
    }
}
