//! A real redis-server for each test, and a few things that every test wants.
#![allow(dead_code, unreachable_pub)] // Each test file uses its part.

pub mod disguise;
pub mod library;
pub mod publishing;
pub mod streams;

use std::collections::VecDeque;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use fanfare_log::{Desired, FeedBatch, FeedEvent, FeedSource, PublishRequest};
use fanfare_protocol::{ChannelName, Event, EventName, LogName};
use fanfare_redis::{Options, RedisHandle, RedisStore};
use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue, Value};
use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout_at};

/// Nothing in these tests takes this long unless it is broken.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A redis-server on a free port of loopback, in a directory of its own. It dies with this value.
pub struct Server {
    pub port: u16,
    directory: TempDir,
    arguments: Vec<String>,
    child: Option<Child>,
}

impl Server {
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// Starts with more arguments of redis-server.
    pub async fn with(arguments: &[&str]) -> Self {
        let mut server = Self::absent(arguments);
        server.up().await;
        server
    }

    /// Has a port but does not run yet.
    pub fn absent(arguments: &[&str]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self {
            port,
            directory: TempDir::new().unwrap(),
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            child: None,
        }
    }

    /// Starts the process and waits until it answers.
    pub async fn up(&mut self) {
        self.launch();
        eventually("redis-server answers", async || self.ping().await.is_ok()).await;
    }

    /// Whether the process reads its data and answers nothing else yet.
    pub async fn is_loading(&self) -> bool {
        self.ping().await.is_err_and(|error| error.code() == Some("LOADING"))
    }

    async fn ping(&self) -> Result<String, redis::RedisError> {
        redis::cmd("PING").query_async(&mut connect(&self.url()).await?).await
    }

    /// Starts the process.
    pub fn launch(&mut self) {
        println!("on {}", version());
        let child = Command::new(binary())
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(["--dir", &self.directory.path().display().to_string(), "--unixsocket", &self.socket()])
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed");
        self.child = Some(child);
    }

    /// Kills the process without letting it say goodbye.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Stops the process so that it neither answers nor closes anything.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.as_ref().expect("a running server").id().to_string();
        assert!(Command::new("kill").args([&format!("-{signal}"), &pid]).status().unwrap().success());
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn url_of(&self, user: &str) -> String {
        format!("redis://{user}:secret@127.0.0.1:{}", self.port)
    }

    pub fn socket(&self) -> String {
        self.directory.path().join("redis.sock").display().to_string()
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Options for a node that notices everything quickly.
    pub fn options(&self) -> Options {
        Options {
            url: self.url(),
            probe_interval: Duration::from_millis(100),
            probe_timeout: Duration::from_millis(400),
            command_timeout: Duration::from_secs(2),
            ..Options::default()
        }
    }

    pub async fn connection(&self) -> MultiplexedConnection {
        connect(&self.url()).await.expect("a connection")
    }

    /// Runs one command given as words; error replies panic.
    pub async fn run<T: FromRedisValue>(&self, words: &[&str]) -> T {
        self.try_run(words).await.unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    pub async fn try_run<T: FromRedisValue>(&self, words: &[&str]) -> Result<T, redis::RedisError> {
        command(words).query_async(&mut self.connection().await).await
    }
}

/// The server that tests run on: `FANFARE_TEST_REDIS_SERVER`, or the one that is installed.
fn binary() -> String {
    std::env::var("FANFARE_TEST_REDIS_SERVER").unwrap_or_else(|_| "redis-server".into())
}

/// What it says of itself.
fn version() -> &'static str {
    static VERSION: OnceLock<String> = OnceLock::new();
    VERSION.get_or_init(|| {
        let said = Command::new(binary()).arg("--version").output().expect("redis-server is installed");
        String::from_utf8_lossy(&said.stdout).trim().to_owned()
    })
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

pub async fn connect(url: &str) -> Result<MultiplexedConnection, redis::RedisError> {
    // Not the library's 500 ms: a busy machine is no failure.
    let config = redis::AsyncConnectionConfig::new().set_response_timeout(Some(PATIENCE));
    redis::Client::open(url)?.get_multiplexed_async_connection_with_config(&config).await
}

pub fn command(words: &[&str]) -> redis::Cmd {
    let mut command = redis::cmd(words[0]);
    for word in &words[1..] {
        command.arg(*word);
    }
    command
}

/// Waits until a condition holds.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

pub fn name(name: &str) -> LogName {
    LogName::from(ChannelName::parse(name).unwrap())
}

pub fn event(name: Option<&str>, data: &str) -> Event {
    Event { name: name.map(|name| EventName::parse(name).unwrap()), data: Bytes::from(data.to_owned()) }
}

/// One event without a name, for one channel, with nothing else said.
pub fn publish_request(channel: &str, data: &str) -> PublishRequest {
    PublishRequest {
        channel: name(channel).name().clone(),
        event: event(None, data),
        dedup: None,
        max_len: None,
        ttl: None,
    }
}

/// The text of a reply, whatever kind of string it is.
pub fn text(value: &Value) -> String {
    String::from_redis_value_ref(value).unwrap_or_else(|_| format!("{value:?}"))
}

/// A store together with what its feed has said.
pub struct Node {
    pub store: RedisHandle,
    pub desired: Desired,
    source: FeedSource,
    unheard: VecDeque<FeedEvent>,
    pub events: Vec<FeedEvent>,
}

impl Node {
    pub fn start(options: &Options) -> Self {
        let (desired, (sink, source)) = (Desired::new(), fanfare_log::feed(32 * 1024 * 1024));
        let store = RedisStore::start(options, desired.clone(), sink).expect("good options");
        Self { store, desired, source, unheard: VecDeque::new(), events: Vec::new() }
    }

    /// Listens until an event satisfies the condition, and returns it. What came before it is in `events` afterwards.
    pub async fn hears(&mut self, what: &str, mut wanted: impl FnMut(&FeedEvent) -> bool) -> FeedEvent {
        let deadline = Instant::now() + PATIENCE;
        loop {
            while let Some(event) = self.unheard.pop_front() {
                self.events.push(event.clone());
                if wanted(&event) {
                    return event;
                }
            }
            let Ok(FeedBatch { events, overflowed, .. }) = timeout_at(deadline, self.source.recv()).await else {
                let heard = self.events.iter().map(|event| format!("{event:?}").chars().take(200).collect::<String>());
                panic!("did not hear: {what}; heard {:#?}", heard.collect::<Vec<_>>());
            };
            assert!(overflowed.is_empty(), "the feed overflowed");
            self.unheard = events.into_iter().map(|(_, event)| event).collect();
        }
    }
}
