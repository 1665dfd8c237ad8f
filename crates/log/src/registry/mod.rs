//! The registry: every followed log of the node, kept true to its stream.
//!
//! A state machine without I/O. It is fed with what the feed says, which channels the connection threads touched, and what
//! the archive answered; [`Registry::end_turn`] then says which reads to start. The clock is handed in.
//!
//! It routes: each channel's log decides ([`channel_log`]) and returns effects ([`effect`]), which are carried out by what owns the
//! things that they change ([`resources`]):
//!
//! | file | what it owns |
//! |---|---|
//! | [`channel_log`] | one channel: the append rule, what answers mean, how its reads stand ([`reads`]), what is known of its stream ([`continuity`]) |
//! | [`directory`] | the channels: by key, by name, and over the limit |
//! | [`links`] | whether each feed is connected and proven |
//! | [`append`], [`evict`] | what goes into the memory of logs and what leaves it, against the node's budget |
//! | [`kept_pages`] | the part of that budget that pages may have |
//! | [`schedule`] | the queues of reads, what is in flight, the allowance and pages that wait for their readers |
//! | [`reconcile`] | whose head is compared with its stream next |
//! | [`timers`] | the heap of timers |
//! | [`notifier`] | which connection threads have something to look at |

mod allowance;
mod append;
mod channel_log;
mod continuity;
mod directory;
mod effect;
mod evict;
mod held_pages;
mod kept_pages;
mod links;
mod log_limit;
mod notifier;
mod reads;
mod reconcile;
mod resources;
mod schedule;
#[cfg(test)]
mod tests;
mod timers;

use std::sync::Arc;

use fanfare_protocol::{Entry, LogName, Push};
use tokio::time::Instant;

use crate::archive::{ArchiveError, Newest, Snapshot, Tip};
use crate::channel::{Channel, Hub};
use crate::feed::{Desired, FeedBatch, FeedEvent};
use crate::options::Options;
use crate::random::Random;
use crate::stats::IngestStats;
use channel_log::ChannelLog;
use directory::Directory;
use effect::{Effects, Pushed};
use links::Links;
use resources::Resources;
pub use schedule::Command;
use timers::Timer;

/// Every followed log of the node.
#[derive(Debug)]
pub struct Registry {
    directory: Directory,
    links: Links,
    resources: Resources,
}

impl Registry {
    /// An empty registry, with what each of the node's feeds (at least one) is to follow. `random` is for jitter: nodes that start together must not do everything together.
    #[must_use]
    pub fn new(
        options: Options,
        hub: Arc<Hub>,
        desired: Vec<Desired>,
        stats: Arc<IngestStats>,
        random: Random,
        now: Instant,
    ) -> Self {
        let links = Links::new(desired.len());
        let directory = Directory::new(options.max_channels, desired);
        Self { directory, links, resources: Resources::new(options, hub, stats, random, now) }
    }

    /// Looks at channels that connection threads touched: new ones, ones with wants, ones without readers.
    pub fn on_touched(&mut self, channels: &[Arc<Channel>], now: Instant) {
        for channel in channels.iter().filter(|channel| !channel.is_forgotten()) {
            let key = channel.key;
            let log = self.directory.open(channel);
            let wants_page = log.wants_page();
            if channel.is_watched() {
                log.on_watched();
                if log.is_over_limit() {
                    self.follow(key);
                }
            } else if log.on_unwatched(now) {
                self.start_linger(key, now);
            }
            if wants_page {
                self.resources.schedule.want_page(key);
            }
        }
    }

