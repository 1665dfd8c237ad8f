//! One connection thread: its view of the logs, its sessions, and the little that happens by the clock.
//!
//! Everything here is `!Send` and touched by one thread only. Sessions have no timers: sweeps ask each of them for a
//! heartbeat once per interval, a sixteenth of them at a time; and those whose clients have a heartbeat of their own, by that.
//!
//! Who is woken stands in the runtime's queue behind all that were woken before. So readers and beats come in **turns**: a bounded
//! number of them, then sockets, new sessions and what other channels brought meanwhile, then the next turn. One event to 8,000
//! readers is many turns.

use std::cell::{Cell as Local, OnceCell};
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use fanfare_auth::{Grant, Right, UnixSeconds};
use fanfare_log::{CoreLog, Hub, Item, Random, ReaderId};
use fanfare_protocol::{ChannelName, limits};
use http::HeaderValue;
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::carried_out::CarriedOut;
use crate::clock::Clock;
use crate::core_stats::CoreStats;
use crate::denied::Denied;
use crate::end::EndReason;
use crate::expiries::{Expiries, Times};
use crate::grant_holders::GrantHolders;
use crate::http_date::HttpDate;
use crate::known_revocations::KnownRevocations;
use crate::payer_turns::PayerTurns;
use crate::sessions::{SessionSlot, Sessions};
use crate::silent_sockets::SilentSockets;
use crate::sweep::Sweep;
use crate::turn::TurnSize;
use crate::watchers::Watchers;

/// Sweeps in a heartbeat interval.
pub(crate) const SWEEPS: u32 = 16;

/// Names whoever follows the log of revocations to the log, where sessions have their slots. No thread has so many.
pub(crate) const FOLLOWER: ReaderId = ReaderId { session: u32::MAX, channel: 0 };

/// What can be tuned about delivery.
#[derive(Debug, Clone)]
pub struct DeliveryOptions {
    /// A session that has been quiet for so long sends a comment.
    pub heartbeat: Duration,
    /// Waits so long for more before it writes: trades latency for fewer writes. Zero: writes at once.
    pub coalesce: Duration,
    /// What `retry:` tells clients, before jitter.
    pub retry: Duration,
    /// A client whose next event is older than this is moved to the present with a `$gap` `lagging`. `None`: never.
    pub max_behind: Option<Duration>,
    /// A client whose position is older than this starts now, with a `$gap` `unknown_position`. `None`: the stream's
    /// retention decides.
    pub cursor_age: Option<Duration>,
    /// How long a new session waits for its channels to open.
    pub subscribe_timeout: Duration,
    /// A client that acknowledges nothing for so long, though asked again and again, is gone; longer than two heartbeats.
    pub user_timeout: Duration,
    /// A client that takes nothing for so long, although something waits for it, is ended and resumes from its position; longer
    /// than two heartbeats. `None`: it may take nothing for ever.
    pub stalled: Option<Duration>,
}

impl Default for DeliveryOptions {
    fn default() -> Self {
        Self {
            heartbeat: limits::HEARTBEAT_DEFAULT,
            coalesce: limits::COALESCE_DEFAULT,
            retry: limits::RETRY_DEFAULT,
            max_behind: limits::MAX_BEHIND_DEFAULT,
            cursor_age: limits::CURSOR_AGE_DEFAULT,
            subscribe_timeout: limits::SUBSCRIBE_TIMEOUT_DEFAULT,
            user_timeout: limits::TCP_USER_TIMEOUT,
            stalled: limits::STALLED_DEFAULT,
        }
    }
}

/// The state of one connection thread.
#[derive(Debug)]
pub struct Core {
    pub(crate) log: CoreLog,
    pub(crate) sessions: Sessions,
    pub(crate) expiries: Expiries,
    pub(crate) holders: GrantHolders,
    /// The sessions that asked how many read their channels.
    pub(crate) watchers: Watchers,
    pub(crate) silent: Rc<SilentSockets>,
    /// Who goes on with a handshake next: one at a time, and all that waits on this thread goes between two.
    pub(crate) handshakes: PayerTurns,
    pub(crate) options: DeliveryOptions,
    pub(crate) stats: Arc<CoreStats>,
    pub(crate) clock: Clock,
    date: HttpDate,
    /// Sweeps since start: the clock of heartbeats and timeouts.
    ticks: Local<u32>,
    random: Random,
    draining: Local<bool>,
    /// The slot from which sessions are asked next, until the sweep is through.
    next_beat: Local<Option<usize>>,
    /// The time by which sessions are ended whose grants end, until all have been asked.
    expiring: Local<Option<u64>>,
    /// What is revoked; empty where nothing can be.
    revocations: OnceCell<Arc<KnownRevocations>>,
    /// How far this thread has carried out what is revoked.
    carried_out: Local<CarriedOut>,
    /// Something has changed for who follows the log of revocations.
    follower: Notify,
}

