//! The control connection: publishes, asks for facts about the server, loads the library. One task owns it.

use std::time::Duration;

use fanfare_log::Random;
use redis::aio::MultiplexedConnection;
use redis::{ConnectionInfo, Value};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};

use crate::backoff::Backoff;
use crate::connect::{self, Connector};
use crate::error::Error;
use crate::functions::{self, LOAD_BY_HAND, Library};
use crate::primary::{Primary, identify};
use crate::status::Status;
use crate::topology::Topology;
use crate::value::{info_field, text};

/// How often the eviction policy is asked for again: an administrator may change it at any time.
const EVICTION_INTERVAL: Duration = Duration::from_secs(60);

/// Failed attempts in a row after which the control connection speaks of its own error.
const FAILURES_SAID: u32 = 3;

/// What the control connection needs to know.
pub(crate) struct Control {
    pub(crate) topology: Topology,
    pub(crate) connector: Connector,
    /// The server that feeds: another one is not published to.
    pub(crate) primary: Primary,
    /// For the jitter of reconnects.
    pub(crate) random: Random,
    pub(crate) status: Status,
    pub(crate) ping_interval: Duration,
    pub(crate) ping_timeout: Duration,
    pub(crate) command_timeout: Duration,
    pub(crate) load_functions: bool,
    /// The connection while it is good.
    pub(crate) publish_connection: watch::Sender<Option<MultiplexedConnection>>,
}

impl Control {
    /// Keeps the connection up for ever. The feed, which is the first to notice, tells the log about outages.
    pub(crate) async fn run(self) {
        let mut backoff = Backoff::new(self.random.fork());
        let mut said = Library::Off;
        let mut failures = 0;
        loop {
            let outcome = self.session(&mut backoff, &mut said).await;
            self.publish_connection.send_replace(None);
            // Another server may answer next: readers of the archive ask it for themselves.
            self.status.set_evicts(None);
            // While Redis is away the feed says so. What fails here alone is worth a word of its own.
            failures = if backoff.is_fresh() { 1 } else { failures + 1 };
            if let Err(error) = outcome
                && failures == FAILURES_SAID
                && self.status.error().is_none()
            {
                tracing::warn!(%error, "the feed has Redis, but the connection for publishing does not");
                self.status.failed(&error.to_string());
            }
            sleep(backoff.next()).await;
        }
    }

    async fn session(&self, backoff: &mut Backoff, said: &mut Library) -> Result<(), Error> {
        let info = self.topology.primary().await?;
        let mut connection = self.connect(info.clone()).await?;
        let server = identify(&mut connection).await?;
        self.primary.check_new(&server)?;
        self.learn_eviction_policy(&mut connection).await?;
        let library = self.library(info).await?;
        announce(&library, said);
        self.status.set_library(library);
        self.publish_connection.send_replace(Some(connection.clone()));
        let mut pings = interval_at(Instant::now() + self.ping_interval, self.ping_interval);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut eviction_asked_at = Instant::now() + EVICTION_INTERVAL;
        loop {
            tokio::select! {
                error = self.primary.differs(&server) => return Err(error),
                _ = pings.tick() => {}
            }
            if Instant::now() >= eviction_asked_at {
                self.learn_eviction_policy(&mut connection).await?;
                eviction_asked_at += EVICTION_INTERVAL;
            }
            // A frozen server must not hold publishers for longer than it holds the feed.
            match timeout(self.ping_timeout, redis::cmd("PING").query_async::<Value>(&mut connection)).await {
                Ok(answer) => match answer.map_err(Error::from) {
                    Ok(_) | Err(Error::Denied(_)) => backoff.reset(),
                    Err(error) => return Err(error),
                },
                Err(_) => return Err(Error::Timeout(self.ping_timeout)),
            }
        }
    }

    async fn connect(&self, info: ConnectionInfo) -> Result<MultiplexedConnection, Error> {
        self.connector.connect(info, connect::config(self.command_timeout), self.command_timeout).await
    }

    async fn library(&self, info: ConnectionInfo) -> Result<Library, Error> {
        if !self.load_functions {
            return Ok(Library::Off);
        }
        let settings = info.redis_settings().clone().set_db(0);
        let mut connection = self.connect(info.set_redis_settings(settings)).await?;
        functions::load(&mut connection).await
    }

    async fn learn_eviction_policy(&self, connection: &mut MultiplexedConnection) -> Result<(), Error> {
        let server = info(connection, "server").await?;
        let version = server.as_deref().and_then(|info| info_field(info, "redis_version")).map(str::to_owned);
        self.status.set_server_version(version);
        let memory = info(connection, "memory").await?;
        let evicts = memory.is_none_or(|memory| crate::eviction::evicts(Value::BulkString(memory.into_bytes())));
        self.status.set_evicts(Some(evicts));
        Ok(())
    }
}

/// A section of `INFO`; `None` when the ACL forbids it.
async fn info(connection: &mut MultiplexedConnection, section: &str) -> Result<Option<String>, Error> {
    match redis::cmd("INFO").arg(section).query_async::<Value>(connection).await.map_err(Error::from) {
        Ok(value) => Ok(text(value)),
        Err(Error::Denied(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Says what became of the library, once for each outcome.
fn announce(library: &Library, said: &mut Library) {
    if *said == *library {
        return;
    }
    said.clone_from(library);
    match library {
        Library::Loaded => tracing::info!(version = functions::VERSION, "loaded the publishing functions"),
        Library::Newer(version) => {
            tracing::info!(version, "Redis has newer publishing functions than this node; they stay");
        }
        Library::Refused(reason) => tracing::warn!(
            reason,
            "cannot load the publishing functions, so FCALL sse_publish may be missing or old; \
             an administrator runs: {LOAD_BY_HAND}"
        ),
        Library::Unsupported => tracing::warn!(
            "Redis is older than 7.0 and has no functions; publishers use EVAL of sse_publish.lua instead"
        ),
        Library::Present | Library::Off => {}
    }
}
