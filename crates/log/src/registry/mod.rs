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
//! | [`channel_log`] | one channel: the append rule, what answers mean, how its reads stand ([`reads`]). Parts of it: what is known of its stream ([`continuity`]), what messages have told that no read has shown ([`heard`]), what of its stream a log of the gateway's own holds ([`own_log`]), what those have named that are not believed ([`announced`]), what of a page from the head goes into the tail ([`head_page`]), its readers who are behind ([`paging`]), which reads failed ([`failures`]) and where they always do ([`unreadable`]) |
//! | [`directory`] | the channels: by key and by name |
//! | [`lingering`] | the channels without readers, until they are closed |
//! | [`links`] | whether each feed is connected and proven |
//! | [`append`], [`evict`] | what goes into the memory of logs and what leaves it, against the node's budget |
//! | [`kept_pages`] | the part of that budget that pages may have |
//! | [`spared_pages`] | which of them stay although memory is short |
//! | [`refused_names`] | names of which the store refused lately to tell where their streams end |
//! | [`schedule`] | the queues of reads, what is in flight, the allowance and pages that wait for their readers |
//! | [`successes`] | when reads began, and which channels' entries were read last |
//! | [`expiries`] | the streams that seem to have expired, until the feed has proven that it told everything |
//! | [`reconcile`] | whose head is compared with its stream next |
//! | [`since`] | which channels wait for something, and since when |
//! | [`timers`] | the heap of timers |
//! | [`unfounded`] | when operators are told of messages without their entries |
//! | [`notifier`] | which connection threads have something to look at |

mod allowance;
mod announced;
mod append;
mod channel_log;
mod continuity;
mod directory;
mod effect;
mod evict;
mod expiries;
mod failures;
mod head_page;
mod heard;
mod held_pages;
mod kept_pages;
mod lingering;
mod links;
mod log_limit;
mod notifier;
mod own_log;
mod paging;
mod reads;
mod reconcile;
mod refused_names;
mod resources;
mod schedule;
mod since;
mod spared_pages;
mod successes;
#[cfg(test)]
mod tests;
mod timers;
mod unfounded;
mod unreadable;

use std::sync::Arc;

use fanfare_protocol::{Entry, EntryId, LogName, Push};
use tokio::time::Instant;