impl Core {
    /// The state of thread number `core`. `random` is for jitter.
    #[must_use]
    pub fn new(
        hub: Arc<Hub>,
        core: usize,
        options: DeliveryOptions,
        stats: Arc<CoreStats>,
        clock: Clock,
        random: Random,
    ) -> Rc<Self> {
        Rc::new(Self {
            log: CoreLog::new(hub, core),
            sessions: Sessions::default(),
            expiries: Expiries::default(),
            holders: GrantHolders::new(&random.fork()),
            watchers: Watchers::default(),
            silent: Rc::default(),
            handshakes: PayerTurns::new(1),
            options,
            stats,
            clock,
            date: HttpDate::default(),
            ticks: Local::new(0),
            random,
            draining: Local::new(false),
            next_beat: Local::new(None),
            expiring: Local::new(None),
            revocations: OnceCell::new(),
            carried_out: Local::default(),
            follower: Notify::new(),
        })
    }

    /// Hands changes of the logs to the sessions and sweeps. Runs until it is dropped.
    pub async fn run(self: Rc<Self>) {
        let mut sweep = interval(self.current_sweep().length);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut size = TurnSize::default();
        // When a turn began after which more are to be woken.
        let mut turn: Option<Instant> = None;
        // Until when changes wait for company.
        let mut gathering: Option<Instant> = None;
        loop {
            tokio::select! {
                // First, because it is rare and must come however busy the channels are.
                biased;
                _ = sweep.tick() => self.sweep(),
                began = end_of_turn(turn) => {
                    size.took(Instant::now() - began);
                    turn = None;
                }
                () = self.log.changed(), if gathering.is_none() => match self.options.coalesce {
                    Duration::ZERO => self.take_over(),
                    coalesce => gathering = Some(Instant::now() + coalesce),
                },
                () = reached(gathering) => {
                    gathering = None;
                    self.take_over();
                }
            }
            if turn.is_none() && self.wake(size.get()) {
                turn = Some(Instant::now());
            }
        }
    }

    /// Number of sessions on this thread.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// Whether sessions are being ended; new ones are refused.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// Ends the sessions one by one, spread evenly over `window`. Returns when the last has been asked; each ends at its
    /// next frame boundary.
    pub async fn drain(&self, window: Duration) {
        self.draining.set(true);
        let tokens = self.sessions.tokens();
        let step = window / u32::try_from(tokens.len().max(1)).unwrap_or(u32::MAX);
        // Threads and nodes that begin together do not end their sessions in step.
        let start = Instant::now() + self.random.between(Duration::ZERO, step);
        for (index, token) in tokens.into_iter().enumerate() {
            let due = start + step * u32::try_from(index).unwrap_or(u32::MAX);
            if due > Instant::now() {
                sleep_until(due).await;
            }
            self.sessions.end(token, EndReason::Drain);
        }
        // Those that were just starting when the drain began.
        for token in self.sessions.tokens() {
            self.sessions.end(token, EndReason::Drain);
        }
    }

    /// Ends a new session before this time, with which its grant ends. `false`: there is no time left, and it is to be refused.
    pub(crate) fn end_before(&self, session: SessionSlot, end: UnixSeconds) -> bool {
        let (end, now) = (end.0.saturating_mul(1_000), self.clock.wall_ms());
        let times = Times::new(end, now, self.current_sweep().length, &self.random);
        let Some(token) = self.sessions.token(session) else { return false };
        let is_in_time = now < times.farewell;
        if is_in_time {
            self.expiries.insert(token, times);
        } else {
            self.sessions.end(token, EndReason::Expired);
        }
        is_in_time
    }

    /// Has a session whose grant is in doubt come back within this time, to be judged again; a drain sends it away anyway.
    pub(crate) fn doubt(&self, session: SessionSlot, spread: Duration) {
        let Some(token) = self.sessions.token(session).filter(|_| !self.is_draining()) else { return };
        let now = self.clock.wall_ms();
        let latest = now.saturating_add(u64::try_from(spread.as_millis()).unwrap_or(u64::MAX));
        self.expiries.bring_forward(token, Times::within(spread, now, &self.random), latest);
    }

    /// From now on grants may be revoked, which these know.
    pub(crate) fn set_revocations(&self, revocations: Arc<KnownRevocations>) {
        // A second call would be about the same node's.
        drop(self.revocations.set(revocations));
    }

    /// Remembers what a new session is allowed by, so that it ends when that is revoked. `false`: it was meanwhile.
    pub(crate) fn note_holder(&self, session: SessionSlot, grant: &Grant, channels: &[ChannelName]) -> bool {
        let Some(revocations) = self.revocations.get() else { return true };
        let Some(token) = self.sessions.token(session) else { return false };
        self.holders.insert(token, grant, channels);
        // Asked after that: what is revoked later meets the session in its place. While it is not known what is revoked the session waits.
        let is_revoked = revocations.still(grant, Right::Subscribe, channels) == Err(Denied::Revoked);
        if is_revoked {
            self.sessions.end(token, EndReason::Revoked);
        }
        !is_revoked
    }

