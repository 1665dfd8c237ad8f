//! Keeping one connection's subscriptions in line with what is desired.
//!
//! One forbidden channel fails a whole SUBSCRIBE, so a refused batch is halved until the culprits stand alone. That is done apart:
//! a few commands in a turn, between the batches of everybody else, and names of a payer who asked for a forbidden one lately
//! share no batch with those of others.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::sync::Arc;

use fanfare_log::{Changes, Desired, FeedEvent, FeedSink, Payer};
use fanfare_protocol::{LogName, limits};
use redis::aio::MultiplexedConnection;
use tokio::time::{Instant, sleep_until};

use super::observer::FeedObserver;
use super::options::FeedOptions;
use super::push::keyspace_channel;
use super::refusals::Refusals;
use crate::error::Error;

/// Subscribes to every desired channel, then follows the changes. Returns only when the connection fails.
pub(super) async fn keep(
    options: &FeedOptions,
    connection: MultiplexedConnection,
    desired: &Desired,
    sink: &FeedSink,
    observer: &dyn FeedObserver,
    refusals: &mut Refusals,
) -> Error {
    let (again, refused) = refusals.begin(desired.snapshot(), Instant::now());
    let mut subscriptions = Subscriptions {
        options,
        connection,
        sink,
        confirmed: HashSet::new(),
        again,
        suspects: VecDeque::new(),
        asked: HashSet::new(),
        refusals,
        refused: Vec::new(),
        keyspace: options.keyspace_notifications,
    };
    subscriptions.suspect(refused.into_iter().map(|name| (Payer::NODE, name)).collect());
    loop {
        let is_idle = match subscriptions.turn(desired.take(limits::SUBSCRIBE_BATCH_MAX)).await {
            Ok(is_idle) => is_idle,
            Err(error) => return error,
        };
        observer.subscribed(subscriptions.confirmed.len());
        if subscriptions.is_caught_up() {
            observer.caught_up();
        }
        if is_idle {
            let retry_at = subscriptions.refusals.retry_at();
            tokio::select! {
                () = sleep_until(retry_at.unwrap_or_else(Instant::now)), if retry_at.is_some() => {}
                () = desired.changed() => {}
            }
        }
    }
}

/// A name to subscribe to, and who asked for it.
type Asked = (Payer, LogName);

struct Subscriptions<'a> {
    options: &'a FeedOptions,
    connection: MultiplexedConnection,
    sink: &'a FeedSink,
    /// What this connection is subscribed to. It dies with the connection.
    confirmed: HashSet<LogName>,
    /// What was desired when the connection came up and has not had its turn yet.
    again: BTreeSet<LogName>,
    /// Batches that may hold a forbidden name. The next is in front.
    suspects: VecDeque<Vec<Asked>>,
    /// The names in `suspects` that are still desired and not answered.
    asked: HashSet<LogName>,
    refusals: &'a mut Refusals,
    /// What was refused in this turn.
    refused: Vec<(LogName, Arc<str>)>,
    keyspace: bool,
}

