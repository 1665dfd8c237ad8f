//! Keeping one connection's subscriptions in line with what is desired.

use std::collections::HashSet;
use std::time::Duration;

use fanfare_log::{Desired, FeedEvent, FeedSink};
use fanfare_protocol::{ChannelName, limits};
use redis::RedisError;
use redis::aio::MultiplexedConnection;
use tokio::time::{Instant, sleep_until};

use super::push::keyspace_channel;
use super::{FeedObserver, FeedOptions};

/// How long a refused subscription rests before it is tried again: somebody has to change an ACL first.
const REFUSED_REST: Duration = Duration::from_secs(5);

/// Subscribes to every desired channel, then follows the changes. Returns only when the connection fails.
pub(super) async fn keep(
    options: &FeedOptions,
    connection: MultiplexedConnection,
    desired: &Desired,
    sink: &FeedSink,
    observer: &dyn FeedObserver,
) -> RedisError {
    let mut subscriptions = Subscriptions {
        options,
        connection,
        desired,
        sink,
        confirmed: HashSet::new(),
        refused: HashSet::new(),
        keyspace: options.keyspace_notifications,
    };
    let mut names = desired.snapshot();
    loop {
        if let Err(error) = subscriptions.apply(names).await {
            return error;
        }
        observer.subscribed(subscriptions.confirmed.len());
        let retry = Instant::now() + REFUSED_REST;
        names = tokio::select! {
            () = desired.changed() => desired.take_changes(),
            () = sleep_until(retry), if !subscriptions.refused.is_empty() => subscriptions.refused.iter().cloned().collect(),
        };
    }
}

struct Subscriptions<'a> {
    options: &'a FeedOptions,
    connection: MultiplexedConnection,
    desired: &'a Desired,
    sink: &'a FeedSink,
    /// What this connection is subscribed to. It dies with the connection.
    confirmed: HashSet<ChannelName>,
    refused: HashSet<ChannelName>,
    keyspace: bool,
}

impl Subscriptions<'_> {
    /// Brings these channels in line with what is desired.
    async fn apply(&mut self, names: Vec<ChannelName>) -> Result<(), RedisError> {
        let (wanted, unwanted): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| self.desired.contains(name));
        // A channel that was closed and opened again is still subscribed here, but its new log waits to hear so.
        let (here, missing): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|name| self.confirmed.contains(name));
        if !here.is_empty() {
            self.sink.send(FeedEvent::Subscribed(here));
        }
        for batch in missing.chunks(limits::SUBSCRIBE_BATCH_MAX) {
            self.subscribe(batch).await?;
        }
        for batch in unwanted.chunks(limits::SUBSCRIBE_BATCH_MAX) {
            self.unsubscribe(batch).await?;
        }
        Ok(())
    }

    async fn subscribe(&mut self, names: &[ChannelName]) -> Result<(), RedisError> {
        match self.command(names).await {
            Ok(()) => {
                self.confirm(names);
                Ok(())
            }
            // One forbidden channel fails the whole command: find out which.
            Err(error) if is_refusal(&error) => {
                for name in names {
                    match self.command(std::slice::from_ref(name)).await {
                        Ok(()) => self.confirm(std::slice::from_ref(name)),
                        Err(error) if is_refusal(&error) => self.refuse(name, &error),
                        Err(error) => return Err(error),
                    }
                }
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    async fn command(&mut self, names: &[ChannelName]) -> Result<(), RedisError> {
        if self.keyspace {
            let database = self.options.connection.redis_settings().db();
            let channels: Vec<_> = self.keys(names).iter().map(|key| keyspace_channel(database, key)).collect();
            match self.connection.subscribe(&channels).await {
                Err(error) if is_refusal(&error) => {
                    self.keyspace = false;
                    tracing::warn!(
                        %error,
                        "the ACL forbids keyspace notifications: a plain XADD is delivered within redis.reconcile_interval; \
                         allow the Pub/Sub channels __keyspace@*__:{}*",
                        self.options.prefix
                    );
                }
                other => other?,
            }
        }
        let keys = self.keys(names);
        self.connection.subscribe(&keys).await
    }

    async fn unsubscribe(&mut self, names: &[ChannelName]) -> Result<(), RedisError> {
        names.iter().for_each(|name| {
            self.refused.remove(name);
        });
        let names: Vec<_> = names.iter().filter(|name| self.confirmed.remove(*name)).cloned().collect();
        if names.is_empty() {
            return Ok(());
        }
        let mut keys = self.keys(&names);
        if self.keyspace {
            let database = self.options.connection.redis_settings().db();
            let channels: Vec<_> = keys.iter().map(|key| keyspace_channel(database, key)).collect();
            keys.extend(channels);
        }
        self.connection.unsubscribe(&keys).await
    }

    fn keys(&self, names: &[ChannelName]) -> Vec<String> {
        names.iter().map(|name| format!("{}{name}", self.options.prefix)).collect()
    }

    fn confirm(&mut self, names: &[ChannelName]) {
        for name in names {
            self.refused.remove(name);
            self.confirmed.insert(name.clone());
        }
        self.sink.send(FeedEvent::Subscribed(names.to_vec()));
    }

    fn refuse(&mut self, name: &ChannelName, error: &RedisError) {
        if self.refused.insert(name.clone()) {
            let detail = format!("Redis refuses the subscription: {error}");
            tracing::warn!(channel = %name, detail, "a channel cannot be followed; trying again every {REFUSED_REST:?}");
            self.sink.send(FeedEvent::Refused { channels: vec![name.clone()], detail });
        }
    }
}

fn is_refusal(error: &RedisError) -> bool {
    error.code() == Some("NOPERM")
}
