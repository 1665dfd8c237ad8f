//! Every way in which an event gets into Redis. Each publication is recorded in the ledger with the id that Redis gave.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use fanfare_oracle::Ledger;
use fanfare_oracle::resp::{Connection, Reply};

use crate::redis_server::{RedisServer, is_unknown_command};
use crate::wait::eventually;

/// The prefix of all keys and channels, the product's default.
pub(crate) const PREFIX: &str = "sse:";

/// A publisher with a connection of its own.
#[derive(Debug)]
pub struct Publisher {
    /// Its connection, for anything else a test wants to do.
    pub redis: Connection,
    address: SocketAddr,
    ledger: Ledger,
    /// How the function is called, once that is known.
    way: Option<Way>,
}

/// How the publishing function is called.
#[derive(Clone, Debug)]
enum Way {
    /// By its name.
    Function,
    /// By the name of its text, where Redis has no functions.
    Script(String),
}

impl Way {
    fn words(&self) -> [&str; 2] {
        match self {
            Self::Function => ["FCALL", "sse_publish"],
            Self::Script(hash) => ["EVALSHA", hash],
        }
    }
}

impl Publisher {
    /// A publisher that records into `ledger`.
    #[track_caller]
    pub fn new(redis: &RedisServer, ledger: &Ledger) -> Self {
        Self { redis: redis.connection(), address: redis.address(), ledger: ledger.clone(), way: None }
    }

    /// `FCALL sse_publish`, or the same by its text where Redis has no functions; returns the id.
    #[track_caller]
    pub fn fcall(&mut self, channel: &str, data: &str) -> String {
        self.fcall_with(channel, data, &[])
    }

    /// `FCALL sse_publish` with options (`EVENT name MAXLEN n TTL seconds DEDUP key`); returns the id.
    #[track_caller]
    pub fn fcall_with(&mut self, channel: &str, data: &str, options: &[&str]) -> String {
        let reply = self.try_fcall(channel, data, options);
        assert!(reply.error().is_none(), "sse_publish was refused: {reply:?}");
        self.record(channel, &reply, data)
    }

    /// `FCALL sse_publish` whose refusal is a value. Nothing is recorded.
    #[track_caller]
    pub fn try_fcall(&mut self, channel: &str, data: &str, options: &[&str]) -> Reply {
        let (way, key) = (self.way(), key(channel));
        let [verb, what] = way.words();
        let mut words = vec![verb, what, "1", &key, "DATA", data];
        words.extend_from_slice(options);
        self.try_words(&words)
    }

    /// A node is ready before it has loaded the functions: it serves without them. A Redis that has none gets their text.
    fn way(&mut self) -> Way {
        if let Some(way) = &self.way {
            return way.clone();
        }
        let way = eventually("the functions to be loaded", || {
            let reply = self.try_words(&["FCALL_RO", "sse_version", "0"]);
            match reply.error() {
                Some(error) if error.contains("Function not found") => None,
                Some(error) if is_unknown_command(error) => {
                    Some(Way::Script(self.redis.command(["SCRIPT", "LOAD", &script()]).text()))
                }
                _ => Some(Way::Function),
            }
        });
        self.way.insert(way).clone()
    }

    /// `FCALL sse_publish` that is repeated, on new connections if need be, until Redis has acknowledged it. The data is
    /// the DEDUP key, so that an attempt whose reply was lost is not published twice.
    #[track_caller]
    pub fn fcall_surely(&mut self, channel: &str, data: &str) -> String {
        let (key, script) = (key(channel), script());
        let mut way = ["FCALL", "sse_publish"];
        let reply = eventually("Redis to acknowledge a publish", || {
            let words = [way[0], way[1], "1", &key, "DATA", data, "DEDUP", data];
            if let Ok(reply) = self.redis.try_command(&words.map(str::as_bytes)) {
                if reply.error().is_some_and(is_unknown_command) {
                    way = ["EVAL", &script];
                }
                return reply.error().is_none().then_some(reply);
            }
            self.redis = Connection::open(self.address).ok()?;
            None
        });
        self.record(channel, &reply, data)
    }

    /// Replaces its connection, after a restart of Redis.
    #[track_caller]
    pub fn reconnect(&mut self) {
        self.redis = Connection::open(self.address).expect("redis-server accepts");
    }

    /// Publishes `{channel} {n}` for each number through the function, in pipelines of 500; returns the ids.
    #[track_caller]
    pub fn fcall_many(&mut self, channel: &str, numbers: std::ops::Range<usize>, options: &[&str]) -> Vec<String> {
        let data: Vec<String> = numbers.map(|number| format!("{channel} {number}")).collect();
        self.fcall_all(channel, &data, options)
    }