    /// Forgets a session that is over.
    pub(crate) fn forget_session(&self, session: SessionSlot) {
        self.expiries.remove(session);
        if let Some(token) = self.sessions.token(session).filter(|_| self.revocations.get().is_some()) {
            self.holders.remove(token);
        }
    }

    /// Whether a session gets nothing of its channels for now: it needs a grant, and it is not known what is revoked, or not proven that all of
    /// that has arrived, or what is known is not carried out on this thread. It is woken when it is.
    pub(crate) fn holds_back(&self, session: SessionSlot) -> bool {
        let Some(revocations) = self.revocations.get() else { return false };
        !self.carried_out.get().is_all_of(revocations) && self.holders.hold(session)
    }

    /// So far this thread has carried out what is revoked.
    pub(crate) fn set_carried_out(&self, carried_out: CarriedOut) {
        self.carried_out.set(carried_out);
    }

    /// Waits until something has changed in the log of revocations since the last call. Cancel-safe; one waiter.
    pub(crate) async fn follower_woken(&self) {
        self.follower.notified().await;
    }

    /// The time of day, for the `Date` of an answer.
    pub(crate) fn date(&self) -> HeaderValue {
        self.date.at(self.clock.wall_ms())
    }

    /// Sweeps since start.
    pub(crate) fn tick(&self) -> u32 {
        self.ticks.get()
    }

    /// The number of sweeps that make up a duration, at least one.
    pub(crate) fn ticks_in(&self, duration: Duration) -> u32 {
        let tick = self.current_sweep().length;
        u32::try_from(duration.as_micros().div_ceil(tick.as_micros().max(1))).unwrap_or(u32::MAX).max(1)
    }

    /// The latest sweep.
    pub(crate) fn current_sweep(&self) -> Sweep {
        let length = (self.options.heartbeat / SWEEPS).max(Duration::from_millis(10));
        Sweep { tick: self.tick(), parts: SWEEPS, length }
    }

    /// What `retry:` says, in milliseconds: between 50 % and 150 % of the configured time, so that clients that were cut
    /// together do not come back together.
    pub(crate) fn retry_ms(&self) -> u64 {
        let base = u64::try_from(self.options.retry.as_millis()).unwrap_or(u64::MAX / 2);
        base / 2 + self.random.below(base)
    }

    fn take_over(&self) {
        let mut ephemeral = 0;
        self.log.take_over(|item, _| ephemeral += u64::from(matches!(item, Item::Ephemeral { .. })));
        if ephemeral > 0 {
            self.stats.ephemerals.add(ephemeral);
        }
        self.stats.channels.set(self.log.channels() as u64);
    }

    /// Wakes the readers and asks for the beats of one turn. Returns whether there may be more.
    fn wake(&self, most: usize) -> bool {
        let are_more = self.log.wake(most, |reader| self.wake_reader(reader));
        if let Some(from) = self.next_beat.get() {
            self.next_beat.set(self.sessions.beat(from, self.current_sweep(), most));
        }
        if let Some(now) = self.expiring.get() {
            let are_more = self.expiries.take_due(now, most, |token, reason| {
                self.sessions.end(token, reason);
            });
            self.expiring.set(are_more.then_some(now));
        }
        are_more || self.next_beat.get().is_some() || self.expiring.get().is_some()
    }

    fn wake_reader(&self, reader: ReaderId) {
        match reader {
            FOLLOWER => self.follower.notify_one(),
            reader => self.sessions.wake(reader),
        }
    }

    fn sweep(&self) {
        self.silent.make_room();
        // A thread that cannot keep up asks the rest of a part at once: each session is asked once per interval.
        if let Some(from) = self.next_beat.get() {
            self.sessions.beat(from, self.current_sweep(), usize::MAX);
        }
        self.ticks.set(self.tick().wrapping_add(1));
        self.stats.sweeps.add(1);
        if self.tick().is_multiple_of(SWEEPS) {
            self.stats.lagging.begin_round();
        }
        self.stats.channels.set(self.log.channels() as u64);
        self.next_beat.set(Some(0));
        if !self.expiries.is_empty() {
            self.expiring.set(Some(self.clock.wall_ms()));
        }
    }
}

/// Waits until everything that stands in the thread's queue has had its turn; for ever if no turn has begun. Returns when it began.
///
/// The task wakes itself and so stands at the end of that queue; another thread that wakes it meanwhile does not bring it forward.
async fn end_of_turn(began: Option<Instant>) -> Instant {
    let Some(began) = began else { return pending().await };
    let mut is_over = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut is_over, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
    began
}

/// Waits for a time; for ever if there is none.
async fn reached(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => pending().await,
    }
}

#[cfg(test)]
mod tests;