impl Subscriptions<'_> {
    /// Does a bounded part of what there is to do. Returns whether that was all.
    async fn turn(&mut self, changes: Changes) -> Result<bool, Error> {
        let now = Instant::now();
        let is_unchanged = changes == Changes::default();
        self.unsubscribe(&changes.unwanted).await?;
        self.subscribe_new(changes.wanted, now).await?;
        let again: Vec<_> =
            (0..self.batch()).map_while(|_| self.again.pop_first()).map(|name| (Payer::NODE, name)).collect();
        self.attempt(again).await?;
        let due = self.refusals.take_due(now);
        self.suspect(due.into_iter().map(|name| (Payer::NODE, name)).collect());
        for _ in 0..limits::SUBSCRIBE_SUSPECTS_PER_TURN {
            let Some(mut batch) = self.suspects.pop_front() else { break };
            batch.retain(|(_, name)| self.asked.remove(name));
            self.attempt(batch).await?;
        }
        self.tell_refused(Instant::now());
        Ok(is_unchanged && self.is_caught_up())
    }

    /// Whether nothing waits for its turn, neither what was desired when the connection came up nor suspects.
    fn is_caught_up(&self) -> bool {
        self.again.is_empty() && self.suspects.is_empty()
    }

    /// Channels in one command: each takes two names when keyspace notifications are listened to.
    fn batch(&self) -> usize {
        limits::SUBSCRIBE_BATCH_MAX / if self.keyspace { 2 } else { 1 }
    }

    /// Subscribes to channels that have come into the set.
    async fn subscribe_new(&mut self, wanted: Vec<Asked>, now: Instant) -> Result<(), Error> {
        let (mut here, mut fresh) = (Vec::new(), Vec::new());
        let mut apart: BTreeMap<Payer, Vec<Asked>> = BTreeMap::new();
        for (payer, name) in wanted {
            if self.confirmed.contains(&name) {
                // It was closed and opened again: it is still subscribed here, but its new log waits to hear so.
                here.push(name);
            } else if let Some(detail) = self.refusals.recall(&name, now) {
                self.refused.push((name, detail));
            } else if self.refusals.is_suspect(payer) {
                apart.entry(payer).or_default().push((payer, name));
            } else {
                fresh.push((payer, name));
            }
        }
        if !here.is_empty() {
            self.sink.send(FeedEvent::Subscribed(here));
        }
        apart.into_values().for_each(|batch| self.suspect(batch));
        while !fresh.is_empty() {
            let later = fresh.split_off(self.batch().min(fresh.len()));
            self.attempt(std::mem::replace(&mut fresh, later)).await?;
        }
        Ok(())
    }

    /// Puts names aside that may be forbidden.
    fn suspect(&mut self, mut names: Vec<Asked>) {
        while !names.is_empty() {
            let later = names.split_off(self.batch().min(names.len()));
            self.asked.extend(names.iter().map(|(_, name)| name.clone()));
            self.suspects.push_back(std::mem::replace(&mut names, later));
        }
    }

    /// Subscribes to names in one command. If Redis refuses it, each half is suspect.
    async fn attempt(&mut self, mut batch: Vec<Asked>) -> Result<(), Error> {
        if batch.is_empty() {
            return Ok(());
        }
        match self.command(&batch).await {
            Ok(()) => self.confirm(batch),
            Err(Error::Denied(reason)) => match &batch[..] {
                [(payer, name)] => {
                    let detail = Arc::from(format!("Redis refuses the subscription: {reason}"));
                    self.refusals.note(*payer, name, &detail, Instant::now());
                    self.refused.push((name.clone(), detail));
                }
                _ => {
                    let half = batch.split_off(batch.len() / 2);
                    self.suspect(batch);
                    self.suspect(half);
                }
            },
            Err(error) => return Err(error),
        }
        Ok(())
    }

    async fn command(&mut self, batch: &[Asked]) -> Result<(), Error> {
        let channels = self.keys(batch.iter().map(|(_, name)| name));
        if self.keyspace {
            let notifications = self.keyspace_channels(batch.iter().map(|(_, name)| name));
            match self.notify(&notifications).await {
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

    async fn notify(&mut self, notifications: &[String]) -> Result<(), Error> {
        if notifications.is_empty() { Ok(()) } else { Ok(self.connection.subscribe(notifications).await?) }
    }

    async fn unsubscribe(&mut self, unwanted: &[LogName]) -> Result<(), Error> {
        for name in unwanted {
            self.again.remove(name);
            self.asked.remove(name);
            self.refusals.settle(name);
        }
        let names: Vec<_> = unwanted.iter().filter(|name| self.confirmed.remove(*name)).collect();
        for batch in names.chunks(self.batch()) {
            let mut channels = self.keys(batch.iter().copied());
            if self.keyspace {
                channels.extend(self.keyspace_channels(batch.iter().copied()));
            }
            self.connection.unsubscribe(&channels).await?;
        }
        Ok(())
    }

    fn keys<'a>(&self, names: impl Iterator<Item = &'a LogName>) -> Vec<String> {
        names.map(|name| self.options.keys.stream(name)).collect()
    }

    /// Whoever writes a log of the gateway's own tells of it, and no ACL has to allow these.
    fn keyspace_channels<'a>(&self, names: impl Iterator<Item = &'a LogName>) -> Vec<String> {
        let key = |name| keyspace_channel(self.options.database(), &self.options.keys.stream(name));
        names.filter(|name| !name.is_system()).map(key).collect()
    }

    fn confirm(&mut self, batch: Vec<Asked>) {
        let names: Vec<_> = batch.into_iter().map(|(_, name)| name).collect();
        names.iter().for_each(|name| self.refusals.settle(name));
        self.confirmed.extend(names.iter().cloned());
        self.sink.send(FeedEvent::Subscribed(names));
    }

    /// Tells what was refused in this turn: the ingest each time, since a channel that was closed and opened again meanwhile has
    /// not heard; the log now and then.
    fn tell_refused(&mut self, now: Instant) {
        let Some((channel, detail)) = self.refused.first().cloned() else { return };
        if let Some(names) = self.refusals.take_untold(now) {
            tracing::warn!(
                %channel,
                names,
                %detail,
                "channels cannot be followed; allow the Pub/Sub channel &{}",
                self.options.keys.stream(&channel)
            );
        }
        let channels = std::mem::take(&mut self.refused).into_iter().map(|(name, _)| name).collect();
        self.sink.send(FeedEvent::Refused { channels, detail: detail.to_string() });
    }
}

#[cfg(test)]
mod tests;