    /// Publishes each of `data` through the function, in pipelines of 500; returns the ids.
    #[track_caller]
    pub fn fcall_all(&mut self, channel: &str, data: &[String], options: &[&str]) -> Vec<String> {
        let (way, key) = (self.way(), key(channel));
        let [verb, what] = way.words().map(str::as_bytes);
        let mut ids = Vec::new();
        for batch in data.chunks(500) {
            let mut commands = Vec::new();
            for data in batch {
                let mut words: Vec<&[u8]> = vec![verb, what, b"1", key.as_bytes(), b"DATA", data.as_bytes()];
                words.extend(options.iter().map(|option| option.as_bytes()));
                commands.push(words);
            }
            let commands: Vec<&[&[u8]]> = commands.iter().map(Vec::as_slice).collect();
            self.redis.send(&commands).expect("Redis reads");
            for data in batch {
                let reply = self.redis.receive().expect("Redis answers");
                ids.push(self.record(channel, &reply, data));
            }
        }
        ids
    }

    /// `EVAL` of the script form; returns the id.
    #[track_caller]
    pub fn eval(&mut self, channel: &str, data: &str) -> String {
        let (script, key) = (script(), key(channel));
        let reply = self.redis.command(["EVAL", &script, "1", &key, "DATA", data]);
        self.record(channel, &reply, data)
    }

    /// `MULTI`, `XADD`, an empty `PUBLISH` as a doorbell, `EXEC`; returns the id.
    #[track_caller]
    pub fn multi(&mut self, channel: &str, data: &str) -> String {
        let key = key(channel);
        let add: &[&[u8]] = &[b"XADD", key.as_bytes(), b"*", b"data", data.as_bytes()];
        let replies = self.redis.try_transaction(&[add, &[b"PUBLISH", key.as_bytes(), b""]]).expect("Redis answers");
        let id = replies.array()[0].clone();
        self.record(channel, &id, data)
    }

    /// A plain `XADD`, which rings no bell; returns the id.
    #[track_caller]
    pub fn xadd(&mut self, channel: &str, data: &str) -> String {
        let reply = self.redis.command(["XADD", &key(channel), "*", "data", data]);
        self.record(channel, &reply, data)
    }

    /// An ephemeral event; returns the number of nodes that received it.
    #[track_caller]
    pub fn ephemeral(&mut self, channel: &str, text: &str) -> i64 {
        self.redis.command(["PUBLISH", &key(channel), text]).integer()
    }

    /// Rings the bell of a channel without having written anything.
    #[track_caller]
    pub fn ring(&mut self, channel: &str) {
        self.ephemeral(channel, "");
    }

    /// Sends a command whose error reply is a value.
    #[track_caller]
    pub fn try_words(&mut self, words: &[&str]) -> Reply {
        self.redis.try_words(words).expect("Redis answers")
    }

    /// The clock of Redis, in milliseconds since the Unix epoch.
    #[track_caller]
    pub fn clock_ms(&mut self) -> u64 {
        let reply = self.redis.command(["TIME"]);
        let [seconds, micros] = reply.array() else { panic!("TIME has two parts: {reply:?}") };
        let number = |part: &Reply| part.text().parse::<u64>().expect("a number");
        number(seconds) * 1000 + number(micros) / 1000
    }

    /// Waits until Redis would give out ids with a later millisecond than any so far. A stream that is deleted and created
    /// again within one millisecond may give the same id to two events, which nothing can tell apart.
    #[track_caller]
    pub fn next_millisecond(&mut self) {
        let now = self.clock_ms();
        eventually("the clock of Redis to move on", || (self.clock_ms() > now).then_some(()));
    }

    /// Sends a command about a channel's key: `command key rest...`.
    #[track_caller]
    pub fn on_key(&mut self, command: &str, channel: &str, rest: &[&str]) -> Reply {
        let key = key(channel);
        let words = [&[command, key.as_str()], rest].concat();
        self.redis.command(words)
    }

    fn record(&self, channel: &str, id: &Reply, data: &str) -> String {
        let id = id.text();
        self.ledger.record(channel, &id, data);
        id
    }
}

/// The key of a channel.
pub fn key(channel: &str) -> String {
    format!("{PREFIX}{channel}")
}

/// The text for `FUNCTION LOAD`.
pub fn library() -> String {
    read_lua("fanfare.lua")
}

/// The text for `EVAL`: the same publishing step as the function.
pub fn script() -> String {
    read_lua("sse_publish.lua")
}

fn read_lua(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../redis/src");
    let path = find(&root, name).unwrap_or_else(|| panic!("no {name} under {}", root.display()));
    fs::read_to_string(path).expect("a readable file")
}

fn find(directory: &Path, name: &str) -> Option<PathBuf> {
    fs::read_dir(directory).ok()?.flatten().find_map(|entry| {
        let path = entry.path();
        if path.is_dir() { find(&path, name) } else { path.ends_with(name).then_some(path) }
    })
}
