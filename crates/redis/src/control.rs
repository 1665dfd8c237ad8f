//! The control connection: publishes, asks for facts about the server, loads the library. One task owns it.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use fanfare_log::Random;
use fanfare_protocol::limits::FUNCTIONS_LOAD_REST;
use redis::aio::MultiplexedConnection;
use redis::{ConnectionInfo, Value};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, sleep_until, timeout};

use crate::backoff::Backoff;
use crate::connect::{self, Connector};
use crate::error::Error;
use crate::eviction::{self, Eviction, EvictionWarning};
use crate::functions::{self, LOAD_BY_HAND, Library, Presence};
use crate::primary::{Primary, identify};
use crate::shared_connection::NumberedConnection;
use crate::status::Status;
use crate::topology::Topology;
use crate::value::{info_field, text};

/// How often it is asked again what an administrator may change at any time: the eviction policy, the library.
const FACTS_INTERVAL: Duration = Duration::from_secs(60);

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
    pub(crate) eviction_warning: EvictionWarning,
    /// Where those who call functions say that there are none.
    pub(crate) presence: Arc<Presence>,
    /// The connection while it is good.
    pub(crate) publish_connection: watch::Sender<Option<NumberedConnection>>,
}

impl Control {
    /// Keeps the connection up for ever. The feed, which is the first to notice, tells the log about outages.
    pub(crate) async fn run(self) {
        let mut backoff = Backoff::new(self.random.fork());
        let mut said = Library::Off;
        let (mut failures, mut connections) = (0, 0);
        loop {
            let outcome = self.session(&mut backoff, &mut said, &mut connections).await;
            self.publish_connection.send_replace(None);
            // Another server may answer next: readers of the archive ask it for themselves.
            self.status.set_eviction(None);
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

    async fn session(&self, backoff: &mut Backoff, said: &mut Library, connections: &mut u64) -> Result<(), Error> {
        let info = self.topology.primary().await?;
        let config = connect::config(self.command_timeout);
        let (mut connection, mut end) =
            self.connector.connect_watched(info.clone(), config, self.command_timeout).await?;
        let server = identify(&mut connection).await?;
        self.primary.check_new(&server)?;
        self.learn_facts(&mut connection).await?;
        let library = self.library(info.clone()).await?;
        announce(&library, said);
        let mut library = Loaded::new(&library);
        self.presence.try_again();
        *connections += 1;
        let numbered = NumberedConnection { number: *connections, connection: connection.clone() };
        self.publish_connection.send_replace(Some(numbered));
        let mut pings = interval_at(Instant::now() + self.ping_interval, self.ping_interval);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut facts_asked_at = Instant::now() + FACTS_INTERVAL;
        loop {
            tokio::select! {
                // The cause before its consequences.
                biased;
                error = self.primary.differs(&server) => return Err(error),
                () = end.wait() => return Err(Error::Cut("the connection was closed".to_owned())),
                () = library.is_due(&self.presence) => {
                    library = self.load_again(info.clone(), &library, said).await?;
                    continue;
                }
                _ = pings.tick() => {}
            }
            if Instant::now() >= facts_asked_at {
                self.learn_facts(&mut connection).await?;
                if library.load_when == LoadWhen::Missed && functions::loaded_version(&mut connection).await?.is_none()
                {
                    self.presence.miss();
                }
                facts_asked_at += FACTS_INTERVAL;
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
            self.status.set_library(Library::Off);
            return Ok(Library::Off);
        }
        let settings = info.redis_settings().clone().set_db(0);
        let mut connection = self.connect(info.set_redis_settings(settings)).await?;
        let library = functions::load(&mut connection).await?;
        self.status.set_library(library.clone());
        Ok(library)
    }

    /// Loads the library that is gone from Redis, or that was refused until now.
    async fn load_again(&self, info: ConnectionInfo, before: &Loaded, said: &mut Library) -> Result<Loaded, Error> {
        let found = self.library(info).await?;
        match (&found, before.load_when) {
            (Library::Loaded, LoadWhen::Missed) => {
                tracing::warn!("the publishing functions were gone from Redis (FUNCTION FLUSH?); loaded them again");
            }
            (Library::Refused(reason), LoadWhen::Missed) => tracing::warn!(
                reason,
                "the publishing functions are gone from Redis and cannot be loaded again; \
                 an administrator runs: {LOAD_BY_HAND}"
            ),
            (_, LoadWhen::Missed) => {}
            _ => announce(&found, said),
        }
        said.clone_from(&found);
        if found.is_there() {
            self.presence.try_again();
        }
        Ok(Loaded { rests_until: Instant::now() + FUNCTIONS_LOAD_REST, ..Loaded::new(&found) })
    }

    async fn learn_facts(&self, connection: &mut MultiplexedConnection) -> Result<(), Error> {
        let server = fact(connection, &["INFO", "server"]).await?.and_then(text);
        let version = server.as_deref().and_then(|info| info_field(info, "redis_version")).map(str::to_owned);
        self.status.set_server_version(version);
        let eviction = match fact(connection, &["INFO", "memory"]).await? {
            Some(info) => eviction::by_info(info),
            None => eviction::by_config(fact(connection, &eviction::CONFIG).await?),
        };
        self.status.set_evicts_any(eviction == Some(Eviction::Anything));
        let eviction = eviction.unwrap_or(Eviction::Anything);
        self.status.set_eviction(Some(eviction));
        let do_expire = !self.status.permanence().is_promised();
        self.eviction_warning.see(eviction.of_streams(do_expire) == Eviction::Anything);
        Ok(())
    }
}

/// When the library is loaded again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LoadWhen {
    /// It is there: once somebody misses it.
    Missed,
    /// It was refused for a reason that passes: after the rest.
    Rested,
    /// This user may not load it, or Redis has no functions: at the next connection.
    Connected,
}

/// What a connection of the control task knows of the library.
struct Loaded {
    load_when: LoadWhen,
    /// Not before then.
    rests_until: Instant,
}

impl Loaded {
    /// After the first attempt of a connection.
    fn new(library: &Library) -> Self {
        let load_when = match library {
            library if library.is_there() => LoadWhen::Missed,
            library if library.is_refused_for_now() => LoadWhen::Rested,
            _ => LoadWhen::Connected,
        };
        let rest = if load_when == LoadWhen::Rested { FUNCTIONS_LOAD_REST } else { Duration::ZERO };
        Self { load_when, rests_until: Instant::now() + rest }
    }

    /// Waits until the library is to be loaded again. Cancel-safe.
    async fn is_due(&self, presence: &Presence) {
        sleep_until(self.rests_until).await;
        match self.load_when {
            LoadWhen::Missed => presence.missed().await,
            LoadWhen::Rested => {}
            LoadWhen::Connected => pending().await,
        }
    }
}

/// The reply to a command that this Redis, or this user, may not have: `None` then.
async fn fact(connection: &mut MultiplexedConnection, words: &[&str]) -> Result<Option<Value>, Error> {
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    match command.query_async::<Value>(connection).await.map_err(Error::from) {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_missing_command() => Ok(None),
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
