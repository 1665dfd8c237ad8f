//! What the logs of a node share: the budget, the schedule of reads, timers, notifications. What a log decided is carried out here.

use std::sync::Arc;
use std::time::Duration;

use fanfare_protocol::limits::{UNREADABLE_OTHERS_TRIED_MAX, UNREADABLE_TOLD};
use fanfare_protocol::{EntryId, Event, Frame, GapReason};
use tokio::time::Instant;

use super::append;
use super::channel_log::ChannelLog;
use super::directory::Directory;
use super::effect::{Broken, Effect, Effects, PageAnswer};
use super::evict;
use super::expiries::Expiries;
use super::kept_pages::KeptPages;
use super::lingering::Lingering;
use super::log_limit::LogLimit;
use super::notifier::Notifier;
use super::reads::ReadKind;
use super::reconcile::Reconcile;
use super::refused_names::RefusedNames;
use super::schedule::{Command, Schedule};
use super::since::Since;
use super::successes::Successes;
use super::timers::{Timer, Timers};
use super::unfounded::Unfounded;
use crate::absence;
use crate::budget::Budget;
use crate::channel::Hub;
use crate::options::Options;
use crate::payer::Payer;
use crate::random::Random;
use crate::refusal::Refusal;
use crate::stats::IngestStats;
use crate::tail::Seam;

/// Everything of the registry but the logs themselves.
#[derive(Debug)]
pub(super) struct Resources {
    pub(super) options: Options,
    pub(super) stats: Arc<IngestStats>,
    random: Random,
    pub(super) began: Instant,
    budget: Budget,
    pub(super) schedule: Schedule,
    pub(super) successes: Successes,
    pub(super) reconcile: Reconcile,
    pub(super) expiries: Expiries,
    pub(super) timers: Timers,
    pub(super) lingering: Lingering,
    pub(super) notifier: Notifier,
    /// Names of channels whose tips were refused, which may be closed by now.
    refused_names: RefusedNames,
    /// Channels that are neither open nor refused.
    pub(super) unprimed: Since,
    /// Channels of which reads fail.
    failing: Since,
    /// Pages in memory, the oldest first.
    kept_pages: KeptPages,
    /// Histories that turned out not to be contiguous since the last sweep.
    log_limit: LogLimit,
    /// Channels that could not be read again and again since the last sweep.
    failure_limit: LogLimit,
    /// When messages were found to be without their entries.
    unfounded: Unfounded,
}

impl Resources {
    pub(super) fn new(options: Options, hub: Arc<Hub>, stats: Arc<IngestStats>, random: Random, now: Instant) -> Self {
        Self {
            budget: Budget::new(options.budget),
            schedule: Schedule::new(&options, now),
            successes: Successes::new(now),
            reconcile: Reconcile::new(options.reconcile_interval, now),
            expiries: Expiries::default(),
            timers: Timers::default(),
            lingering: Lingering::new(options.linger),
            notifier: Notifier::new(hub),
            refused_names: RefusedNames::default(),
            unprimed: Since::default(),
            failing: Since::default(),
            kept_pages: KeptPages::new(&options),
            log_limit: LogLimit::default(),
            failure_limit: LogLimit::default(),
            unfounded: Unfounded::default(),
            options,
            stats,
            random,
            began: now,
        }
    }

