//! What the composition root hands in.

use std::fmt;
use std::time::Duration;

use fanfare_log::MinLives;
use fanfare_protocol::limits;
use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{ConnectionInfo, IntoConnectionInfo};

use crate::keys;
use crate::pushes::Pushes;

/// Where Redis is and how it is used. The fields are the keys `redis.*` of the configuration.
#[derive(Clone)]
pub struct Options {
    /// `redis://[user[:password]@]host[:port][/database]`, or `unix:///path?db=n`. Holds a secret: `Debug` hides it. The database
    /// must be that of the publishers: their messages arrive from any, their entries only from this one.
    pub url: String,
    /// What stands before every channel name, in Stream keys and Pub/Sub channels alike. Not empty.
    pub prefix: String,
    /// Treat keyspace notifications as doorbells.
    pub keyspace_notifications: bool,
    /// What is believed of messages that bring an entry.
    pub pushes: Pushes,
    /// How often the path of pushes is proven.
    pub probe_interval: Duration,
    /// A probe that is not back by then means a dead connection.
    pub probe_timeout: Duration,
    /// Deadline of a command, of a connection attempt and of the wait for a pooled connection.
    pub command_timeout: Duration,
    /// Connections for archive reads of streams. History has some beside ([`Options::history_connections`]).
    pub pool_size: usize,
    /// Load the publishing library when the server has none or an older one.
    pub load_functions: bool,
    /// The node publishes for others. Only a [`crate::check()`] asks: publishing is tried whatever stands here.
    pub publishes: bool,
    /// The node makes tickets and takes them. Only a [`crate::check()`] asks, as well.
    pub tickets: bool,
    /// The node counts readers. Only a [`crate::check()`] asks, as well.
    pub occupancy: bool,
    /// The node follows the log of revocations, and writes it for others: the path of pushes is proven every
    /// [`limits::REVOCATIONS_PROBE_INTERVAL`], if [`Options::probe_interval`] is no shorter.
    pub revocations: bool,
    /// Largest data of an event that is delivered, in bytes.
    pub event_bytes: usize,
    /// What is promised about the life of streams: how long they live, and whether they expire at all (if they do not, a Redis with a
    /// policy `volatile-*` evicts none). Shared with the log, which sees streams end.
    pub min_lives: MinLives,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            url: "redis://127.0.0.1:6379".into(),
            prefix: "sse:".into(),
            keyspace_notifications: false,
            pushes: Pushes::default(),
            probe_interval: limits::REDIS_PROBE_INTERVAL_DEFAULT,
            probe_timeout: limits::REDIS_PROBE_TIMEOUT_DEFAULT,
            command_timeout: limits::REDIS_COMMAND_TIMEOUT_DEFAULT,
            pool_size: limits::REDIS_POOL_SIZE_DEFAULT,
            load_functions: true,
            publishes: false,
            tickets: false,
            occupancy: false,
            revocations: false,
            event_bytes: limits::EVENT_BYTES_DEFAULT,
            min_lives: MinLives::default(),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("url", &self.address())
            .field("prefix", &self.prefix)
            .field("keyspace_notifications", &self.keyspace_notifications)
            .field("pushes", &self.pushes)
            .field("probe_interval", &self.probe_interval)
            .field("probe_timeout", &self.probe_timeout)
            .field("command_timeout", &self.command_timeout)
            .field("pool_size", &self.pool_size)
            .field("load_functions", &self.load_functions)
            .field("publishes", &self.publishes)
            .field("tickets", &self.tickets)
            .field("occupancy", &self.occupancy)
            .field("revocations", &self.revocations)
            .field("event_bytes", &self.event_bytes)
            .field("min_lives", &self.min_lives)
            .finish()
    }
}

/// Why the options cannot work, whatever Redis says. The text never holds the URL, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// The URL is none.
    #[error("redis.url is not a Redis URL; expected redis://[user[:password]@]host[:port][/database]")]
    Url,
    /// The URL names a database in a way that would be ignored, or two.
    #[error(
        "redis.url names a database by ?db=, which counts for unix:// alone; expected is redis://host:port/database"
    )]
    Database,
    /// The URL asks for TLS.
    #[error("redis.url asks for TLS, which is not supported yet; expected redis:// or unix://")]
    Tls,
    /// The prefix is empty or too long.
    #[error("redis.prefix has {0} bytes; expected 1 to {max}", max = limits::PREFIX_BYTES_MAX)]
    Prefix(usize),
    /// The prefix holds a control character.
    #[error("redis.prefix holds a control character")]
    PrefixControl,
    /// Names of channels would be names of the gateway's own keys, or their pattern would cover them.
    #[error(
        "redis.prefix: what begins with {0:?} may be a key of the gateway itself ($fanfare:…, $dedup:…), which publishers must not \
         write; expected another beginning, such as \"sse:\""
    )]
    PrefixOverlaps(Box<str>),
    /// The pool has no connections.
    #[error("redis.pool_size is 0; expected at least 1")]
    Pool,
}