    /// Takes in everything that the feed delivered since the last turn.
    pub fn on_feed(&mut self, batch: FeedBatch, now: Instant) {
        // First: what was dropped may have come before any of these, and a push must not be taken for the next one then.
        for name in batch.overflowed {
            self.resources.stats.overflows.add(1);
            let Some(log) = self.directory.named_mut(&name) else { continue };
            log.on_loss();
            self.ring(&name);
        }
        let stats = Arc::clone(&self.resources.stats);
        for (feed, event) in batch.events {
            match event {
                FeedEvent::Connected => {
                    self.links.set_up(feed, true);
                    stats.connected.set(u64::from(self.links.are_up()));
                    stats.connects.add(1);
                }
                FeedEvent::Disconnected => {
                    self.links.set_up(feed, false);
                    stats.connected.set(0);
                    self.directory.of_feed_mut(feed).for_each(ChannelLog::on_disconnected);
                }
                FeedEvent::Subscribed(names) => names.iter().for_each(|name| self.on_subscribed(name, now)),
                FeedEvent::Refused { channels, detail } => {
                    let refused = channels.iter().filter_map(|name| self.directory.named(name));
                    refused.for_each(|log| self.resources.refuse(log, &detail));
                }
                FeedEvent::Push { channel, push } => self.on_push(&channel, push),
                FeedEvent::KeyspaceAdd { channel } => self.on_keyspace_add(&channel, now),
                FeedEvent::Probe => {
                    let since = now.saturating_duration_since(self.resources.began).as_millis();
                    self.links.note_probe(feed, u64::try_from(since).unwrap_or(u64::MAX));
                    stats.proven_ms.set(self.links.proven_ms());
                }
            }
        }
    }

    /// Where streams end: opens logs, and compares those that are open.
    pub fn on_tips(
        &mut self,
        keys: &[usize],
        answer: Result<Vec<Result<Tip, ArchiveError>>, ArchiveError>,
        now: Instant,
    ) {
        self.resources.schedule.tips_answered();
        let tips = answer.unwrap_or_else(|error| keys.iter().map(|_| Err(error.clone())).collect());
        for (&key, tip) in keys.iter().zip(tips) {
            self.decide(key, now, |log| log.on_tip(tip));
        }
    }

    /// A page from the head.
    pub fn on_head(&mut self, key: usize, answer: Result<Snapshot, ArchiveError>, now: Instant) {
        self.resources.schedule.head_answered();
        self.decide(key, now, |log| log.on_head(answer));
    }

    /// A page for readers that are behind.
    pub fn on_page(&mut self, key: usize, answer: Result<Snapshot, ArchiveError>, now: Instant) {
        let read = answer.as_ref().map_or(0, Snapshot::bytes);
        let page = self.directory.get_mut(key).and_then(|log| {
            let answer = log.on_page(answer);
            self.resources.take_page(log, answer, now)
        });
        // Whatever became of its log and its history: what was reserved for it is given back, and what came is paid.
        self.resources.schedule.page_answered(page.unwrap_or(read));
    }

    /// Where the newest entries begin.
    pub fn on_newest(&mut self, key: usize, answer: Result<Newest, ArchiveError>, now: Instant) {
        self.resources.schedule.newest_answered();
        self.decide(key, now, |log| log.on_newest(answer));
    }

    /// Lets a log decide, and carries out what it decided.
    fn decide(&mut self, key: usize, now: Instant, decision: impl FnOnce(&mut ChannelLog) -> Effects) {
        if let Some(log) = self.directory.get_mut(key) {
            let effects = decision(log);
            self.resources.carry_out(log, effects, now);
        }
    }