    /// Carries out what a log decided.
    pub(super) fn carry_out(&mut self, log: &ChannelLog, effects: Effects, now: Instant) {
        let key = log.channel.key;
        for effect in effects {
            match effect {
                Effect::Accept => {
                    self.refused_names.forget(&log.channel.name);
                    self.accept(log);
                }
                Effect::Refuse(why) => {
                    self.refused_names.note(&log.channel.name, now);
                    self.refuse(log, why);
                }
                Effect::ForgetPages => evict::pages(&log.channel, &mut self.budget),
                Effect::Warn(broken) => self.warn(log, &broken),
                Effect::Append(extension) => {
                    let cell = if extension.is_announced { &self.stats.verified } else { &self.stats.repaired };
                    cell.add(extension.entries.len() as u64);
                    append::entries(&log.channel, extension.seam, extension.entries, &mut self.budget, &self.options);
                    self.notifier.notify(&log.channel);
                }
                Effect::MoveHead(head) => {
                    append::head(&log.channel, head);
                    self.notifier.notify(&log.channel);
                }
                Effect::ReleaseWants(positions) => {
                    log.release_wants(&positions);
                    self.notifier.notify(&log.channel);
                }
                Effect::Notify => self.notifier.notify(&log.channel),
                Effect::Cover { is_confirmed, unread_since } => {
                    self.notifier.cover(&log.channel, is_confirmed, unread_since);
                }
                Effect::ReadTip => self.want_tip(log, now),
                Effect::ReadHead => self.want_head(log),
                Effect::ReadPage => {
                    log.wanting().into_iter().for_each(|payer| self.schedule.want_page(payer, key, now));
                }
                Effect::EndedEarly(ending) => self.options.min_lives.note(&log.channel.name, ending),
                Effect::Vanished => self.options.min_lives.permanence().note_vanished(&log.channel.name),
                Effect::AwaitProof(due) => self.expiries.add(log.feed, due, key),
                Effect::RenewAbsence => self.reconcile.note_absence(key),
                Effect::Compared { differ } => {
                    self.stats.reconciles.add(1);
                    self.stats.reconcile_misses.add(u64::from(differ));
                }
                Effect::Unfounded { count, id } => self.note_unfounded(log, count, id, now),
                Effect::Failed { kind, back_off } => {
                    self.stats.failed_reads.add(1);
                    self.failing.begin(key, now);
                    if let Some(wait) = back_off {
                        self.timers.set(now + self.random.spread(wait), key, Timer::Retry(kind));
                    }
                }
                Effect::TellFailure(error) => {
                    if self.failure_limit.admit() {
                        tracing::warn!(channel = %log.channel.name, error, "the channel cannot be read, again and again");
                    }
                }
            }
        }
        if !log.is_failing() {
            self.failing.end(key);
        }
    }

    /// Messages named entries that the stream does not have.
    fn note_unfounded(&mut self, log: &ChannelLog, count: usize, id: EntryId, now: Instant) {
        if self.unfounded.note(count, now) {
            tracing::warn!(
                channel = %log.channel.name,
                entry = %id,
                "a message names an entry that its stream does not have, and is not the only one; nothing of them was delivered. Do \
                 publishers use another database than this node, or does somebody forge messages? (see \
                 fanfare_feed_unfounded_pushes_total)"
            );
        }
        self.stats.unfounded.add(count as u64);
    }

    fn warn(&mut self, log: &ChannelLog, broken: &Broken) {
        let (channel, after, reason) = (&log.channel.name, broken.after, broken.reason);
        self.stats.seams.of(reason).add(1);
        if broken.is_wrong_type {
            tracing::warn!(%channel, %after, "the channel's key holds another type than a stream");
        } else if !self.log_limit.admit() {
            // It is counted.
        } else if reason == GapReason::Unavailable {
            tracing::warn!(%channel, %after, "the next entry cannot be read: readers are told and go on at the stream's end");
        } else {
            tracing::warn!(%channel, reason = reason.as_str(), %after, "history is not contiguous");
        }
    }

    /// Appends an entry that was pushed and follows the head.
    pub(super) fn append_entry(&mut self, log: &ChannelLog, id: EntryId, event: &Event) {
        let pushed = [(id, Frame::entry(id, event))];
        append::entries(&log.channel, None, pushed, &mut self.budget, &self.options);
        self.notifier.notify(&log.channel);
    }

    /// Appends an ephemeral event, if the log is open.
    pub(super) fn append_ephemeral(&mut self, log: &ChannelLog, event: &Event) {
        if append::ephemeral(&log.channel, Frame::ephemeral(event), &mut self.budget, &self.options) {
            self.notifier.notify(&log.channel);
        }
    }

    /// Takes in the answer to a read of a page. Returns the size of the page, if it was of any use.
    pub(super) fn take_page(&mut self, log: &mut ChannelLog, answer: PageAnswer, now: Instant) -> Option<usize> {
        let (after, snapshot) = match answer {
            PageAnswer::Page(after, snapshot) => (after, snapshot),
            PageAnswer::Skip(seam) => {
                self.skip(log, seam, now);
                return None;
            }
            PageAnswer::Nothing(effects) => {
                self.carry_out(log, effects, now);
                return None;
            }
        };
        let page = append::page(&log.channel, after, &snapshot, &mut self.budget);
        self.stats.shared_reads.add(page.shared as u64);
        if let Some(kept) = page.kept {
            self.kept_pages.add(log.channel.key, &kept);
            self.schedule.hold_page(kept, now + self.options.page_patience);
        }
        let mut effects = vec![Effect::Notify];
        effects.extend(page.is_ahead_of_tail.then(|| log.wait_for_head(after)));
        self.carry_out(log, effects, now);
        Some(page.bytes)
    }