impl Options {
    /// Checks what can be checked without a server.
    ///
    /// # Errors
    /// Says which option is wrong and what was expected.
    pub fn validate(&self) -> Result<(), OptionsError> {
        self.connection()?;
        match self.prefix.len() {
            1..=limits::PREFIX_BYTES_MAX => {}
            bytes => return Err(OptionsError::Prefix(bytes)),
        }
        if self.prefix.chars().any(char::is_control) {
            return Err(OptionsError::PrefixControl);
        }
        if keys::overlaps_own(&self.prefix) {
            return Err(OptionsError::PrefixOverlaps(self.prefix.as_str().into()));
        }
        if self.pool_size == 0 {
            return Err(OptionsError::Pool);
        }
        Ok(())
    }

    /// Connections for history over HTTP, for which no stream and no publish waits: a quarter of `pool_size`, at least one.
    #[must_use]
    pub fn history_connections(&self) -> usize {
        (self.pool_size / limits::POOL_CONNECTIONS_PER_HISTORY_CONNECTION).max(1)
    }

    /// Host, port and database, or the path of the socket: what may be shown and logged.
    #[must_use]
    pub fn address(&self) -> String {
        match self.connection() {
            Ok(info) => match info.redis_settings().db() {
                0 => info.addr().to_string(),
                database => format!("{}/{database}", info.addr()),
            },
            Err(error) => error.to_string(),
        }
    }

    /// How often the path of pushes is proven. Where revocations are followed a node must not believe for long that it knows all of them.
    pub(crate) fn feed_probe_interval(&self) -> Duration {
        if self.revocations { self.probe_interval.min(limits::REVOCATIONS_PROBE_INTERVAL) } else { self.probe_interval }
    }

    /// The parsed URL with the socket options that every connection needs.
    pub(crate) fn connection(&self) -> Result<ConnectionInfo, OptionsError> {
        // Without its TLS feature the client library does not parse these at all.
        if ["rediss:", "valkeys:"].iter().any(|scheme| self.url.starts_with(scheme)) {
            return Err(OptionsError::Tls);
        }
        let info = self.url.as_str().into_connection_info().map_err(|_| OptionsError::Url)?;
        if !self.url.starts_with("unix:") && self.query_database().is_some_and(|db| db != info.redis_settings().db()) {
            return Err(OptionsError::Database);
        }
        // A peer that vanished without a word is noticed by the probe; this closes the socket for good.
        let silence = self.probe_interval + self.probe_timeout;
        let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(15)).with_interval(Duration::from_secs(5));
        let tcp = TcpSettings::default().set_nodelay(true).set_keepalive(keepalive).set_user_timeout(silence * 2);
        let settings = info.redis_settings().clone().set_lib_name("fanfare", env!("CARGO_PKG_VERSION"));
        Ok(info.set_tcp_settings(tcp).set_redis_settings(settings))
    }

    /// What the query says about the database, which the client library reads for Unix sockets only; -1 if that is no number.
    fn query_database(&self) -> Option<i64> {
        let (_, query) = self.url.split_once('?')?;
        let query = query.split('#').next().unwrap_or_default();
        let database = query.split('&').find_map(|pair| pair.strip_prefix("db="))?;
        Some(database.parse().unwrap_or(-1))
    }

    pub(crate) fn keys(&self) -> crate::keys::Keys {
        crate::keys::Keys::new(&self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_url(url: &str) -> Options {
        Options { url: url.into(), ..Options::default() }
    }

    #[test]
    fn the_password_is_in_no_debug_text_and_in_no_error() {
        for url in
            ["redis://ada:hunter2@localhost:1/3", "redis://:hunter2@", "rediss://ada:hunter2@localhost", "hunter2"]
        {
            let options = with_url(url);
            assert!(!format!("{options:?}").contains("hunter2"), "{url}");
            if let Err(error) = options.validate() {
                assert!(!error.to_string().contains("hunter2"), "{url}");
            }
        }
    }

    #[test]
    fn wrong_options_are_refused_with_their_reason() {
        assert_eq!(Options::default().validate(), Ok(()));
        assert_eq!(with_url("unix:///tmp/redis.sock?db=2").validate(), Ok(()));
        assert_eq!(with_url("http://localhost").validate(), Err(OptionsError::Url));
        for url in ["redis://localhost?db=3", "redis://localhost/?db=3", "redis://localhost/2?protocol=3&db=3"] {
            assert_eq!(with_url(url).validate(), Err(OptionsError::Database), "{url}");
        }
        for url in ["redis://localhost/3", "redis://localhost/3?db=3", "redis://localhost/?db=0"] {
            assert_eq!(with_url(url).validate(), Ok(()), "{url}");
        }
        assert_eq!(with_url("rediss://localhost").validate(), Err(OptionsError::Tls));
        let prefix = |prefix: &str| Options { prefix: prefix.into(), ..Options::default() }.validate();
        assert_eq!(prefix(""), Err(OptionsError::Prefix(0)));
        assert_eq!(prefix(&"p".repeat(65)), Err(OptionsError::Prefix(65)));
        assert_eq!(prefix("a\nb"), Err(OptionsError::PrefixControl));
        assert_eq!(prefix("$fanfare:{"), Err(OptionsError::PrefixOverlaps("$fanfare:{".into())));
    }
}
