//! Keeping one connection's subscriptions in line with what is desired.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use fanfare_log::{Changes, Desired, FeedEvent, FeedSink};
use fanfare_protocol::{LogName, limits};
use redis::aio::MultiplexedConnection;
use tokio::time::{Instant, sleep_until};

use super::observer::FeedObserver;
use super::options::FeedOptions;
use super::push::keyspace_channel;
use crate::error::Error;

/// How long refused subscriptions rest before they are tried again, at first and at most: somebody has to change an ACL.
const REFUSED_REST: Duration = Duration::from_secs(5);
const REFUSED_REST_MAX: Duration = Duration::from_secs(20);

/// Subscribes to every desired channel, then follows the changes. Returns only when the connection fails.
pub(super) async fn keep(
    options: &FeedOptions,
    connection: MultiplexedConnection,
    desired: &Desired,
    sink: &FeedSink,
    observer: &dyn FeedObserver,
) -> Error {
    let mut subscriptions = Subscriptions {
        options,
        connection,
        sink,
        confirmed: HashSet::new(),
        refused: BTreeSet::new(),
        keyspace: options.keyspace_notifications,
    };
    // What the last connection was subscribed to. New channels come in between.
    let mut again: BTreeSet<LogName> = desired.snapshot().into_iter().collect();
    let mut rest = REFUSED_REST;
    let mut retry_at = Instant::now() + rest;
    loop {
        let mut changes = desired.take(limits::SUBSCRIBE_BATCH_MAX);
        changes.unwanted.iter().for_each(|name| _ = again.remove(name));
        let is_settled = again.is_empty() && changes == Changes::default();
        changes.wanted.extend((0..limits::SUBSCRIBE_BATCH_MAX).map_while(|_| again.pop_first()));
        if let Err(error) = subscriptions.apply(changes).await {
            return error;
        }
        observer.subscribed(subscriptions.confirmed.len());
        if subscriptions.refused.is_empty() {
            rest = REFUSED_REST;
            retry_at = Instant::now() + rest;
        }
        if !is_settled {
            continue;
        }
        tokio::select! {
            // The rare one first: changes that never cease must not keep the refused from being tried again.
            biased;
            () = sleep_until(retry_at), if !subscriptions.refused.is_empty() => {
                rest = (rest * 2).min(REFUSED_REST_MAX);
                retry_at = Instant::now() + rest;
                again = subscriptions.refused.clone();
            }
            () = desired.changed() => {}
        }
    }
}

struct Subscriptions<'a> {
    options: &'a FeedOptions,
    connection: MultiplexedConnection,
    sink: &'a FeedSink,
    /// What this connection is subscribed to. It dies with the connection.
    confirmed: HashSet<LogName>,
    refused: BTreeSet<LogName>,
    keyspace: bool,
}

impl Subscriptions<'_> {
    /// Brings these channels in line with what is desired.
    async fn apply(&mut self, Changes { wanted, unwanted }: Changes) -> Result<(), Error> {
        // A channel that was closed and opened again is still subscribed here, but its new log waits to hear so.
        let (here, missing): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|name| self.confirmed.contains(name));
        if !here.is_empty() {
            self.sink.send(FeedEvent::Subscribed(here));
        }
        for batch in missing.chunks(self.batch()) {
            self.subscribe(batch).await?;
        }
        for batch in unwanted.chunks(self.batch()) {
            self.unsubscribe(batch).await?;
        }
        Ok(())
    }

    /// Channels in one command: each takes two names when keyspace notifications are listened to.
    fn batch(&self) -> usize {
        limits::SUBSCRIBE_BATCH_MAX / if self.keyspace { 2 } else { 1 }
    }

    /// One forbidden channel fails the whole command, so a refused batch is halved until the culprits stand alone.
    async fn subscribe(&mut self, names: &[LogName]) -> Result<(), Error> {
        let mut batches = vec![names];
        let mut refused = Vec::new();
        let mut detail = String::new();
        while let Some(batch) = batches.pop() {
            match self.command(batch).await {
                Ok(()) => self.confirm(batch),
                Err(Error::Denied(reason)) => match batch {
                    [name] => {
                        detail = reason;
                        refused.push(name.clone());
                    }
                    _ => {
                        let (left, right) = batch.split_at(batch.len() / 2);
                        batches.extend([right, left]);
                    }
                },
                Err(error) => return Err(error),
            }
        }
        if !refused.is_empty() {
            self.refuse(refused, &detail);
        }
        Ok(())
    }

    async fn command(&mut self, names: &[LogName]) -> Result<(), Error> {
        let channels = self.keys(names);
        if self.keyspace {
            let notifications = self.keyspace_channels(&channels);
            match self.connection.subscribe(&notifications).await.map_err(Error::from) {
                Err(Error::Denied(reason)) => {
                    self.keyspace = false;
                    tracing::warn!(
                        reason,
                        "the ACL forbids keyspace notifications: a plain XADD is delivered within redis.reconcile_interval; \
                         allow the Pub/Sub channels &{}*",
                        keyspace_channel(self.options.database(), &self.options.keys.prefix)
                    );
                }
                other => other?,
            }
        }
        Ok(self.connection.subscribe(&channels).await?)
    }

    async fn unsubscribe(&mut self, names: &[LogName]) -> Result<(), Error> {
        for name in names {
            self.refused.remove(name);
        }
        let names: Vec<_> = names.iter().filter(|name| self.confirmed.remove(*name)).cloned().collect();
        if names.is_empty() {
            return Ok(());
        }
        let mut channels = self.keys(&names);
        if self.keyspace {
            channels.extend(self.keyspace_channels(&channels));
        }
        Ok(self.connection.unsubscribe(&channels).await?)
    }

    fn keys(&self, names: &[LogName]) -> Vec<String> {
        names.iter().map(|name| self.options.keys.stream(name)).collect()
    }

    fn keyspace_channels(&self, keys: &[String]) -> Vec<String> {
        keys.iter().map(|key| keyspace_channel(self.options.database(), key)).collect()
    }

    fn confirm(&mut self, names: &[LogName]) {
        for name in names {
            self.refused.remove(name);
            self.confirmed.insert(name.clone());
        }
        self.sink.send(FeedEvent::Subscribed(names.to_vec()));
    }

    /// Told at every attempt, since a channel that was closed and opened again meanwhile has not heard; logged once.
    fn refuse(&mut self, names: Vec<LogName>, error: &str) {
        let new = names.iter().filter(|name| !self.refused.contains(*name)).count();
        self.refused.extend(names.iter().cloned());
        let detail = format!("Redis refuses the subscription: {error}");
        if new > 0 {
            let channel = &names[0];
            tracing::warn!(
                %channel,
                new,
                detail,
                "channels cannot be followed; allow the Pub/Sub channel &{}",
                self.options.keys.stream(channel)
            );
        }
        self.sink.send(FeedEvent::Refused { channels: names, detail });
    }
}