    /// An entry cannot be read: readers before it find a page that tells them so, for a while.
    fn skip(&mut self, log: &ChannelLog, seam: Seam, now: Instant) {
        let key = log.channel.key;
        let broken = Broken { reason: seam.reason, after: seam.after, is_wrong_type: false };
        let page = append::skip(&log.channel, seam, &mut self.budget);
        self.kept_pages.add(key, &page);
        self.schedule.hold_page(page, now + self.options.page_patience);
        self.timers.set(now + UNREADABLE_TOLD, key, Timer::Unreadable);
        let failed = Effect::Failed { kind: ReadKind::Page, back_off: None };
        self.carry_out(log, vec![failed, Effect::Warn(broken), Effect::Notify, Effect::ReadPage], now);
    }

    /// What was told of entries that could not be read is to be tried again.
    pub(super) fn forget_skips(&mut self, log: &ChannelLog) {
        evict::skips(&log.channel, &mut self.budget);
    }

    /// A read of the tip is wanted, unless the archive failed lately. To open a log is charged to who asked for it, to keep it
    /// true is the node's own business. What the store refused before is asked for at the expense of who asked for the channel.
    pub(super) fn want_tip(&mut self, log: &ChannelLog, now: Instant) {
        let is_open = log.is_open();
        // Where nothing was ever read and nothing can be subscribed to there is nothing to compare.
        if !log.is_backing_off(ReadKind::Tip) && (is_open || log.is_acknowledged()) {
            let (key, asker) = (log.channel.key, log.channel.payer);
            let is_refused = log.is_tip_refused() || self.refused_names.has(&log.channel.name, now);
            match (is_refused, is_open) {
                (true, _) => self.schedule.want_refused_tip(asker, key),
                (false, true) => self.schedule.want_tip(upkeep_payer(log), key),
                (false, false) if log.channel.name.is_system() => self.schedule.want_tip(Payer::OWN_LOGS, key),
                (false, false) => self.schedule.want_tip(asker, key),
            }
        }
    }

    /// A read of the head is wanted, which is the node's own business.
    pub(super) fn want_head(&mut self, log: &ChannelLog) {
        self.schedule.want_head(upkeep_payer(log), log.channel.key);
    }

    /// All that was published before this time has been told by the feed, and noted.
    pub(super) fn note_proven(&mut self, proven: Option<Instant>) {
        let since = proven.map(|proven| proven.saturating_duration_since(self.began).as_millis());
        self.stats.proven_ms.set(since.map_or(0, |since| u64::try_from(since).unwrap_or(u64::MAX).saturating_add(1)));
        self.notifier.set_proven(proven);
    }