    /// When [`Registry::on_time`] has to be called next.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        let others = [self.resources.timers.next_at(), self.resources.schedule.next_page_at()];
        others.into_iter().flatten().fold(self.resources.reconcile.next_sweep(), Instant::min)
    }

    /// Does what is due.
    pub fn on_time(&mut self, now: Instant) {
        while let Some((key, timer)) = self.resources.timers.pop(now) {
            match timer {
                Timer::Linger => self.on_linger(key, now),
                Timer::Keyspace => self.on_missing_push(key),
                Timer::Retry => self.decide(key, now, ChannelLog::on_retry),
                Timer::Absence => {
                    let log = self.directory.get(key).filter(|log| log.is_absent());
                    log.into_iter().for_each(|log| self.resources.want_tip(log));
                }
            }
        }
        for key in self.resources.sweep(&self.directory, now) {
            self.directory.get(key).into_iter().for_each(|log| self.resources.want_tip(log));
        }
    }

    /// Ends a turn: keeps the budget and says which reads to start. Call it after any number of `on_…` calls.
    pub fn end_turn(&mut self, now: Instant) -> Vec<Command> {
        self.resources.end_turn(&mut self.directory, now)
    }

    // What the feed says about one channel.

    /// A subscription was acknowledged.
    fn on_subscribed(&mut self, name: &LogName, now: Instant) {
        let Some(log) = self.directory.named_mut(name) else { return };
        let effects = log.on_acknowledged();
        self.resources.accept(log);
        self.resources.carry_out(log, effects, now);
    }

    fn on_push(&mut self, name: &LogName, push: Push) {
        match push {
            Push::Entry(entry) => self.on_entry(name, &entry),
            Push::Ephemeral(event) => {
                let Some(log) = self.directory.named(name) else { return };
                self.resources.stats.ephemerals.add(1);
                self.resources.append_ephemeral(log, &event);
            }
            Push::Doorbell => self.ring(name),
            Push::Malformed => {
                self.resources.stats.malformed.add(1);
                self.ring(name);
            }
        }
    }

    fn on_entry(&mut self, name: &LogName, entry: &Entry) {
        let Some(log) = self.directory.named_mut(name) else { return };
        self.resources.stats.pushes.add(1);
        match log.on_entry(entry) {
            Pushed::Known => self.resources.stats.duplicates.add(1),
            Pushed::Follows => self.resources.append_entry(log, entry.id, &entry.event),
            Pushed::Unknown => self.ring(name),
        }
    }

    fn on_keyspace_add(&mut self, name: &LogName, now: Instant) {
        let Some(log) = self.directory.named_mut(name) else { return };
        if log.on_keyspace_add() {
            self.resources.timers.set(now + self.resources.options.keyspace_grace, log.channel.key, Timer::Keyspace);
        }
    }

    /// The push that belongs to a keyspace notification should have arrived.
    fn on_missing_push(&mut self, key: usize) {
        let Some(log) = self.directory.get_mut(key) else { return };
        if log.takes_missing_pushes() {
            let name = log.channel.name.clone();
            self.ring(&name);
        }
    }

    /// Something was published that the tail does not hold: wants a read of the head.
    fn ring(&mut self, name: &LogName) {
        let Some(log) = self.directory.named_mut(name) else { return };
        self.resources.stats.doorbells.add(1);
        log.on_doorbell();
        self.resources.schedule.want_head(log.channel.key);
    }

    // Channels that come and go.

    /// Follows a channel, if there is room.
    fn follow(&mut self, key: usize) {
        let followed = self.directory.follow(key);
        let Some(log) = self.directory.get(key) else { return };
        if followed {
            self.resources.accept(log);
            self.resources.reconcile.add(key);
        } else {
            self.resources.refuse(log, "this node follows as many channels as it may");
        }
    }

    /// Closes the channel when it has had no reader for long enough.
    fn start_linger(&mut self, key: usize, since: Instant) {
        let linger = self.resources.options.linger;
        self.resources.timers.set_once(key, Timer::Linger, || since + linger);
    }

    fn on_linger(&mut self, key: usize, now: Instant) {
        let Some(log) = self.directory.get(key) else { return };
        let Some(since) = log.idle_since() else { return };
        if now < since + self.resources.options.linger {
            self.start_linger(key, since);
        } else if self.resources.notifier.forget(&log.channel) {
            self.close(key);
        }
    }

    fn close(&mut self, key: usize) {
        let Some((log, next)) = self.directory.close(key) else { return };
        self.resources.release(&log);
        if let Some(next) = next {
            self.follow(next);
        }
    }

    /// Checks that what is charged to the budget is what is held.
    ///
    /// # Panics
    /// If it is not.
    #[cfg(feature = "testing")]
    pub fn assert_accounts(&self) {
        let held = self.directory.all().map(ChannelLog::held_bytes).sum::<usize>();
        assert_eq!(self.resources.held_bytes(), held, "the budget has drifted");
    }
}
