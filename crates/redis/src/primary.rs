//! Which server the node speaks with.
//!
//! The feed, the pool and the control connection resolve the address each for itself, and a name may lead to another server from
//! one moment to the next: a failover, two records for one name. What a stream says is compared with what the feed brought, so
//! both must come from one server. The feed's is the one that counts; what another one answers is dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redis::Value;
use redis::aio::MultiplexedConnection;
use tokio::sync::watch;

use crate::error::Error;
use crate::value::{array, info_field, text};

/// A server's `run_id`, a random name that it gives itself at each start (<https://redis.io/docs/latest/commands/info/>). `None`: it
/// does not say, or the ACL forbids to ask. Such a server passes for any other.
pub(crate) type RunId = Option<Arc<str>>;

/// The server that feeds, shared by everything that speaks with Redis.
#[derive(Debug, Clone)]
pub(crate) struct Primary(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// `None` while the feed is away too.
    feeds: watch::Sender<RunId>,
    /// A difference is logged once for each connection of the feed.
    is_logged: AtomicBool,
}

impl Primary {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Inner { feeds: watch::Sender::new(None), is_logged: AtomicBool::new(false) }))
    }

    /// This server feeds from now on; `None`: none does.
    pub(crate) fn set(&self, server: RunId) {
        self.0.is_logged.store(false, Ordering::Relaxed);
        self.0.feeds.send_replace(server);
    }

    /// Fails if an answer of this server must not be mixed with what the feed brings.
    pub(crate) fn check(&self, server: &RunId) -> Result<(), Error> {
        let feeds = self.0.feeds.borrow().clone();
        let (Some(feeds), Some(server)) = (feeds, server) else { return Ok(()) };
        if feeds == *server {
            return Ok(());
        }
        Err(Error::Link(format!("connected to another server (run_id {server}) than the feed (run_id {feeds})")))
    }

    /// The same for a new connection: a difference that stays is one that an operator has to hear of.
    pub(crate) fn check_new(&self, server: &RunId) -> Result<(), Error> {
        let checked = self.check(server);
        if let Err(error) = &checked
            && !self.0.is_logged.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(%error, "the address of Redis leads to two servers; what does not come from the feed's is dropped");
        }
        checked
    }

    /// Waits until the feed is served by another server than this one. Cancel-safe.
    pub(crate) async fn differs(&self, server: &RunId) -> Error {
        let mut feeds = self.0.feeds.subscribe();
        loop {
            feeds.mark_unchanged();
            if let Err(error) = self.check(server) {
                return error;
            }
            // The sender lives as long as this.
            drop(feeds.changed().await);
        }
    }
}

/// Asks a new connection where it leads.
///
/// # Errors
/// To a replica: what is published elsewhere reaches it late, and it forgets what it alone was told. To an Active-Active database:
/// entries of other regions come to stand before those that were delivered.
pub(crate) async fn identify(connection: &mut MultiplexedConnection) -> Result<RunId, Error> {
    let mut commands = redis::pipe();
    commands.ignore_errors();
    commands.cmd("INFO").arg("server").cmd("INFO").arg("replication");
    let sections = match commands.query_async::<Value>(connection).await? {
        Value::Array(sections) => sections,
        _ => return Err(Error::Shape("INFO")),
    };
    // An error reply (an ACL, say) is no text: then nothing is known.
    let info = sections.into_iter().filter_map(text).collect::<Vec<_>>().join("\n");
    if info.is_empty() {
        return identify_without_info(connection).await.map(|()| None);
    }
    if info_field(&info, "role") == Some("slave") {
        let of = |field| info_field(&info, field).unwrap_or("?");
        let (host, port) = (of("master_host"), of("master_port"));
        return Err(Error::Link(format!("this Redis is a replica of {host}:{port}; nodes need the primary")));
    }
    match regions(connection, &info).await? {
        Regions::One => {}
        Regions::Several => {
            let why = "this is an Active-Active database of Redis Enterprise; nodes need one of one region";
            return Err(Error::Link(why.to_owned()));
        }
        Regions::Untold => {
            let why = "this may be an Active-Active database of Redis Enterprise, which nodes cannot use: allow +crdt.config to tell";
            return Err(Error::Link(why.to_owned()));
        }
    }
    Ok(info_field(&info, "run_id").filter(|id| !id.is_empty()).map(Arc::from))
}

/// How many regions write to a database at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Regions {
    One,
    /// It is an Active-Active database.
    Several,
    /// It seems to be one, and this user may not ask.
    Untold,
}

/// Redis Enterprise, which has Active-Active databases, names itself in `INFO`; they alone have the command `CRDT.CONFIG`, by which the
/// modules of Redis tell them apart too. A denial is no answer: a server that looks for the command first denies only what it has.
pub(crate) async fn regions(connection: &mut MultiplexedConnection, info: &str) -> Result<Regions, Error> {
    if info_field(info, "rlec_version").is_none() {
        return Ok(Regions::One);
    }
    let mut asked = redis::cmd("CRDT.CONFIG");
    match asked.arg("GET").arg("active-gc").query_async::<Value>(connection).await.map_err(Error::from) {
        Err(error) if error.is_absent_command() => Ok(Regions::One),
        Err(Error::Denied(_)) => Ok(Regions::Untold),
        // A complaint about its arguments comes from a command that is there.
        Ok(_) | Err(Error::Reply(_)) => Ok(Regions::Several),
        Err(error) => Err(error),
    }
}

/// The part of it that `ROLE` tells (<https://redis.io/docs/latest/commands/role/>), where that may be asked.
async fn identify_without_info(connection: &mut MultiplexedConnection) -> Result<(), Error> {
    let mut commands = redis::pipe();
    commands.cmd("ROLE").ignore_errors();
    let replies = array(commands.query_async::<Value>(connection).await?).unwrap_or_default();
    let mut role = replies.into_iter().next().and_then(array).unwrap_or_default().into_iter();
    if role.next().and_then(text).as_deref() == Some("slave") {
        let host = role.next().and_then(text).unwrap_or_default();
        return Err(Error::Link(format!("this Redis is a replica of {host}; nodes need the primary")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::task::yield_now;
    use tokio::time::timeout;

    use super::*;

    fn server(name: &str) -> RunId {
        Some(Arc::from(name))
    }

    #[test]
    fn only_two_servers_that_say_who_they_are_can_differ() {
        let primary = Primary::new();
        assert_eq!(primary.check(&server("a")), Ok(()), "while the feed is away");
        primary.set(server("a"));
        assert_eq!((primary.check(&server("a")), primary.check(&None)), (Ok(()), Ok(())));
        let error = primary.check(&server("b")).unwrap_err().to_string();
        assert!(error.contains("run_id b") && error.contains("run_id a"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_hears_when_the_feed_has_gone_over_to_another_server() {
        let (primary, other) = (Primary::new(), server("b"));
        let waits = async || timeout(Duration::from_secs(1), primary.differs(&other)).await.is_err();
        assert!(waits().await, "while the feed is away");
        primary.set(server("b"));
        assert!(waits().await);
        let goes_over = async {
            yield_now().await;
            primary.set(server("a"));
        };
        tokio::join!(primary.differs(&other), goes_over);
    }
}