use crate::archive::{ArchiveError, NewestRead, Snapshot, Tip};
use crate::channel::{Channel, Hub};
use crate::feed::{Desired, FeedBatch, FeedEvent, FeedId};
use crate::options::Options;
use crate::random::Random;
use crate::refusal::Refusal;
use crate::stats::IngestStats;
use channel_log::ChannelLog;
use continuity::FeedLag;
use directory::Directory;
use effect::{Effects, Pushed};
use links::Links;
use reads::ReadKind;
use resources::Resources;
pub use schedule::Command;
use successes::Evidence;
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
        let directory = Directory::new(desired);
        Self { directory, links, resources: Resources::new(options, hub, stats, random, now) }
    }

    /// Where it counts what it does.
    pub(crate) fn stats(&self) -> &Arc<IngestStats> {
        &self.resources.stats
    }

    /// Looks at channels that connection threads touched: new ones, ones with wants, ones without readers.
    pub fn on_touched(&mut self, channels: &[Arc<Channel>], now: Instant) {
        for channel in channels {
            if channel.is_forgotten() {
                self.close(channel.key);
                self.resources.notifier.note_closed(channel);
                continue;
            }
            let key = channel.key;
            let (log, is_new) = self.directory.open(channel);
            let askers = log.take_askers();
            if channel.has_viewers() {
                if let Some(since) = log.on_readers_came() {
                    self.resources.lingering.remove(since, key);
                }
            } else if log.on_readers_gone(now) {
                self.resources.lingering.add(now, key);
            }
            if is_new {
                self.resources.reconcile.add(key);
                self.resources.unprimed.begin(key, now);
                self.resources.stats.channels_opened.add(1);
            }
            askers.into_iter().for_each(|payer| self.resources.schedule.want_page(payer, key, now));
            self.close_if_useless(key);
        }
    }

    /// Takes in what the feed delivered since the last turn, or the next part of it.
    pub fn on_feed(&mut self, batch: FeedBatch, now: Instant) {
        self.resources.stats.shed.add(batch.shed);
        // First: what was dropped may have come before any of these, and a push must not be taken for the next one then.
        for name in batch.overflowed {
            self.resources.stats.overflows.add(1);
            let Some(log) = self.directory.named_mut(&name) else { continue };
            log.on_loss();
            self.ring(&name, None, now);
        }
        let stats = Arc::clone(&self.resources.stats);
        for (feed, event) in batch.events {
            match event {
                FeedEvent::Connected => {
                    self.links.set_up(feed, true);
                    self.resources.notifier.set_link(self.links.number());
                    stats.connected.set(u64::from(self.links.are_up()));
                    stats.connects.add(1);
                }
                FeedEvent::Disconnected => {
                    self.links.set_up(feed, false);
                    // Before anything that comes later, on another connection.
                    self.resources.notifier.set_link(self.links.number());
                    stats.connected.set(0);
                    self.directory.of_feed_mut(feed).for_each(ChannelLog::on_disconnected);
                }
                FeedEvent::Subscribed(names) => names.iter().for_each(|name| self.on_subscribed(name, now)),
                FeedEvent::Refused { channels, detail } => {
                    channels.iter().for_each(|name| self.on_refused(name, &detail));
                }
                FeedEvent::Push { channel, push } => self.on_push(&channel, push, now),
                FeedEvent::Announced { channel, id, prev } => self.on_announced(&channel, id, prev, now),
                FeedEvent::KeyspaceAdd { channel } => self.on_keyspace_add(&channel, now),
                FeedEvent::Probe { began } => self.on_probe(feed, began, now),
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
        self.resources.schedule.tips_answered(keys);
        let tips = answer.unwrap_or_else(|error| keys.iter().map(|_| Err(error.clone())).collect());
        for (&key, tip) in keys.iter().zip(tips) {
            let lag = self.feed_lag(key, now);
            let began = self.resources.successes.end(key, ReadKind::Tip);
            self.decide(key, now, |log| {
                if let (Ok(tip), Some((began, _))) = (&tip, began) {
                    log.note_tip(tip.position, began);
                }
                log.on_tip(tip, lag)
            });
        }
    }

    /// A page from the head.
    pub fn on_head(&mut self, key: usize, answer: Result<Snapshot, ArchiveError>, now: Instant) {
        self.resources.schedule.head_answered();
        let lag = self.feed_lag(key, now);
        let evidence = self.evidence(key, ReadKind::Head, answer.is_ok(), now);
        self.decide(key, now, |log| log.on_head(answer, lag, evidence));
    }

    /// How far the feed of a channel has proven itself when an answer is looked at now; `None` if that need not be known.
    fn feed_lag(&self, key: usize, now: Instant) -> Option<FeedLag> {
        let log = self.directory.get(key).filter(|_| self.resources.options.feed_lags)?;
        Some(FeedLag { looked_at: now, proven: self.links.proven_of(log.feed) })
    }

    /// A read of a channel's entries has ended: what is known of it and of others.
    fn evidence(&mut self, key: usize, kind: ReadKind, is_success: bool, now: Instant) -> Evidence {
        let successes = &mut self.resources.successes;
        let (began, began_at) = successes.end(key, kind).unwrap_or((0, now));
        let mut evidence = Evidence { began, began_at, ended_at: now, others: None };
        let Some(log) = self.directory.get(key) else { return evidence };
        if is_success {
            successes.note(log.feed, key, began);
        }
        evidence.others = successes.of_others(log.feed, key);
        evidence
    }

    /// A page for readers that are behind.
    pub fn on_page(&mut self, key: usize, answer: Result<Snapshot, ArchiveError>, now: Instant) {
        let evidence = self.evidence(key, ReadKind::Page, answer.is_ok(), now);
        let read = self.cost(&answer, Snapshot::bytes);
        let page = self.directory.get_mut(key).and_then(|log| {
            let answer = log.on_page(answer, evidence);
            self.resources.take_page(log, answer, now)
        });
        // Whatever became of its log and its history: what was reserved for it is given back, and what was read is paid.
        self.resources.schedule.page_answered(key, page.unwrap_or(read), now);
    }

    /// Where the newest entries begin.
    pub fn on_newest(&mut self, key: usize, answer: Result<NewestRead, ArchiveError>, now: Instant) {
        self.evidence(key, ReadKind::Page, answer.is_ok(), now);
        self.resources.schedule.page_answered(key, self.cost(&answer, |read| read.bytes), now);
        self.decide(key, now, |log| log.on_newest(answer.map(|read| read.newest)));
    }

    /// What a read for readers who are behind has cost. One that did not arrive has cost the store its work, and the link: no less than what
    /// was reserved for it.
    fn cost<T>(&self, answer: &Result<T, ArchiveError>, bytes: impl FnOnce(&T) -> usize) -> usize {
        match answer {
            Ok(read) => bytes(read),
            Err(ArchiveError::Timeout | ArchiveError::SingleEntry(_)) => self.resources.options.page_bytes,
            Err(_) => 0,
        }
    }

    /// Lets a log decide, and carries out what it decided.
    fn decide(&mut self, key: usize, now: Instant, decision: impl FnOnce(&mut ChannelLog) -> Effects) {
        if let Some(log) = self.directory.get_mut(key) {
            let effects = decision(log);
            self.resources.carry_out(log, effects, now);
            self.close_if_useless(key);
        }
    }

    /// When [`Registry::on_time`] has to be called next.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        let resources = &self.resources;
        let others = [resources.timers.next_at(), resources.lingering.next_at(), resources.schedule.next_page_at()];
        others.into_iter().flatten().fold(self.resources.reconcile.next_sweep(), Instant::min)
    }

    /// Does what is due.
    pub fn on_time(&mut self, now: Instant) {
        while let Some((key, timer)) = self.resources.timers.pop(now) {
            match timer {
                Timer::Keyspace => self.on_missing_push(key, now),
                Timer::Retry(kind) => self.decide(key, now, |log| log.on_retry(kind)),
                Timer::Unreadable => {
                    let log = self.directory.get(key);
                    log.into_iter().for_each(|log| self.resources.forget_skips(log));
                }
                Timer::Absence => {
                    let log = self.directory.get(key).filter(|log| log.is_absent());
                    log.into_iter().for_each(|log| self.resources.want_tip(log, now));
                }
            }
        }
        while let Some(key) = self.resources.lingering.pop(now) {
            self.on_lingered(key);
        }
        for key in self.resources.sweep(&self.directory, now) {
            self.directory.get(key).into_iter().for_each(|log| self.resources.want_tip(log, now));
        }
    }

    /// Ends a turn: keeps the budget and says which reads to start. Call it after any number of `on_…` calls.
    pub fn end_turn(&mut self, now: Instant) -> Vec<Command> {
        self.resources.end_turn(&mut self.directory, now)
    }

    /// A round trip through a feed was proven that began then.
    fn on_probe(&mut self, feed: FeedId, began: Instant, now: Instant) {
        self.links.note_probe(feed, began);
        let proven = self.links.proven();
        self.resources.note_proven(proven);
        self.resources.note_round_trip(now.saturating_duration_since(began));
        for log in self.directory.own_logs() {
            self.resources.carry_out(log, log.cover(), now);
        }
        for key in self.resources.expiries.take_due(feed, began) {
            self.directory.get(key).into_iter().for_each(|log| self.resources.want_tip(log, now));
        }
    }

    // What the feed says about one channel.

    /// A subscription was acknowledged.
    fn on_subscribed(&mut self, name: &LogName, now: Instant) {
        let Some(log) = self.directory.named_mut(name) else { return };
        let effects = log.on_acknowledged();
        self.resources.accept(log);
        if !log.is_open() {
            self.resources.unprimed.begin(log.channel.key, now);
        }
        self.resources.carry_out(log, effects, now);
    }

    /// A subscription was refused. What nobody reads costs nothing from now on.
    fn on_refused(&mut self, name: &LogName, detail: &str) {
        let Some(log) = self.directory.named(name) else { return };
        let key = log.channel.key;
        self.resources.refuse(log, Refusal::Denied(Arc::from(detail)));
        self.close_if_useless(key);
    }

    fn on_push(&mut self, name: &LogName, push: Push, now: Instant) {
        match push {
            Push::Entry(entry) => self.on_entry(name, &entry, now),
            Push::Ephemeral(event) => {
                let Some(log) = self.directory.named(name) else { return };
                self.resources.stats.ephemerals.add(1);
                self.resources.append_ephemeral(log, &event);
            }
            Push::Doorbell => self.ring(name, None, now),
            Push::Malformed => {
                self.resources.stats.malformed.add(1);
                self.ring(name, None, now);
            }
        }
    }

    fn on_entry(&mut self, name: &LogName, entry: &Entry, now: Instant) {
        let Some(log) = self.directory.named_mut(name) else { return };
        self.resources.stats.pushes.add(1);
        match log.on_entry(entry) {
            Pushed::Known => self.resources.stats.duplicates.add(1),
            Pushed::Follows => self.resources.append_entry(log, entry.id, &entry.event),
            Pushed::Unknown => self.ring(name, Some(entry.id), now),
        }
    }

    /// A message that is not believed named an entry. Nothing of it can get into a tail: the entry is read.
    fn on_announced(&mut self, name: &LogName, id: EntryId, prev: Option<EntryId>, now: Instant) {
        let Some(log) = self.directory.named_mut(name) else { return };
        self.resources.stats.pushes.add(1);
        match log.on_announced(id, prev) {
            Pushed::Known => self.resources.stats.duplicates.add(1),
            Pushed::Follows | Pushed::Unknown => self.ring(name, Some(id), now),
        }
    }

    fn on_keyspace_add(&mut self, name: &LogName, now: Instant) {
        let Some(log) = self.directory.named_mut(name) else { return };
        if log.on_keyspace_add() {
            self.resources.timers.set(now + self.resources.options.keyspace_grace, log.channel.key, Timer::Keyspace);
        }
    }

    /// The push that belongs to a keyspace notification should have arrived.
    fn on_missing_push(&mut self, key: usize, now: Instant) {
        let Some(log) = self.directory.get_mut(key) else { return };
        if log.takes_missing_pushes() {
            let name = log.channel.name.clone();
            self.ring(&name, None, now);
        }
    }

    /// Something was published that the tail does not hold: wants a read of the head. `id`: the entry, if the message names one.
    fn ring(&mut self, name: &LogName, id: Option<EntryId>, now: Instant) {
        let Some(log) = self.directory.named_mut(name) else { return };
        self.resources.stats.doorbells.add(1);
        let cover = log.on_doorbell(id, self.links.published_by(now));
        self.resources.want_head(log);
        if let Some(cover) = cover {
            self.resources.carry_out(log, vec![cover], now);
        }
    }

    // Channels that come and go.

    /// The channel has had no reader for long enough.
    fn on_lingered(&mut self, key: usize) {
        let Some(log) = self.directory.get_mut(key) else { return };
        if self.resources.notifier.forget(&log.channel) {
            self.close(key);
        } else {
            // It has a reader again, of which the registry has not heard yet.
            log.on_readers_came();
        }
    }

    /// Closes a channel that cannot be followed and has no reader: a reconnect would find nothing there.
    fn close_if_useless(&mut self, key: usize) {
        let Some(log) = self.directory.get(key) else { return };
        if log.is_refused() && self.resources.notifier.forget(&log.channel) {
            self.close(key);
        }
    }

    fn close(&mut self, key: usize) {
        if let Some(log) = self.directory.close(key) {
            self.resources.release(&log);
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