    /// A round trip through a feed took so long.
    pub(super) fn note_round_trip(&self, took: Duration) {
        self.stats.round_trip_us.set(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    /// Tells the readers of a channel why it cannot be followed.
    pub(super) fn refuse(&mut self, log: &ChannelLog, why: Refusal) {
        let (refused, wrong_type) = (&self.stats.refused, &self.stats.wrong_type);
        refused.add(u64::from(matches!(why, Refusal::Denied(_))));
        wrong_type.add(u64::from(matches!(why, Refusal::WrongType)));
        let before = log.channel.lock().refusal.replace(why);
        self.forget_refusal(before.as_ref());
        self.unprimed.end(log.channel.key);
        self.notifier.notify(&log.channel);
    }

    /// Takes a refusal back.
    pub(super) fn accept(&mut self, log: &ChannelLog) {
        let before = log.channel.lock().refusal.take();
        self.forget_refusal(before.as_ref());
        if log.is_open() {
            self.unprimed.end(log.channel.key);
        }
    }

    fn forget_refusal(&self, refusal: Option<&Refusal>) {
        let cell = match refusal {
            Some(Refusal::Denied(_)) => &self.stats.refused,
            Some(Refusal::WrongType) => &self.stats.wrong_type,
            None => return,
        };
        cell.set(cell.get().saturating_sub(1));
    }

    /// Gives back everything that a closed log held.
    pub(super) fn release(&mut self, log: &ChannelLog) {
        let key = log.channel.key;
        if let Some(since) = log.idle_since() {
            self.lingering.remove(since, key);
        }
        self.schedule.forget(key);
        self.unprimed.end(key);
        self.failing.end(key);
        self.accept(log);
        evict::everything(&log.channel, &mut self.budget);
    }

    /// The keys whose heads are to be compared now, if a sweep is due.
    pub(super) fn sweep(&mut self, directory: &Directory, now: Instant) -> Vec<usize> {
        let is_open = |key| directory.get(key).is_some();
        let due = self.reconcile.sweep(now, &self.random, directory.len(), is_open);
        let Some(due) = due else { return Vec::new() };
        let unlogged = self.log_limit.renew();
        if unlogged > 0 {
            tracing::warn!(channels = unlogged, "history is not contiguous in more channels");
        }
        let unlogged = self.failure_limit.renew();
        if unlogged > 0 {
            tracing::warn!(channels = unlogged, "more channels cannot be read");
        }
        due
    }

    /// Ends a turn: sees to it that absences are renewed, says which reads to start, and keeps the budget.
    pub(super) fn end_turn(&mut self, directory: &mut Directory, now: Instant) -> Vec<Command> {
        for key in self.reconcile.take_absent() {
            if directory.get(key).is_some() {
                let (began, interval, random) = (self.began, self.options.reconcile_interval, &self.random);
                self.timers.set_once(key, Timer::Absence, || absence::renew_at(now, began, interval, random));
            }
        }
        let mut commands = self.schedule.start(directory, now);
        if self.want_evidence(directory, &commands, now) {
            commands.extend(self.schedule.start(directory, now));
        }
        self.note_begun(&commands, now);
        for bytes in self.kept_pages.beyond_limit(directory) {
            self.budget.release(bytes);
            self.stats.evictions.add(1);
        }
        evict::beyond_budget(directory, &mut self.budget, self.kept_pages.spared(), |log, pieces| {
            self.stats.evictions.add(pieces as u64);
            self.notifier.notify(&log.channel);
        });
        let is_open = |key| directory.get(key).is_some();
        self.timers.compact(directory.len(), is_open);
        self.reconcile.compact(directory.len(), is_open);
        self.stats.channels.set(directory.len() as u64);
        self.stats.channels_refused.set(self.notifier.refused());
        self.stats.tail_bytes.set(self.budget.used() as u64);
        self.unprimed.tell(&self.stats.unprimed, self.began);
        self.failing.tell(&self.stats.failing, self.began);
        self.schedule.tell(&self.stats, self.began);
        self.notifier.flush();
        commands
    }

    /// Where a read begins that failed before for want of a single entry, the channel's tip and the head of another channel are read
    /// as well: they tell whether it is the entry's fault. Returns whether there are any.
    fn want_evidence(&mut self, directory: &mut Directory, commands: &[Command], now: Instant) -> bool {
        let failing = commands.iter().filter_map(|command| match command {
            Command::Head { key, request } => Some((*key, ReadKind::Head, request.after)),
            Command::Page { key, request } => Some((*key, ReadKind::Page, request.after)),
            Command::Tips { .. } | Command::Newest { .. } => None,
        });
        let mut is_any = false;
        for (key, kind, after) in failing {
            let Some(log) = directory.get(key).filter(|log| log.is_unreadable(kind, after)) else { continue };
            is_any = true;
            self.want_tip(log, now);
            let feed = log.feed;
            let can_tell = |other: &usize| {
                *other != key
                    && directory.get(*other).is_some_and(|other| other.feed == feed && other.can_be_compared())
            };
            let other = self.reconcile.keys().take(UNREADABLE_OTHERS_TRIED_MAX).find(can_tell);
            if let Some(other) = other.and_then(|other| directory.get_mut(other)) {
                other.want_head();
                self.schedule.want_head(Payer::NODE, other.channel.key);
            }
        }
        is_any
    }

    fn note_begun(&mut self, commands: &[Command], now: Instant) {
        self.successes.next_turn(now);
        for command in commands {
            match command {
                Command::Tips { keys, .. } => keys.iter().for_each(|key| self.successes.begin(*key, ReadKind::Tip)),
                Command::Head { key, .. } => {
                    self.stats.head_reads.add(1);
                    self.successes.begin(*key, ReadKind::Head);
                }
                Command::Page { key, .. } | Command::Newest { key, .. } => {
                    self.stats.page_reads.add(1);
                    self.successes.begin(*key, ReadKind::Page);
                }
            }
        }
    }

    /// The number of timers, of turns to be compared, and of turns to have a page read.
    #[cfg(test)]
    pub(super) fn left_behind(&self) -> (usize, usize, usize) {
        (self.timers.len(), self.reconcile.len(), self.schedule.waiting_for_pages())
    }

    /// Bytes held by all logs.
    #[cfg(feature = "testing")]
    pub(super) fn held_bytes(&self) -> usize {
        self.budget.used()
    }
}

/// Who pays for keeping an open log true to its stream.
fn upkeep_payer(log: &ChannelLog) -> Payer {
    if log.channel.name.is_system() { Payer::OWN_LOGS } else { Payer::NODE }
}
